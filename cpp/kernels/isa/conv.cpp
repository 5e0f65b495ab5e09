// Direct convolution, forward and input gradient: pixels are broadcast from the image, weights are
// read as vectors, lanes run over output channels. See ConvArgs in ../kernels.h.
#include "../declarations.h"
#include "activation.h"
#include "channel_tiles.h"
#include "conv_narrow.h"
#include "transpose.h"
#include "vectors.h"
#include "with_constant.h"

namespace nncore::kernels::NNCORE_TARGET {
namespace {

// How many of the lanes are channels that exist, where so many are left.
NNCORE_INLINE int lanes_of(ptrdiff_t left) {
    return static_cast<int>(left < 0 ? 0 : min_size(kLanes, left));
}

// The epilogue for the rarer activations and for partial blocks of channels.
__attribute__((noinline)) void finish_conv(const ConvArgs& p, ptrdiff_t row, ptrdiff_t column,
                                           ptrdiff_t vector, int height, int vectors,
                                           const float* values) {
    for (int i = 0; i < height; ++i)
        for (int j = 0; j < vectors; ++j) {
            const ptrdiff_t channel = (vector + j) * kLanes;
            const int count = lanes_of(p.channels - channel);
            const vec sum = load(values + (i * vectors + j) * kLanes);
            const vec y =
                p.input_activity != nullptr
                    ? times_derivative(p.activation,
                                       load_some(p.input_activity + row * p.activity_row +
                                                     (column + i) * p.activity_pixel + channel,
                                                 count),
                                       sum)
                    : activate(p.activation, sum);
            store_some(p.y + row * p.y_row + (column + i) * p.y_pixel + channel, y, count);
        }
}

// H neighbouring pixels of an output row, V vectors of channels from number `vector` on.
template <int H, int V>
NNCORE_TILE void conv_tile(const ConvArgs& p, ptrdiff_t row, ptrdiff_t column, ptrdiff_t vector) {
    const ptrdiff_t channel = vector * kLanes;
    const ptrdiff_t w_row = p.blocks * kBlock;
    const float* activity = p.input_activity ? p.input_activity + row * p.activity_row +
                                                   column * p.activity_pixel + channel
                                             : nullptr;
    if (activity != nullptr) {
        // The mask is needed at the very end; asked for now, it is there by then.
        NNCORE_UNROLL
        for (int i = 0; i < H; ++i) {
            NNCORE_UNROLL
            for (int j = 0; j < V; ++j)
                __builtin_prefetch(activity + i * p.activity_pixel + j * kLanes);
        }
    }
    vec acc[H][V];
    NNCORE_UNROLL
    for (int j = 0; j < V; ++j) {
        const vec start = p.bias ? load(p.bias + channel + j * kLanes) : zero();
        NNCORE_UNROLL
        for (int i = 0; i < H; ++i) acc[i][j] = start;
    }
    const float* x = p.x + row * p.x_row + column * p.x_pixel;
    const float* w = p.weights + channel;
    for (ptrdiff_t k = 0; k < p.kernel_rows; ++k)
        for (ptrdiff_t r = 0; r < p.runs; ++r) {
            const float* streams[V];
            NNCORE_UNROLL
            for (int j = 0; j < V; ++j) streams[j] = w + j * kLanes;
            multiply_rows<H, V>(p.run, x + k * p.kernel_row + r * p.run_step, p.x_pixel, streams,
                                w_row, acc);
            w += p.run * w_row;
        }
    float* y = p.y + row * p.y_row + column * p.y_pixel + channel;
    const ptrdiff_t left = p.channels - channel;
    if (left >= V * kLanes && p.activation == Activation::relu) {
        NNCORE_UNROLL
        for (int i = 0; i < H; ++i) {
            NNCORE_UNROLL
            for (int j = 0; j < V; ++j) {
                const vec value =
                    activity != nullptr
                        ? times_derivative(Activation::relu,
                                           load(activity + i * p.activity_pixel + j * kLanes),
                                           acc[i][j])
                        : max(zero(), acc[i][j]);
                store(y + i * p.y_pixel + j * kLanes, value);
            }
        }
        return;
    }
    if (left >= V * kLanes && p.activation == Activation::linear) {
        NNCORE_UNROLL
        for (int i = 0; i < H; ++i) {
            NNCORE_UNROLL
            for (int j = 0; j < V; ++j) store(y + i * p.y_pixel + j * kLanes, acc[i][j]);
        }
        return;
    }
    alignas(64) float values[H * V * kLanes];
    spill_tile(acc, values);
    finish_conv(p, row, column, vector, H, V, values);
}

// H neighbouring lines of the result at one pixel, V vectors of the run.
template <int H, int V>
NNCORE_TILE void scatter_tile(const ConvScatterArgs& p, ptrdiff_t row, ptrdiff_t column,
                              ptrdiff_t vector) {
    const ptrdiff_t w_row = p.blocks * kBlock;
    vec acc[H][V];
    clear_tile(acc);
    const float* x = p.x + row * p.kernel_row + column * p.x_pixel;
    const float* w = p.weights + vector * kLanes;
    for (ptrdiff_t k = 0; k < p.kernel_rows; ++k) {
        const float* streams[V];
        NNCORE_UNROLL
        for (int j = 0; j < V; ++j) streams[j] = w + j * kLanes;
        multiply_rows<H, V>(p.channels, x + k * p.kernel_row, p.kernel_row, streams, w_row, acc);
        w += p.channels * w_row;
    }
    float* to = p.lines + row * p.line + column * p.step + vector * kLanes;
    NNCORE_UNROLL
    for (int i = 0; i < H; ++i) {
        NNCORE_UNROLL
        for (int j = 0; j < V; ++j) {
            float* place = to + i * p.line + j * kLanes;
            store(place, load(place) + acc[i][j]);
        }
    }
}

}  // namespace

// Neighbouring pixels overlap in a line, so each tile goes down many lines at one pixel: the sums
// that follow each other then stand in different lines and do not wait for one another. The columns
// are the outer loop whatever the vector width: each place collects its sums in their order.
void conv_scatter(const ConvScatterArgs& p) {
    for (ptrdiff_t i = 0; i < p.rows * p.line; ++i) p.lines[i] = 0.0f;
    const ptrdiff_t vectors = p.blocks * kVectorsPerBlock;
    // The widest tile of a line fits the fewest lines.
    const int height = vectors >= kWidest ? kPixels<kWidest>
                       : vectors == 3     ? kPixels<3>
                       : vectors == 2     ? kPixels<2>
                                          : kPixels<1>;
    for_even_tiles(p.rows, height, [&](ptrdiff_t row, int lines) {
        for (ptrdiff_t column = 0; column < p.columns; ++column)
            for_channel_tiles(vectors, [&]<int V>(ptrdiff_t vector) {
                with_constant<kPixels<V>>(
                    lines, [&]<int H>() { scatter_tile<H, V>(p, row, column, vector); });
            });
    });
}

void conv(const ConvArgs& p) {
    if (suits_conv_narrow(p)) {
        conv_narrow(p);
        return;
    }
    const ptrdiff_t vectors = p.blocks * kVectorsPerBlock;
    const int widest = widest_for(p.columns, vectors);
    for (ptrdiff_t row = 0; row < p.rows; ++row)
        for_channel_tiles_of(widest, vectors, [&]<int V>(ptrdiff_t vector) {
            for_even_tiles(p.columns, kPixels<V>, [&](ptrdiff_t column, int height) {
                with_constant<kPixels<V>>(
                    height, [&]<int H>() { conv_tile<H, V>(p, row, column, vector); });
            });
        });
}

void conv_pool_2x2(const ConvPoolArgs& p) {
    if (suits_conv_narrow(p.conv)) {
        conv_narrow_pool(p.conv, p.activation, p.y, p.winners);
        return;
    }
    conv(p.conv);
    PoolArgs pool{};
    pool.rows = 1;
    pool.columns = p.conv.columns / 2;
    pool.channels = p.conv.channels;
    pool.x_row = p.conv.y_row;
    pool.x_pixel = pool.y_pixel = p.conv.channels;
    pool.step_rows = pool.step_columns = 2;
    max_pool_2x2(pool, p.activation, p.conv.y, p.y, p.winners);
}

void transpose(ptrdiff_t rows, ptrdiff_t columns, const float* source, ptrdiff_t source_row,
               float* target, ptrdiff_t target_row) {
    alignas(64) float block[16 * 16];
    for (ptrdiff_t r = 0; r < rows; r += 16)
        for (ptrdiff_t c = 0; c < columns; c += 16) {
            const int height = static_cast<int>(min_size(16, rows - r));
            const int width = static_cast<int>(min_size(16, columns - c));
            const float* from = source + r * source_row + c;
            float* to = target + c * target_row + r;
            if (height == 16 && width == 16) {
                transpose_16(from, source_row, 16, to, target_row);
                continue;
            }
            transpose_tail(from, source_row, height, width, block, 16);
            for (int i = 0; i < width; ++i)
                for (int j = 0; j < height; ++j) to[i * target_row + j] = block[i * 16 + j];
        }
}

void sum_partials(ptrdiff_t count, ptrdiff_t parts, ptrdiff_t stride, const float* partials,
                  float* sum) {
    ptrdiff_t i = 0;
    for (; i + kLanes <= count; i += kLanes) {
        vec total = load(partials + i);
        for (ptrdiff_t p = 1; p < parts; ++p) total += load(partials + p * stride + i);
        store(sum + i, total);
    }
    for (; i < count; ++i) {
        float total = partials[i];
        for (ptrdiff_t p = 1; p < parts; ++p) total += partials[p * stride + i];
        sum[i] = total;
    }
}

}  // namespace nncore::kernels::NNCORE_TARGET
