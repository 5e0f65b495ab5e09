// Weight gradients of the convolutions.
#include "../declarations.h"
#include "channel_tiles.h"
#include "tile_sizes.h"
#include "with_constant.h"

namespace nncore::kernels::NNCORE_TARGET {
namespace {

// H inputs of one run x V vectors of output channels, over the rows of one band.
template <int H, int V>
NNCORE_TILE void gradient_tile(const ConvWeightGradientArgs& p, const float* x, const float* d,
                               float* gradient, ptrdiff_t rows, bool first) {
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
                        with_constant<kPixels<V>>(height, [&]<int H>() {
                            gradient_tile<H, V>(p, x + input, d, g + input * g_row, rows, first);
                        });
                    });
                }
        });
    }
}

}  // namespace nncore::kernels::NNCORE_TARGET
