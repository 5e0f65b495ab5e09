// The gradients of a convolution whose output went through a 2x2 max pool. Only the winner of each
// window has a gradient: leaving the other three out is exact and saves three quarters of the work.
#include "../declarations.h"
#include "../pooled_groups.h"
#include "channel_tiles.h"
#include "tile_sizes.h"
#include "with_constant.h"

namespace nncore::kernels::NNCORE_TARGET {
namespace {

// ---- weight gradient

// C output channels, R kernel rows of V vectors each, over the winners of all windows.
template <int C, int R, int V>
NNCORE_TILE void pooled_tile(const PooledWeightGradientArgs& p, const ptrdiff_t (&offsets)[4],
                             const float* x, const float* d, const uint8_t* winners,
                             float* gradient, ptrdiff_t rows, bool first) {
    const ptrdiff_t g_channel = p.kernel_rows * p.padded_run;
    vec acc[C][R][V];
    NNCORE_UNROLL
    for (int c = 0; c < C; ++c) {
        NNCORE_UNROLL
        for (int r = 0; r < R; ++r) {
            NNCORE_UNROLL
            for (int v = 0; v < V; ++v)
                acc[c][r][v] =
                    first ? zero() : load(gradient + c * g_channel + r * p.padded_run + v * kLanes);
        }
    }
    for (ptrdiff_t row = 0; row < rows; ++row) {
        const float* line = x + 2 * row * p.x_row;
        for (ptrdiff_t column = 0; column < p.columns; ++column) {
            NNCORE_UNROLL
            for (int c = 0; c < C; ++c) {
                const vec g = broadcast(d[c]);
                const float* source = line + offsets[winners[c]];
                NNCORE_UNROLL
                for (int r = 0; r < R; ++r) {
                    NNCORE_UNROLL
                    for (int v = 0; v < V; ++v)
                        acc[c][r][v] =
                            fma(g, load(source + r * p.kernel_row + v * kLanes), acc[c][r][v]);
                }
            }
            d += p.channels;
            winners += p.channels;
            line += 2 * p.x_pixel;
        }
    }
    NNCORE_UNROLL
    for (int c = 0; c < C; ++c) {
        NNCORE_UNROLL
        for (int r = 0; r < R; ++r) {
            NNCORE_UNROLL
            for (int v = 0; v < V; ++v)
                store(gradient + c * g_channel + r * p.padded_run + v * kLanes, acc[c][r][v]);
        }
    }
}

struct PooledBand {
    const PooledWeightGradientArgs& args;
    ptrdiff_t offsets[4];
    const float* x;
    const float* d;
    const uint8_t* winners;
    ptrdiff_t rows;
    bool first;
};

// All channels for R kernel rows from `kernel_row` on and V vectors from `vector` on.
template <int R, int V>
void pooled_channels(const PooledBand& band, ptrdiff_t kernel_row, ptrdiff_t vector) {
    const PooledWeightGradientArgs& p = band.args;
    constexpr int kFit = kPooledAccumulators / (R * V);
    constexpr int C = kFit < 1 ? 1 : kFit > kPooledChannels ? kPooledChannels : kFit;
    const float* x = band.x + kernel_row * p.kernel_row + vector * kLanes;
    float* gradient = p.gradient + kernel_row * p.padded_run + vector * kLanes;
    const ptrdiff_t g_channel = p.kernel_rows * p.padded_run;
    for_even_tiles(p.channels, C, [&](ptrdiff_t c, int count) {
        with_constant<C>(count, [&]<int N>() {
            pooled_tile<N, R, V>(p, band.offsets, x, band.d + c, band.winners + c,
                                 gradient + c * g_channel, band.rows, band.first);
        });
    });
}

// All channels for all kernel rows, as many at a time as fit, and V vectors from `vector` on.
template <int V>
void pooled_rows(const PooledBand& band, ptrdiff_t vector) {
    constexpr int kFit = kPooledAccumulators / V;
    constexpr int kMost = kFit < 1 ? 1 : kFit > kPooledRows ? kPooledRows : kFit;
    const ptrdiff_t all = band.args.kernel_rows;
    for (ptrdiff_t row = 0; row < all; row += kMost)
        with_constant<kMost>(min_size(kMost, all - row),
                             [&]<int R>() { pooled_channels<R, V>(band, row, vector); });
}

// ---- input gradient

// The winners of some windows that have a gradient, by window and by which of its four places won;
// within a place in the order of the channels.
struct WinnerList {
    float* gradients;
    int32_t* offsets;  // of the channel's weights
    int32_t* begin;    // [4 * window + place], and the end of the last
};

// Appends the channels that won at `place` of one window; returns the new end.
NNCORE_INLINE int32_t append_winners(const WinnerList& list, int32_t end, ptrdiff_t channels,
                                     int32_t stride, int32_t place, const float* d,
                                     const uint8_t* winners) {
#if defined(__AVX512F__)
    const __m512i steps =
        _mm512_mullo_epi32(_mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15),
                           _mm512_set1_epi32(stride));
    for (ptrdiff_t c = 0; c < channels; c += 16) {
        const ptrdiff_t left = channels - c;
        const __mmask16 valid = left >= 16 ? (__mmask16)0xffff : (__mmask16)((1u << left) - 1u);
        const __m512 gradient = _mm512_maskz_loadu_ps(valid, d + c);
        const __mmask16 here =
            _mm_mask_cmpeq_epi8_mask(valid, _mm_maskz_loadu_epi8(valid, winners + c),
                                     _mm_set1_epi8(static_cast<char>(place)));
        const __mmask16 chosen =
            _mm512_mask_cmp_ps_mask(here, gradient, _mm512_setzero_ps(), _CMP_NEQ_UQ);
        const __m512i offsets =
            _mm512_add_epi32(steps, _mm512_set1_epi32(static_cast<int32_t>(c) * stride));
        // Whole vectors: what stands beyond the chosen ones is overwritten by the next.
        _mm512_storeu_ps(list.gradients + end, _mm512_maskz_compress_ps(chosen, gradient));
        _mm512_storeu_si512(list.offsets + end, _mm512_maskz_compress_epi32(chosen, offsets));
        end += __builtin_popcount(chosen);
    }
#else
    for (ptrdiff_t c = 0; c < channels; ++c) {
        list.gradients[end] = d[c];
        list.offsets[end] = static_cast<int32_t>(c) * stride;
        end += static_cast<int32_t>(winners[c] == place) & static_cast<int32_t>(d[c] != 0.0f);
    }
#endif
    return end;
}

// A tile that is a part of larger ones. Emulated products in each of them would be a megabyte.
#if defined(__AVX2__) || defined(__ARM_NEON)
#define NNCORE_SMALL_TILE NNCORE_INLINE
#else
#define NNCORE_SMALL_TILE NNCORE_TILE
#endif

// For the winners [i, end) of one place: R kernel rows of V vectors each.
template <int R, int V>
NNCORE_SMALL_TILE void spread_tile(const WinnerList& list, int32_t i, int32_t end,
                                   const float* weights, ptrdiff_t w_row, float* inputs,
                                   ptrdiff_t line) {
    // Two chains per element, since one would wait for itself in narrow tiles.
    vec even[R][V], odd[R][V];
    clear_tile(even);
    clear_tile(odd);
    for (; i + 1 < end; i += 2) {
        const vec g = broadcast(list.gradients[i]), h = broadcast(list.gradients[i + 1]);
        const float* const w = weights + list.offsets[i];
        const float* const u = weights + list.offsets[i + 1];
        NNCORE_UNROLL
        for (int r = 0; r < R; ++r) {
            NNCORE_UNROLL
            for (int v = 0; v < V; ++v)
                even[r][v] = fma(g, load(w + r * w_row + v * kLanes), even[r][v]);
            NNCORE_UNROLL
            for (int v = 0; v < V; ++v)
                odd[r][v] = fma(h, load(u + r * w_row + v * kLanes), odd[r][v]);
        }
    }
    if (i < end) {
        const vec g = broadcast(list.gradients[i]);
        const float* const w = weights + list.offsets[i];
        NNCORE_UNROLL
        for (int r = 0; r < R; ++r) {
            NNCORE_UNROLL
            for (int v = 0; v < V; ++v)
                even[r][v] = fma(g, load(w + r * w_row + v * kLanes), even[r][v]);
        }
    }
    NNCORE_UNROLL
    for (int r = 0; r < R; ++r) {
        NNCORE_UNROLL
        for (int v = 0; v < V; ++v) {
            float* const to = inputs + r * line + v * kLanes;
            store(to, load(to) + (even[r][v] + odd[r][v]));
        }
    }
}

// As many tiles as the registers of this machine need for R rows of B blocks.
template <int R, int B>
NNCORE_INLINE void spread_tiles(const WinnerList& list, int32_t i, int32_t end,
                                const float* weights, ptrdiff_t w_row, float* inputs,
                                ptrdiff_t line) {
    if constexpr (kSpreadBlocks == kPooledGroupBlocks) {
        spread_tile<R, B * kVectorsPerBlock>(list, i, end, weights, w_row, inputs, line);
    } else {
        constexpr int kTile = min_int(B, kSpreadBlocks);
        for (int r = 0; r < R; ++r)
            spread_tile<1, kTile * kVectorsPerBlock>(list, i, end, weights + r * w_row, w_row,
                                                     inputs + r * line, line);
        if constexpr (B > kTile)
            spread_tiles<R, B - kTile>(list, i, end, weights + kTile * kBlock, w_row,
                                       inputs + kTile * kBlock, line);
    }
}

struct SpreadGroup {
    const PooledInputGradientArgs& args;
    const WinnerList& list;
    ptrdiff_t first, windows;  // those in the list
    ptrdiff_t kernel_row, block;
};

// R kernel rows of B blocks each, for all winners in the list.
template <int R, int B>
NNCORE_TILE void spread_group(const SpreadGroup& group) {
    const PooledInputGradientArgs& p = group.args;
    const WinnerList list = group.list;
    const ptrdiff_t w_row = p.channels * p.padded_run;
    const float* const weights = p.weights + group.kernel_row * w_row + group.block * kBlock;
    float* const corner = p.image + group.kernel_row * p.line + group.block * kBlock;
    const ptrdiff_t places[4] = {0, p.x_pixel, p.x_row, p.x_row + p.x_pixel};
    ptrdiff_t row = group.first / p.columns, column = group.first % p.columns;
    const int32_t* part = list.begin;
    for (ptrdiff_t window = 0; window < group.windows; ++window) {
        float* const inputs = corner + 2 * row * p.x_row + 2 * column * p.x_pixel;
        for (int place = 0; place < 4; ++place, ++part)
            if (part[0] < part[1])
                spread_tiles<R, B>(list, part[0], part[1], weights, w_row, inputs + places[place],
                                   p.line);
        if (++column == p.columns) {
            column = 0;
            ++row;
        }
    }
}

}  // namespace

