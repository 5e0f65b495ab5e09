// Weight gradients of the convolutions.
#include "conv.h"
#include "conv_tiles.h"

namespace nncore::kernels::NNCORE_TARGET {
namespace {

// Output rows go through in bands of about this many pixels: enough work per load and store of an
// accumulator tile, few enough that the band stays in L1.
constexpr ptrdiff_t kBandPixels = 64;

// H inputs of one run x V vectors of output channels, over the rows of one band.
template <int H, int V>
void gradient_tile(const ConvWeightGradientArgs& p, const float* x, const float* d, float* gradient,
                   ptrdiff_t rows, bool first) {
    const ptrdiff_t g_row = p.blocks * kBlock;
    vec acc[H][V];
    if (first) {
        clear_tile(acc);
    } else {
        NNCORE_UNROLL
        for (int i = 0; i < H; ++i) {
            NNCORE_UNROLL
            for (int j = 0; j < V; ++j) acc[i][j] = load(gradient + i * g_row + j * kLanes);
        }
    }
    for (ptrdiff_t row = 0; row < rows; ++row) {
        const float* streams[V];
        NNCORE_UNROLL
        for (int j = 0; j < V; ++j) streams[j] = d + row * p.d_row + j * kLanes;
        multiply_columns<H, V>(p.columns, x + row * p.x_row, p.x_pixel, streams, p.d_pixel, acc);
    }
    NNCORE_UNROLL
    for (int i = 0; i < H; ++i) {
        NNCORE_UNROLL
        for (int j = 0; j < V; ++j) store(gradient + i * g_row + j * kLanes, acc[i][j]);
    }
}

template <int H, int V>
void gradient_of_height(int height, const ConvWeightGradientArgs& p, const float* x, const float* d,
                        float* gradient, ptrdiff_t rows, bool first) {
    if (height == H) {
        gradient_tile<H, V>(p, x, d, gradient, rows, first);
    } else if constexpr (H > 1) {
        gradient_of_height<H - 1, V>(height, p, x, d, gradient, rows, first);
    }
}

// C output channels, R kernel rows of V vectors each, over the winners of all windows.
template <int C, int R, int V>
void pooled_tile(const PooledWeightGradientArgs& p, const ptrdiff_t (&offsets)[4], const float* x,
                 const float* d, const uint8_t* winners, float* gradient, ptrdiff_t rows,
                 bool first) {
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

// How many accumulators a tile may fill, and the widest tile.
#if defined(__AVX512F__)
constexpr int kPooledAccumulators = 24, kPooledWidest = 12;
#elif defined(__AVX2__)
constexpr int kPooledAccumulators = 12, kPooledWidest = 12;
#elif defined(__ARM_NEON)
constexpr int kPooledAccumulators = 24, kPooledWidest = 12;
#else
constexpr int kPooledAccumulators = 8, kPooledWidest = 4;
#endif
constexpr int kPooledRows = 5, kPooledChannels = 4;

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
    ptrdiff_t c = 0;
    for (; c + C <= p.channels; c += C)
        pooled_tile<C, R, V>(p, band.offsets, x, band.d + c, band.winners + c,
                             gradient + c * g_channel, band.rows, band.first);
    for (; c < p.channels; ++c)
        pooled_tile<1, R, V>(p, band.offsets, x, band.d + c, band.winners + c,
                             gradient + c * g_channel, band.rows, band.first);
}

// R counts down to the number of kernel rows that are left and fit.
template <int R, int V>
void pooled_rows(ptrdiff_t left, const PooledBand& band, ptrdiff_t kernel_row, ptrdiff_t vector) {
    if (left >= R && (R == 1 || R * V <= kPooledAccumulators)) {
        pooled_channels<R, V>(band, kernel_row, vector);
        if (left > R) pooled_rows<kPooledRows, V>(left - R, band, kernel_row + R, vector);
    } else if constexpr (R > 1) {
        pooled_rows<R - 1, V>(left, band, kernel_row, vector);
    }
}

template <int V>
void pooled_of_width(ptrdiff_t vectors, const PooledBand& band, ptrdiff_t vector) {
    if (vectors == V) {
        pooled_rows<kPooledRows, V>(band.args.kernel_rows, band, 0, vector);
    } else if constexpr (V > 1) {
        pooled_of_width<V - 1>(vectors, band, vector);
    }
}

}  // namespace

void conv_weight_gradient(const ConvWeightGradientArgs& p) {
    const ptrdiff_t g_row = p.blocks * kBlock;
    const ptrdiff_t band = p.columns >= kBandPixels ? 1 : kBandPixels / p.columns;
    for (ptrdiff_t row = 0; row < p.rows; row += band) {
        const ptrdiff_t rows = min_size(band, p.rows - row);
        const bool first = p.first && row == 0;
        for_channel_tiles(p.blocks * kVectorsPerBlock, [&]<int V>(ptrdiff_t vector) {
            const float* d = p.d + row * p.d_row + vector * kLanes;
            for (ptrdiff_t k = 0; k < p.kernel_rows; ++k)
                for (ptrdiff_t r = 0; r < p.runs; ++r) {
                    const float* x = p.x + row * p.x_row + k * p.kernel_row + r * p.run_step;
                    float* g = p.gradient + (k * p.runs + r) * p.run * g_row + vector * kLanes;
                    for_even_tiles(p.run, kPixels<V>, [&](ptrdiff_t input, int height) {
                        gradient_of_height<kPixels<V>, V>(height, p, x + input, d,
                                                          g + input * g_row, rows, first);
                    });
                }
        });
    }
}

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
            pooled_of_width<kPooledWidest>(vectors * (part + 1) / parts - begin, band, begin);
        }
    }
}

}  // namespace nncore::kernels::NNCORE_TARGET
