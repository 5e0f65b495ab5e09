// Register tiles over the output channels of a convolution, or the outputs of a dense layer: V
// vectors of them need kPixels<V> rows (output pixels, or inputs of the kernel) to fill the
// accumulators.
#pragma once

#include "tile.h"

namespace nncore::kernels::NNCORE_TARGET {

#if defined(__AVX512F__)
constexpr int kWidest = 4;
template <int V>
constexpr int kPixels = V == 4   ? 6
                        : V == 3 ? 8
                        : V == 2 ? 13
                                 : 14;
#elif defined(__AVX2__)
constexpr int kWidest = 2;
template <int V>
constexpr int kPixels = 6;
#elif defined(__ARM_NEON)
constexpr int kWidest = 4;
template <int V>
constexpr int kPixels = 6;
#else
constexpr int kWidest = 4;
template <int V>
constexpr int kPixels = 2;
#endif

// Walks `vectors` output vectors in steps of kWidest and a last, smaller step; body is called as
// body.template operator()<V>(first vector).
template <class Body>
NNCORE_INLINE void for_channel_tiles(ptrdiff_t vectors, Body body) {
    ptrdiff_t v = 0;
    for (; v + kWidest <= vectors; v += kWidest) body.template operator()<kWidest>(v);
#if defined(__AVX512F__)
    switch (vectors - v) {
        case 3:
            body.template operator()<3>(v);
            break;
        case 2:
            body.template operator()<2>(v);
            break;
        case 1:
            body.template operator()<1>(v);
            break;
        default:
            break;
    }
#endif
}

// Deals `total` evenly into tiles of at most `height` and calls body(first, count).
template <class Body>
NNCORE_INLINE void for_even_tiles(ptrdiff_t total, int height, Body body) {
    const ptrdiff_t tiles = (total + height - 1) / height;
    for (ptrdiff_t i = 0; i < tiles; ++i) {
        const ptrdiff_t first = total * i / tiles;
        body(first, static_cast<int>(total * (i + 1) / tiles - first));
    }
}

}  // namespace nncore::kernels::NNCORE_TARGET
