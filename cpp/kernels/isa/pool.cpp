// Pooling over windows, lanes over channels.
#include "../declarations.h"
#include "activation.h"
#include "vectors.h"

namespace nncore::kernels::NNCORE_TARGET {
namespace {

typedef int8_t bytes __attribute__((vector_size(kLanes)));
typedef int8_t bytes_unaligned __attribute__((vector_size(kLanes), aligned(1), may_alias));

NNCORE_INLINE void store_indices(uint8_t* p, ivec indices, int count) {
    if (count == kLanes) {
#if defined(__AVX512F__)
        _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtepi32_epi8((__m512i)indices));
#else
        *reinterpret_cast<bytes_unaligned*>(p) = __builtin_convertvector(indices, bytes);
#endif
        return;
    }
#if defined(__AVX512F__)
    _mm512_mask_cvtepi32_storeu_epi8(p, (__mmask16)((1u << count) - 1u), (__m512i)indices);
#else
    for (int i = 0; i < count; ++i) p[i] = static_cast<uint8_t>(indices[i]);
#endif
}

NNCORE_INLINE ivec load_indices(const uint8_t* p, int count) {
    if (count == kLanes) {
#if defined(__AVX512F__)
        return (ivec)_mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
#else
        return __builtin_convertvector(*reinterpret_cast<const bytes_unaligned*>(p), ivec);
#endif
    }
#if defined(__AVX512F__)
    return (ivec)_mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8((__mmask16)((1u << count) - 1u), p));
#else
    ivec indices{};
    for (int i = 0; i < count; ++i) indices[i] = p[i];
    return indices;
#endif
}

// Places in a window of any size, of the largest in it.
typedef uint16_t places __attribute__((vector_size(2 * kLanes)));
typedef uint16_t places_unaligned __attribute__((vector_size(2 * kLanes), aligned(2), may_alias));

NNCORE_INLINE void store_places(uint16_t* p, ivec indices, int count) {
    if (count == kLanes) {
        *reinterpret_cast<places_unaligned*>(p) = __builtin_convertvector(indices, places);
    } else {
        for (int i = 0; i < count; ++i) p[i] = static_cast<uint16_t>(indices[i]);
    }
}

NNCORE_INLINE ivec load_places(const uint16_t* p, int count) {
    if (count == kLanes)
        return __builtin_convertvector(*reinterpret_cast<const places_unaligned*>(p), ivec);
    ivec indices{};
    for (int i = 0; i < count; ++i) indices[i] = p[i];
    return indices;
}

// body(input pixel of the window's corner, output pixel index) for each output pixel.
template <class Body>
NNCORE_INLINE void for_windows(const PoolArgs& p, Body body) {
    for (ptrdiff_t row = 0; row < p.rows; ++row)
        for (ptrdiff_t column = 0; column < p.columns; ++column)
            body(row * p.step_rows * p.x_row + column * p.step_columns * p.x_pixel,
                 row * p.y_row + column * p.y_pixel, (row * p.columns + column) * p.channels);
}

// The part of a window that lies in the image; from its own corner on.
struct Window {
    ptrdiff_t first_row, last_row, first_column, last_column;

    ptrdiff_t count() const { return (last_row - first_row) * (last_column - first_column); }
};

NNCORE_INLINE ptrdiff_t max_size(ptrdiff_t a, ptrdiff_t b) { return a > b ? a : b; }

// body(the window's corner, which may lie beyond the image, the part of it, output places).
template <class Body>
NNCORE_INLINE void for_parts(const PoolArgs& p, Body body) {
    for (ptrdiff_t row = 0; row < p.rows; ++row)
        for (ptrdiff_t column = 0; column < p.columns; ++column) {
            const ptrdiff_t y = row * p.step_rows - p.top, x = column * p.step_columns - p.left;
            const Window window{max_size(0, -y), min_size(p.window_rows, p.x_rows - y),
                                max_size(0, -x), min_size(p.window_columns, p.x_columns - x)};
            body(y * p.x_row + x * p.x_pixel, window, row * p.y_row + column * p.y_pixel,
                 (row * p.columns + column) * p.channels);
        }
}

NNCORE_INLINE float share_of(const PoolArgs& p, const Window& window) {
    return 1.0f /
           static_cast<float>(p.counts_beyond ? p.window_rows * p.window_columns : window.count());
}

}  // namespace

void max_pool_2x2(const PoolArgs& p, Activation activation, const float* x, float* y,
                  uint8_t* winners) {
    const ptrdiff_t corners[4] = {0, p.x_pixel, p.x_row, p.x_row + p.x_pixel};
    for_windows(p, [&](ptrdiff_t from, ptrdiff_t to, ptrdiff_t compact) {
        for (ptrdiff_t c = 0; c < p.channels; c += kLanes) {
            const int count = static_cast<int>(min_size(kLanes, p.channels - c));
            const float* source = x + from + c;
            vec best = load_some(source, count);
            ivec winner{};
            NNCORE_UNROLL
            for (int k = 1; k < 4; ++k) {
                const vec value = load_some(source + corners[k], count);
                const ivec larger = value > best;
                best = larger ? value : best;
                winner = larger ? broadcast_int(k) : winner;
            }
            store_some(y + to + c, activate(activation, best), count);
            if (winners != nullptr) store_indices(winners + compact + c, winner, count);
        }
    });
}

