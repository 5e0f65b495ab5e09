// Direct convolution, forward and input gradient: pixels are broadcast from the image, weights are
// read as vectors, lanes run over output channels. See ConvArgs in ../kernels.h.
#include "../declarations.h"
#include "activation.h"
#include "ahead.h"
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

// A place in an image that goes from pixel to pixel, and behind the last one of a line to the next
// line.
template <class Float>
struct Cursor {
    Cursor(Float* image, ptrdiff_t line, ptrdiff_t pixel, const ConvArgs& p, ptrdiff_t row,
           ptrdiff_t column, ptrdiff_t channel)
        : place(image == nullptr ? nullptr : image + row * line + column * pixel + channel),
          pixel(pixel),
          turn(line - (p.columns - 1) * pixel),
          columns(p.columns),
          left(p.columns - column) {}
    __attribute__((always_inline)) void next() {
        const bool ends = --left == 0;
        place += ends ? turn : pixel;
        left = ends ? columns : left;
    }

    Float* place;
    ptrdiff_t pixel, turn, columns, left;
};
NNCORE_INLINE Cursor<float> outputs_from(const ConvArgs& p, ptrdiff_t row, ptrdiff_t column,
                                         ptrdiff_t channel) {
    return {p.y, p.y_row, p.y_pixel, p, row, column, channel};
}
NNCORE_INLINE Cursor<const float> activities_from(const ConvArgs& p, ptrdiff_t row,
                                                  ptrdiff_t column, ptrdiff_t channel) {
    return {p.input_activity, p.activity_row, p.activity_pixel, p, row, column, channel};
}

// The epilogue for the rarer activations and for partial blocks of channels.
__attribute__((noinline)) void finish_conv(const ConvArgs& p, ptrdiff_t row, ptrdiff_t column,
                                           ptrdiff_t vector, int height, int vectors,
                                           const float* values) {
    Cursor y = outputs_from(p, row, column, vector * kLanes);
    Cursor activity = activities_from(p, row, column, vector * kLanes);
    for (int i = 0; i < height; ++i) {
        for (int j = 0; j < vectors; ++j) {
            const int count = lanes_of(p.channels - (vector + j) * kLanes);
            const vec sum = load(values + (i * vectors + j) * kLanes);
            const vec result =
                p.input_activity != nullptr
                    ? times_derivative(p.activation, load_some(activity.place + j * kLanes, count),
                                       sum)
                    : activate(p.activation, sum);
            store_some(y.place + j * kLanes, result, count);
        }
        y.next();
        if (p.input_activity != nullptr) activity.next();
    }
}

