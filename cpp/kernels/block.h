// The lane block. Weights and channels are stored in blocks of 16 floats on every machine, so that
// a parameter buffer means the same everywhere: one vector of AVX-512, several of a narrower one.
#pragma once

#include <cstddef>

namespace nncore::kernels {

constexpr std::ptrdiff_t kBlock = 16;

// How many blocks `count` floats fill, and how many floats these are. Always inline: files of isa/
// use them, whose code must not be shared between instruction sets.
__attribute__((always_inline)) constexpr std::ptrdiff_t blocks_of(std::ptrdiff_t count) {
    return (count + kBlock - 1) / kBlock;
}
__attribute__((always_inline)) constexpr std::ptrdiff_t padded(std::ptrdiff_t count) {
    return blocks_of(count) * kBlock;
}

}  // namespace nncore::kernels