void unpool_2x2(ptrdiff_t rows, ptrdiff_t columns, ptrdiff_t channels, const float* d,
                const uint8_t* winners, float* target, ptrdiff_t target_row,
                ptrdiff_t target_pixel) {
    const ptrdiff_t corners[4] = {0, target_pixel, target_row, target_row + target_pixel};
    for (ptrdiff_t row = 0; row < rows; ++row)
        for (ptrdiff_t column = 0; column < columns; ++column) {
            float* to = target + 2 * row * target_row + 2 * column * target_pixel;
            for (ptrdiff_t c = 0; c < channels; c += kLanes) {
                const int count = static_cast<int>(min_size(kLanes, channels - c));
                const vec gradient = load_some(d + c, count);
                const ivec winner = load_indices(winners + c, count);
                NNCORE_UNROLL
                for (int k = 0; k < 4; ++k)
                    store_some(to + corners[k] + c, winner == broadcast_int(k) ? gradient : zero(),
                               count);
            }
            d += channels;
            winners += channels;
        }
}

void max_pool(const PoolArgs& p, const float* x, float* y, uint16_t* winners) {
    for_parts(p, [&](ptrdiff_t from, const Window& w, ptrdiff_t to, ptrdiff_t compact) {
        for (ptrdiff_t c = 0; c < p.channels; c += kLanes) {
            const int count = static_cast<int>(min_size(kLanes, p.channels - c));
            const ptrdiff_t first = w.first_row * p.window_columns + w.first_column;
            vec best = load_some(
                x + (from + w.first_row * p.x_row + w.first_column * p.x_pixel + c), count);
            ivec winner = broadcast_int(static_cast<int32_t>(first));
            for (ptrdiff_t r = w.first_row; r < w.last_row; ++r)
                for (ptrdiff_t k = w.first_column; k < w.last_column; ++k) {
                    const vec value =
                        load_some(x + (from + r * p.x_row + k * p.x_pixel + c), count);
                    const ivec larger = value > best;
                    best = larger ? value : best;
                    winner = larger ? broadcast_int(static_cast<int32_t>(r * p.window_columns + k))
                                    : winner;
                }
            store_some(y + to + c, best, count);
            if (winners != nullptr) store_places(winners + compact + c, winner, count);
        }
    });
}

void max_pool_gradient(const PoolArgs& p, const float* dy, const uint16_t* winners, float* dx) {
    for_parts(p, [&](ptrdiff_t from, const Window& w, ptrdiff_t, ptrdiff_t compact) {
        for (ptrdiff_t c = 0; c < p.channels; c += kLanes) {
            const int count = static_cast<int>(min_size(kLanes, p.channels - c));
            const vec gradient = load_some(dy + compact + c, count);
            const ivec winner = load_places(winners + compact + c, count);
            for (ptrdiff_t r = w.first_row; r < w.last_row; ++r)
                for (ptrdiff_t k = w.first_column; k < w.last_column; ++k) {
                    float* to = dx + (from + r * p.x_row + k * p.x_pixel + c);
                    const vec before = load_some(to, count);
                    const ivec won =
                        winner == broadcast_int(static_cast<int32_t>(r * p.window_columns + k));
                    store_some(to, won ? before + gradient : before, count);
                }
        }
    });
}

void average_pool(const PoolArgs& p, const float* x, float* y) {
    for_parts(p, [&](ptrdiff_t from, const Window& w, ptrdiff_t to, ptrdiff_t) {
        const float share = share_of(p, w);
        for (ptrdiff_t c = 0; c < p.channels; c += kLanes) {
            const int count = static_cast<int>(min_size(kLanes, p.channels - c));
            vec sum = zero();
            for (ptrdiff_t r = w.first_row; r < w.last_row; ++r)
                for (ptrdiff_t k = w.first_column; k < w.last_column; ++k)
                    sum += load_some(x + (from + r * p.x_row + k * p.x_pixel + c), count);
            store_some(y + to + c, sum * share, count);
        }
    });
}

void average_pool_gradient(const PoolArgs& p, const float* dy, float* dx) {
    for_parts(p, [&](ptrdiff_t from, const Window& w, ptrdiff_t, ptrdiff_t compact) {
        const float share = share_of(p, w);
        for (ptrdiff_t c = 0; c < p.channels; c += kLanes) {
            const int count = static_cast<int>(min_size(kLanes, p.channels - c));
            const vec part = load_some(dy + compact + c, count) * share;
            for (ptrdiff_t r = w.first_row; r < w.last_row; ++r)
                for (ptrdiff_t k = w.first_column; k < w.last_column; ++k) {
                    float* to = dx + (from + r * p.x_row + k * p.x_pixel + c);
                    store_some(to, load_some(to, count) + part, count);
                }
        }
    });
}

}  // namespace nncore::kernels::NNCORE_TARGET