void pooled_weight_gradient(const PooledWeightGradientArgs& p) {
    const ptrdiff_t vectors = p.padded_run / kLanes;
    const ptrdiff_t parts = (vectors + kPooledWidest - 1) / kPooledWidest;
    // Bands of pooled rows, so that the image rows of a band stay in L1 for all channels.
    const ptrdiff_t rows_at_once = p.columns >= 16 ? 1 : 16 / p.columns;
    for (ptrdiff_t row = 0; row < p.rows; row += rows_at_once) {
        const ptrdiff_t skipped = row * p.columns * p.channels;
        const PooledBand band{p,
                              {0, p.x_pixel, p.x_row, p.x_row + p.x_pixel},
                              p.x + 2 * row * p.x_row,
                              p.d + skipped,
                              p.winners + skipped,
                              min_size(rows_at_once, p.rows - row),
                              p.first && row == 0};
        for (ptrdiff_t part = 0; part < parts; ++part) {
            const ptrdiff_t begin = vectors * part / parts;
            with_constant<kPooledWidest>(vectors * (part + 1) / parts - begin,
                                         [&]<int V>() { pooled_rows<V>(band, begin); });
        }
    }
}

void pooled_input_gradient(const PooledInputGradientArgs& p) {
    const ptrdiff_t entries = kPooledInputGradientWindows * p.channels + 16;
    const WinnerList list{p.scratch, reinterpret_cast<int32_t*>(p.scratch + entries),
                          reinterpret_cast<int32_t*>(p.scratch + 2 * entries)};
    const ptrdiff_t total = p.rows * p.columns;
    for (ptrdiff_t first = 0; first < total; first += kPooledInputGradientWindows) {
        const ptrdiff_t windows = min_size(kPooledInputGradientWindows, total - first);
        int32_t end = 0;
        for (ptrdiff_t window = 0; window < windows; ++window)
            for (int32_t place = 0; place < 4; ++place) {
                list.begin[4 * window + place] = end;
                const ptrdiff_t at = (first + window) * p.channels;
                end = append_winners(list, end, p.channels, static_cast<int32_t>(p.padded_run),
                                     place, p.d + at, p.winners + at);
            }
        list.begin[4 * windows] = end;
        for_pooled_groups(
            p.kernel_rows, p.padded_run / kBlock, p.channels,
            [&](ptrdiff_t kernel_row, ptrdiff_t rows, ptrdiff_t block, ptrdiff_t blocks) {
                const SpreadGroup group{p, list, first, windows, kernel_row, block};
                with_constant<kPooledGroupBlocks>(blocks, [&]<int B>() {
                    constexpr int kFit = kPooledGroupBlocks / B;
                    with_constant<min_int(kFit, kPooledGroupRows)>(
                        rows, [&]<int R>() { spread_group<R, B>(group); });
                });
            });
    }
}

}  // namespace nncore::kernels::NNCORE_TARGET
