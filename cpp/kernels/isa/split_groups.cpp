// The channels of a pixel, from the order of an image to planes with one part of every group, and
// back: a transposition of many short rows, in registers where a group has 2, 4 or 8 parts.
#include "../declarations.h"
#include "vectors.h"

namespace nncore::kernels::NNCORE_TARGET {
namespace {

// Lane i is number places[i] of the 2 * kLanes floats in low and high.
NNCORE_INLINE vec pick(vec low, vec high, ivec places) {
#if defined(__AVX512F__)
    return (vec)_mm512_permutex2var_ps((__m512)low, (__m512i)places, (__m512)high);
#elif defined(__clang__)
    vec picked{};
    for (int i = 0; i < kLanes; ++i)
        picked[i] = places[i] < kLanes ? low[places[i]] : high[places[i] - kLanes];
    return picked;
#else
    return __builtin_shuffle(low, high, places);
#endif
}

// Of the 2 * kLanes floats in low and high, those at even and those at odd places; and back.
NNCORE_INLINE void separate(vec low, vec high, vec& even, vec& odd) {
    ivec places{};
    for (int i = 0; i < kLanes; ++i) places[i] = 2 * i;
    even = pick(low, high, places);
    odd = pick(low, high, places + 1);
}
NNCORE_INLINE void interleave(vec even, vec odd, vec& low, vec& high) {
    ivec places{};
    for (int i = 0; i < kLanes; ++i) places[i] = i / 2 + i % 2 * kLanes;
    low = pick(even, odd, places);
    high = pick(even, odd, places + kLanes / 2);
}

// kLanes groups of P parts, group by group, to P vectors of one part each.
template <int P>
NNCORE_INLINE void split(vec (&v)[P]) {
    if constexpr (P > 1) {
        vec even[P / 2], odd[P / 2];
        NNCORE_UNROLL
        for (int i = 0; i < P / 2; ++i) separate(v[2 * i], v[2 * i + 1], even[i], odd[i]);
        split(even);
        split(odd);
        NNCORE_UNROLL
        for (int i = 0; i < P / 2; ++i) {
            v[2 * i] = even[i];
            v[2 * i + 1] = odd[i];
        }
    }
}
template <int P>
NNCORE_INLINE void merge(vec (&v)[P]) {
    if constexpr (P > 1) {
        vec even[P / 2], odd[P / 2];
        NNCORE_UNROLL
        for (int i = 0; i < P / 2; ++i) {
            even[i] = v[2 * i];
            odd[i] = v[2 * i + 1];
        }
        merge(even);
        merge(odd);
        NNCORE_UNROLL
        for (int i = 0; i < P / 2; ++i) interleave(even[i], odd[i], v[2 * i], v[2 * i + 1]);
    }
}

// The whole vectors of one pixel's groups; returns how many groups that were.
template <int P>
NNCORE_INLINE ptrdiff_t split_whole(ptrdiff_t groups, const float* x, float* y, ptrdiff_t y_plane) {
    ptrdiff_t g = 0;
    for (; g + kLanes <= groups; g += kLanes) {
        vec v[P];
        NNCORE_UNROLL
        for (int i = 0; i < P; ++i) v[i] = load(x + g * P + i * kLanes);
        split(v);
        NNCORE_UNROLL
        for (int i = 0; i < P; ++i) store(y + i * y_plane + g, v[i]);
    }
    return g;
}
template <int P>
NNCORE_INLINE ptrdiff_t merge_whole(ptrdiff_t groups, const float* y, ptrdiff_t y_plane, float* x) {
    ptrdiff_t g = 0;
    for (; g + kLanes <= groups; g += kLanes) {
        vec v[P];
        NNCORE_UNROLL
        for (int i = 0; i < P; ++i) v[i] = load(y + i * y_plane + g);
        merge(v);
        NNCORE_UNROLL
        for (int i = 0; i < P; ++i) store(x + g * P + i * kLanes, v[i]);
    }
    return g;
}

}  // namespace

void split_groups(ptrdiff_t pixels, ptrdiff_t groups, ptrdiff_t parts, const float* x, float* y,
                  ptrdiff_t y_pixel, ptrdiff_t y_plane) {
    for (ptrdiff_t pixel = 0; pixel < pixels; ++pixel, x += groups * parts, y += y_pixel) {
        const ptrdiff_t done = parts == 1   ? split_whole<1>(groups, x, y, y_plane)
                               : parts == 2 ? split_whole<2>(groups, x, y, y_plane)
                               : parts == 4 ? split_whole<4>(groups, x, y, y_plane)
                               : parts == 8 ? split_whole<8>(groups, x, y, y_plane)
                                            : 0;
        for (ptrdiff_t part = 0; part < parts; ++part)
            for (ptrdiff_t g = done; g < groups; ++g) y[part * y_plane + g] = x[g * parts + part];
    }
}

void merge_groups(ptrdiff_t pixels, ptrdiff_t groups, ptrdiff_t parts, const float* y,
                  ptrdiff_t y_pixel, ptrdiff_t y_plane, float* x) {
    for (ptrdiff_t pixel = 0; pixel < pixels; ++pixel, x += groups * parts, y += y_pixel) {
        const ptrdiff_t done = parts == 2   ? merge_whole<2>(groups, y, y_plane, x)
                               : parts == 4 ? merge_whole<4>(groups, y, y_plane, x)
                               : parts == 8 ? merge_whole<8>(groups, y, y_plane, x)
                                            : 0;
        for (ptrdiff_t g = done; g < groups; ++g)
            for (ptrdiff_t part = 0; part < parts; ++part)
                x[g * parts + part] = y[part * y_plane + g];
    }
}

}  // namespace nncore::kernels::NNCORE_TARGET
