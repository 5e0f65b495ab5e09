// The content of small files, many of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace nncore::runtime {

// Puts the whole content of a regular file of at most `largest` bytes into `content`; false for
// every other file, one that cannot be read, and one whose size changes meanwhile.
bool read_small_file(const char* path, std::size_t largest, std::vector<std::uint8_t>& content);

}  // namespace nncore::runtime
