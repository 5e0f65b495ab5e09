// Arrays to compute on.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/block.h"
#include "runtime/aligned_buffer.h"

namespace nncore::bench {

// Aligned, uniform in [-1, 1), always the same. Kernels may read a vector beyond the end.
runtime::AlignedBuffer random_floats(std::ptrdiff_t count);

// Winners of 2x2 windows: 0 to 3.
std::vector<std::uint8_t> random_winners(std::ptrdiff_t count);

using kernels::blocks_of;
using kernels::kBlock;
using kernels::padded;

}  // namespace nncore::bench
