// Arrays to compute on.
#pragma once

#include <cstdint>
#include <vector>

#include "runtime/aligned_buffer.h"

namespace nncore::bench {

// Aligned, uniform in [-1, 1), always the same. Kernels may read a vector beyond the end.
runtime::AlignedBuffer random_floats(std::ptrdiff_t count);

// Winners of 2x2 windows: 0 to 3.
std::vector<std::uint8_t> random_winners(std::ptrdiff_t count);

constexpr std::ptrdiff_t kBlock = 16;  // the lane block of cpp/kernels
inline std::ptrdiff_t blocks_of(std::ptrdiff_t count) { return (count + kBlock - 1) / kBlock; }
inline std::ptrdiff_t padded(std::ptrdiff_t count) { return blocks_of(count) * kBlock; }

}  // namespace nncore::bench