// H output pixels that follow each other, V vectors of channels from number `vector` on.
template <int H, int V>
NNCORE_TILE void conv_tile(const ConvArgs& p, ptrdiff_t row, ptrdiff_t column, ptrdiff_t vector) {
    const ptrdiff_t channel = vector * kLanes;
    const ptrdiff_t w_row = p.weights_row;
    if (p.input_activity != nullptr) {
        // The mask is needed at the very end; asked for now, it is there by then.
        Cursor activity = activities_from(p, row, column, channel);
        NNCORE_UNROLL
        for (int i = 0; i < H; ++i, activity.next()) {
            NNCORE_UNROLL
            for (int j = 0; j < V; ++j) __builtin_prefetch(activity.place + j * kLanes);
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
    const float* streams[V];
    NNCORE_UNROLL
    for (int j = 0; j < V; ++j) {
        const ptrdiff_t number = vector + j;
        streams[j] = p.weights + number / kVectorsPerBlock * p.weights_block +
                     number % kVectorsPerBlock * kLanes;
    }
    for (ptrdiff_t k = 0; k < p.kernel_rows; ++k)
        for (ptrdiff_t r = 0; r < p.runs; ++r) {
            multiply_rows<H, V>(p.run, x + k * p.kernel_row + r * p.run_step, p.x_pixel, streams,
                                w_row, acc);
            NNCORE_UNROLL
            for (int j = 0; j < V; ++j) streams[j] += p.run * w_row;
        }
    const ptrdiff_t left = p.channels - channel;
    if (left >= V * kLanes && CutOff::is(p.activation)) {
        const CutOff cut_off(p.activation);
        Cursor y = outputs_from(p, row, column, channel);
        if (p.input_activity != nullptr) {
            Cursor activity = activities_from(p, row, column, channel);
            NNCORE_UNROLL
            for (int i = 0; i < H; ++i, y.next(), activity.next()) {
                NNCORE_UNROLL
                for (int j = 0; j < V; ++j)
                    store(y.place + j * kLanes,
                          times_derivative(cut_off, load(activity.place + j * kLanes), acc[i][j]));
            }
            return;
        }
        NNCORE_UNROLL
        for (int i = 0; i < H; ++i, y.next()) {
            NNCORE_UNROLL
            for (int j = 0; j < V; ++j) store(y.place + j * kLanes, activate(cut_off, acc[i][j]));
        }
        return;
    }
    if (left >= V * kLanes && p.activation == Activation::linear) {
        Cursor y = outputs_from(p, row, column, channel);
        NNCORE_UNROLL
        for (int i = 0; i < H; ++i, y.next()) {
            NNCORE_UNROLL
            for (int j = 0; j < V; ++j) store(y.place + j * kLanes, acc[i][j]);
        }
        return;
    }
    alignas(64) float values[H * V * kLanes];
    spill_tile(acc, values);
    finish_conv(p, row, column, vector, H, V, values);
}

// body(first, count, next) for strips of so many pixels, `step` floats apart, as go through
// together, with as many behind as the next strip has; the last one has up to twice as many.
template <class Body>
NNCORE_INLINE void for_strips(ptrdiff_t pixels, ptrdiff_t step, Body body) {
    const ptrdiff_t fitting = kStripFloats / step / kStripPixels * kStripPixels;
    const ptrdiff_t strip = fitting > kStripPixels ? fitting : kStripPixels;
    ptrdiff_t first = 0;
    for (; pixels - first >= 2 * strip; first += strip) {
        const ptrdiff_t left = pixels - first - strip;
        body(first, strip, left >= 2 * strip ? strip : left);
    }
    body(first, pixels - first, 0);
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

// Where a line's windows follow those of the line before, as with 1x1 kernels, tiles need not end
// with a line: lines of 7 pixels fill them badly, and each line would read all weights once more.
void conv(const ConvArgs& p) {
    if (suits_conv_narrow(p)) {
        conv_narrow(p);
        return;
    }
    const ptrdiff_t vectors = p.blocks * kVectorsPerBlock;
    if (p.x_row == p.columns * p.x_pixel) {
        const ptrdiff_t pixels = p.rows * p.columns;
        const int widest = widest_for(pixels, vectors);
        const auto of_pixels = [&](const float* image, ptrdiff_t line, ptrdiff_t pixel,
                                   ptrdiff_t first, ptrdiff_t count) {
            const auto place = [&](ptrdiff_t at) {
                return at / p.columns * line + at % p.columns * pixel;
            };
            if (image == nullptr) return Lines{nullptr, 0};
            const ptrdiff_t begin = place(first);
            return Lines{image + begin, place(first + count) - begin};
        };
        for_strips(pixels, p.x_pixel, [&](ptrdiff_t first, ptrdiff_t count, ptrdiff_t next) {
            const ptrdiff_t turns = (count + kPixels<kWidest> - 1) / kPixels<kWidest> *
                                    ((vectors + kWidest - 1) / kWidest);
            const ptrdiff_t behind = first + count;
            Requests<0> inputs(of_pixels(p.x, p.x_row, p.x_pixel, behind, next), turns);
            Requests<0> activities(
                of_pixels(p.input_activity, p.activity_row, p.activity_pixel, behind, next), turns);
            Requests<1> outputs(of_pixels(p.y, p.y_row, p.y_pixel, behind, next), turns);
            for_channel_tiles_of(widest, vectors, [&]<int V>(ptrdiff_t vector) {
                for_even_tiles(count, kPixels<V>, [&](ptrdiff_t pixel, int height) {
                    inputs.ask();
                    activities.ask();
                    outputs.ask();
                    const ptrdiff_t row = (first + pixel) / p.columns;
                    const ptrdiff_t column = first + pixel - row * p.columns;
                    with_constant<kPixels<V>>(
                        height, [&]<int H>() { conv_tile<H, V>(p, row, column, vector); });
                });
            });
        });
        return;
    }
    const int widest = widest_for(p.columns, vectors);
    const auto line = [&]<int V>(ptrdiff_t row, ptrdiff_t vector) {
        for_even_tiles(p.columns, kPixels<V>, [&](ptrdiff_t column, int height) {
            with_constant<kPixels<V>>(height,
                                      [&]<int H>() { conv_tile<H, V>(p, row, column, vector); });
        });
    };
    // Weights that do not stay in the second cache from one row to the next are read once.
    if (p.kernel_rows * p.runs * p.run * p.blocks * kBlock > kStayCached) {
        for_channel_tiles_of(widest, vectors, [&]<int V>(ptrdiff_t vector) {
            for (ptrdiff_t row = 0; row < p.rows; ++row) line.template operator()<V>(row, vector);
        });
        return;
    }
    for (ptrdiff_t row = 0; row < p.rows; ++row)
        for_channel_tiles_of(widest, vectors, [&]<int V>(ptrdiff_t vector) {
            line.template operator()<V>(row, vector);
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

}  // namespace nncore::kernels::NNCORE_TARGET
