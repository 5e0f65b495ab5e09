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

// One output channel, R kernel rows of V vectors each, over the winners of all windows.
template <int R, int V>
void pooled_tile(const PooledWeightGradientArgs& p, const ptrdiff_t (&offsets)[4], const float* x,
                 const float* d, const uint8_t* winners, float* gradient, ptrdiff_t rows,
                 bool first) {
    vec acc[R][V];
    NNCORE_UNROLL
    for (int r = 0; r < R; ++r) {
        NNCORE_UNROLL
        for (int v = 0; v < V; ++v)
            acc[r][v] = first ? zero() : load(gradient + r * p.run + v * kLanes);
    }
    for (ptrdiff_t row = 0; row < rows; ++row) {
        const float* line = x + 2 * row * p.x_row;
        for (ptrdiff_t column = 0; column < p.columns; ++column) {
            const vec g = broadcast(*d);
            const float* source = line + offsets[*winners];
            d += p.channels;
            winners += p.channels;
            line += 2 * p.x_pixel;
            NNCORE_UNROLL
            for (int r = 0; r < R; ++r) {
                NNCORE_UNROLL
                for (int v = 0; v < V; ++v)
                    acc[r][v] = fma(g, load(source + r * p.kernel_row + v * kLanes), acc[r][v]);
            }
        }
    }
    NNCORE_UNROLL
    for (int r = 0; r < R; ++r) {
        NNCORE_UNROLL
        for (int v = 0; v < V; ++v) store(gradient + r * p.run + v * kLanes, acc[r][v]);
    }
}

#if defined(__AVX512F__)
constexpr int kPooledVectors = 12, kPooledAccumulators = 24;
#elif defined(__AVX2__)
constexpr int kPooledVectors = 12, kPooledAccumulators = 12;
#else
constexpr int kPooledVectors = 12, kPooledAccumulators = 12;
#endif

// Calls the tile for `vectors` vectors per row, at most V, and as many kernel rows as fit.
template <int V>
void pooled_of_width(ptrdiff_t vectors, const PooledWeightGradientArgs& p,
                     const ptrdiff_t (&offsets)[4], ptrdiff_t first_vector, const float* x,
                     const float* d, const uint8_t* winners, float* gradient, ptrdiff_t rows,
                     bool first) {
    if (vectors < V) {
        if constexpr (V > 1)
            pooled_of_width<V - 1>(vectors, p, offsets, first_vector, x, d, winners, gradient, rows,
                                   first);
        return;
    }
    constexpr int kRowsAtOnce = kPooledAccumulators / V < 1   ? 1
                                : kPooledAccumulators / V > 3 ? 3
                                                              : kPooledAccumulators / V;
    const float* from = x + first_vector * kLanes;
    float* to = gradient + first_vector * kLanes;
    ptrdiff_t k = 0;
    for (; k + kRowsAtOnce <= p.kernel_rows; k += kRowsAtOnce)
        pooled_tile<kRowsAtOnce, V>(p, offsets, from + k * p.kernel_row, d, winners, to + k * p.run,
                                    rows, first);
    for (; k < p.kernel_rows; ++k)
        pooled_tile<1, V>(p, offsets, from + k * p.kernel_row, d, winners, to + k * p.run, rows,
                          first);
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
    const ptrdiff_t offsets[4] = {0, p.x_pixel, p.x_row, p.x_row + p.x_pixel};
    const ptrdiff_t vectors = p.run / kLanes;
    const ptrdiff_t parts = (vectors + kPooledVectors - 1) / kPooledVectors;
    // Bands of pooled rows, so that the image rows of a band stay in L1 for all channels.
    const ptrdiff_t band = p.columns >= 16 ? 1 : 16 / p.columns;
    for (ptrdiff_t row = 0; row < p.rows; row += band) {
        const ptrdiff_t rows = min_size(band, p.rows - row);
        const bool first = p.first && row == 0;
        const ptrdiff_t skipped = row * p.columns * p.channels;
        for (ptrdiff_t channel = 0; channel < p.channels; ++channel)
            for (ptrdiff_t part = 0; part < parts; ++part) {
                const ptrdiff_t begin = vectors * part / parts;
                const ptrdiff_t end = vectors * (part + 1) / parts;
                pooled_of_width<kPooledVectors>(
                    end - begin, p, offsets, begin, p.x + 2 * row * p.x_row,
                    p.d + skipped + channel, p.winners + skipped + channel,
                    p.gradient + channel * p.kernel_rows * p.run, rows, first);
            }
    }
}

}  // namespace nncore::kernels::NNCORE_TARGET
