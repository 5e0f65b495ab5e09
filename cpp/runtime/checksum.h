// A checksum by which damaged files are known: fast, and not meant against people who mean harm.
#pragma once

#include <cstddef>
#include <cstdint>

namespace nncore::runtime {

// Of `size` bytes. Any one changed word of 8 bytes changes it for certain, anything else in all but
// about one of 2^64 cases. It reads as fast as memory gives.
std::uint64_t checksum(const std::uint8_t* data, std::size_t size) noexcept;

}  // namespace nncore::runtime
