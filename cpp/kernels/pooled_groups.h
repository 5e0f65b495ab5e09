// How pooled_input_gradient goes through a kernel: in groups of its rows and of blocks of 16 floats
// within them. The same on every machine, since the order of the groups is the order of the sums.
#pragma once

#include <cstddef>

namespace nncore::kernels {

// A group fills at most the registers of AVX-512, two accumulators for each of these ...
constexpr std::ptrdiff_t kPooledGroupBlocks = 12;
constexpr std::ptrdiff_t kPooledGroupRows = 5;

// body(first row, rows, first block, blocks), in the order of the sums.
template <class Body>
inline __attribute__((always_inline)) void for_pooled_groups(std::ptrdiff_t kernel_rows,
                                                             std::ptrdiff_t blocks,
                                                             std::ptrdiff_t channels, Body body) {
    // ... and its weights, 24 KiB of them for all channels, should stay in the first cache.
    const std::ptrdiff_t fit = 6144 / (16 * channels);
    const std::ptrdiff_t room = fit < 4 ? 4 : fit > kPooledGroupBlocks ? kPooledGroupBlocks : fit;
    const std::ptrdiff_t parts = (blocks + room - 1) / room;
    const std::ptrdiff_t widest = (blocks + parts - 1) / parts;
    const std::ptrdiff_t most = room / widest > kPooledGroupRows ? kPooledGroupRows : room / widest;
    const std::ptrdiff_t passes = (kernel_rows + most - 1) / most;
    for (std::ptrdiff_t part = 0; part < parts; ++part)
        for (std::ptrdiff_t pass = 0; pass < passes; ++pass) {
            const std::ptrdiff_t row = kernel_rows * pass / passes, block = blocks * part / parts;
            body(row, kernel_rows * (pass + 1) / passes - row, block,
                 blocks * (part + 1) / parts - block);
        }
}

}  // namespace nncore::kernels
