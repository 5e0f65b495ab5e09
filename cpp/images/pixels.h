// What the readers of picture files take and give.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace nncore::images {

using Bytes = std::span<const std::uint8_t>;

// height x width x channels, 8 bits each; channels is 1 (gray) or 3 (RGB).
struct Pixels {
    std::ptrdiff_t height, width, channels;
    std::vector<std::uint8_t> values;
};

inline std::uint32_t big_endian_16(const std::uint8_t* at) {
    return std::uint32_t{at[0]} << 8 | at[1];
}

inline std::uint32_t big_endian_32(const std::uint8_t* at) {
    return big_endian_16(at) << 16 | big_endian_16(at + 2);
}

}  // namespace nncore::images
