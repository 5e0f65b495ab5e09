// Register tiles over the output channels of a convolution, or the outputs of a dense layer: V
// vectors of them need kPixels<V> rows (output pixels, or inputs of the kernel) to fill the
// accumulators.
#pragma once

#include "tile.h"
#include "tile_sizes.h"

namespace nncore::kernels::NNCORE_TARGET {

// Walks `vectors` output vectors in steps of Widest and a last, smaller step; body is called as
// body.template operator()<V>(first vector).
template <int Widest = kWidest, class Body>
NNCORE_INLINE void for_channel_tiles(ptrdiff_t vectors, Body body) {
    ptrdiff_t v = 0;
    for (; v + Widest <= vectors; v += Widest) body.template operator()<Widest>(v);
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

// How wide the tiles of a row of pixels should be. Each pass over the row reads all weights once
// more, mostly from L2: narrower tiles hold more pixels and may need fewer passes, which is worth
// up to 80% on images of 7 or 8 pixels; not where they leave a last tile of one vector, which
// reads as many pixels for a third of the work.
NNCORE_INLINE int widest_for(ptrdiff_t pixels, ptrdiff_t vectors) {
#if defined(__AVX512F__)
    const auto passes = [&](int height) { return (pixels + height - 1) / height; };
    if (vectors >= 3 && vectors % 3 != 1 && passes(kPixels<3>) < passes(kPixels<4>)) return 3;
    if (vectors == 4 && pixels > kPixels<4> && pixels <= 8) return 2;
#else
    (void)pixels;
    (void)vectors;
#endif
    return kWidest;
}

// for_channel_tiles with tiles of at most `widest` vectors, as of widest_for.
template <class Body>
NNCORE_INLINE void for_channel_tiles_of(int widest, ptrdiff_t vectors, Body body) {
#if defined(__AVX512F__)
    if (widest == 3) return for_channel_tiles<3>(vectors, body);
    if (widest == 2) return for_channel_tiles<2>(vectors, body);
#else
    (void)widest;
#endif
    for_channel_tiles(vectors, body);
}

// `total` dealt evenly into tiles of at most `height`: the first `longer` of them have one more
// than `shorter`. Made once, where many rows are cut alike: a division takes as long as a small
// tile.
struct EvenTiles {
    EvenTiles(ptrdiff_t total, int height)
        : count((total + height - 1) / height),
          shorter(count == 0 ? 0 : total / count),
          longer(count == 0 ? 0 : total % count) {}

    // Calls body(first, count).
    template <class Body>
    __attribute__((always_inline)) void for_each(Body body) const {
        ptrdiff_t first = 0;
        for (ptrdiff_t i = 0; i < count; ++i) {
            const int height = static_cast<int>(shorter + (i < longer));
            body(first, height);
            first += height;
        }
    }

    ptrdiff_t count, shorter, longer;
};
template <class Body>
NNCORE_INLINE void for_even_tiles(ptrdiff_t total, int height, Body body) {
    EvenTiles(total, height).for_each(body);
}

}  // namespace nncore::kernels::NNCORE_TARGET
