// Weight gradients of the convolutions.
#include "../declarations.h"
#include "ahead.h"
#include "channel_tiles.h"
#include "tile_sizes.h"
#include "with_constant.h"

namespace nncore::kernels::NNCORE_TARGET {
namespace {

// Output pixels: `rows` lines of `columns`.
struct Band {
    const float* x;
    const float* d;
    ptrdiff_t rows, columns;
    bool first;
};

// H inputs of one run x V vectors of output channels, over the pixels of one band.
template <int H, int V>
NNCORE_TILE void gradient_tile(const ConvWeightGradientArgs& p, const Band& band, ptrdiff_t input,
                               ptrdiff_t vector, float* gradient) {
    const ptrdiff_t g_row = p.blocks * kBlock;
    vec acc[H][V];
    if (band.first) {
        clear_tile(acc);
    } else {
        NNCORE_UNROLL
        for (int i = 0; i < H; ++i) {
            NNCORE_UNROLL
            for (int j = 0; j < V; ++j) acc[i][j] = load(gradient + i * g_row + j * kLanes);
        }
    }
    for (ptrdiff_t row = 0; row < band.rows; ++row) {
        const float* streams[V];
        NNCORE_UNROLL
        for (int j = 0; j < V; ++j) streams[j] = band.d + row * p.d_row + (vector + j) * kLanes;
        multiply_columns<H, V>(band.columns, band.x + row * p.x_row + input, p.x_pixel, streams,
                               p.d_pixel, acc);
    }
    NNCORE_UNROLL
    for (int i = 0; i < H; ++i) {
        NNCORE_UNROLL
        for (int j = 0; j < V; ++j) store(gradient + i * g_row + j * kLanes, acc[i][j]);
    }
}

// Asks meanwhile for what the next band needs.
void add_band(const ConvWeightGradientArgs& p, const Band& band, const Lines& next_x,
              const Lines& next_d) {
    const ptrdiff_t g_row = p.blocks * kBlock;
    const ptrdiff_t turns = (p.blocks * kVectorsPerBlock + kWidest - 1) / kWidest * p.kernel_rows *
                            p.runs * ((p.run + kPixels<kWidest> - 1) / kPixels<kWidest>);
    Requests<0> inputs(next_x, turns), gradients(next_d, turns);
    for_channel_tiles(p.blocks * kVectorsPerBlock, [&]<int V>(ptrdiff_t vector) {
        for (ptrdiff_t k = 0; k < p.kernel_rows; ++k)
            for (ptrdiff_t r = 0; r < p.runs; ++r) {
                const ptrdiff_t from = k * p.kernel_row + r * p.run_step;
                float* g = p.gradient + (k * p.runs + r) * p.run * g_row + vector * kLanes;
                for_even_tiles(p.run, kPixels<V>, [&](ptrdiff_t input, int height) {
                    inputs.ask();
                    gradients.ask();
                    with_constant<kPixels<V>>(height, [&]<int H>() {
                        gradient_tile<H, V>(p, band, from + input, vector, g + input * g_row);
                    });
                });
            }
    });
}

}  // namespace

void conv_weight_gradient(const ConvWeightGradientArgs& p) {
    // Pixels that follow each other across lines, as with 1x1 kernels, are one long line.
    if (p.x_row == p.columns * p.x_pixel && p.d_row == p.columns * p.d_pixel) {
        const ptrdiff_t pixels = p.rows * p.columns;
        for (ptrdiff_t i = 0; i < pixels; i += kBandPixels) {
            const ptrdiff_t count = min_size(kBandPixels, pixels - i);
            const float* const x = p.x + i * p.x_pixel;
            const float* const d = p.d + i * p.d_pixel;
            const ptrdiff_t next = min_size(kBandPixels, pixels - i - count);
            add_band(p, {x, d, 1, count, p.first && i == 0},
                     {x + count * p.x_pixel, next * p.x_pixel},
                     {d + count * p.d_pixel, next * p.d_pixel});
        }
        return;
    }
    const ptrdiff_t band = p.columns >= kBandPixels ? 1 : kBandPixels / p.columns;
    for (ptrdiff_t row = 0; row < p.rows; row += band) {
        const ptrdiff_t rows = min_size(band, p.rows - row);
        const float* const x = p.x + row * p.x_row;
        const float* const d = p.d + row * p.d_row;
        const ptrdiff_t next = min_size(band, p.rows - row - rows);
        add_band(p, {x, d, rows, p.columns, p.first && row == 0},
                 {x + p.kernel_rows * p.kernel_row, next * p.x_row},
                 {d + rows * p.d_row, next * p.d_row});
    }
}

}  // namespace nncore::kernels::NNCORE_TARGET
