// Convolutions in many small groups, forward, input gradient and weight gradient: lanes run over
// the groups, so that inputs are read as vectors, too. See DepthwiseConvArgs in ../kernels.h.
#include "../declarations.h"
#include "activation.h"
#include "ahead.h"
#include "channel_tiles.h"
#include "tile_sizes.h"
#include "vectors.h"
#include "with_constant.h"

namespace nncore::kernels::NNCORE_TARGET {
namespace {

// Walks `outputs` in steps of at most kMostOutputs; body is called as
// body.template operator()<J>(first output).
template <class Body>
NNCORE_INLINE void for_outputs(ptrdiff_t outputs, Body body) {
    ptrdiff_t output = 0;
    if constexpr (kMostOutputs >= 4)
        for (; output + 4 <= outputs; output += 4) body.template operator()<4>(output);
    if constexpr (kMostOutputs >= 2)
        for (; output + 2 <= outputs; output += 2) body.template operator()<2>(output);
    for (; output < outputs; ++output) body.template operator()<1>(output);
}

// Where a tile stands: `group` is the first of `lanes` groups that exist.
struct Place {
    ptrdiff_t row, column, output, group;
    int lanes;
};

// The epilogue for the rarer activations and for partial vectors of groups.
__attribute__((noinline)) void finish_depthwise(const DepthwiseConvArgs& p, const Place& at,
                                                int height, int outputs, const float* values) {
    for (int i = 0; i < height; ++i)
        for (int j = 0; j < outputs; ++j) {
            const vec sum = load(values + (i * outputs + j) * kLanes);
            const vec y =
                p.input_activity != nullptr
                    ? times_derivative(p.activation,
                                       load_some(p.input_activity + at.row * p.activity_row +
                                                     (at.column + i) * p.activity_pixel + at.group,
                                                 at.lanes),
                                       sum)
                    : activate(p.activation, sum);
            store_some(p.y + at.row * p.y_row + (at.column + i) * p.y_pixel +
                           (at.output + j) * p.y_plane + at.group,
                       y, at.lanes);
        }
}

// H neighbouring pixels of an output row, J outputs of one vector of groups.
template <int H, int J>
NNCORE_TILE void depthwise_tile(const DepthwiseConvArgs& p, const Place& at) {
    const ptrdiff_t w_output = padded(p.groups);
    vec acc[H][J];
    NNCORE_UNROLL
    for (int j = 0; j < J; ++j) {
        const vec start = p.bias ? load(p.bias + (at.output + j) * w_output + at.group) : zero();
        NNCORE_UNROLL
        for (int i = 0; i < H; ++i) acc[i][j] = start;
    }
    const float* const x = p.x + at.row * p.x_row + at.column * p.x_pixel + at.group;
    const float* w = p.weights + at.output * w_output + at.group;
    for (ptrdiff_t k = 0; k < p.kernel_rows; ++k)
        for (ptrdiff_t r = 0; r < p.runs; ++r) {
            const float* from = x + k * p.kernel_row + r * p.run_step;
            for (ptrdiff_t i = 0; i < p.run; ++i) {
                vec weights[J];
                NNCORE_UNROLL
                for (int j = 0; j < J; ++j) weights[j] = load(w + j * w_output);
                NNCORE_UNROLL
                for (int h = 0; h < H; ++h) {
                    const vec input = load(from + h * p.x_pixel);
                    NNCORE_UNROLL
                    for (int j = 0; j < J; ++j) acc[h][j] = fma(input, weights[j], acc[h][j]);
                }
                from += p.plane;
                w += p.outputs * w_output;
            }
        }
    float* y = p.y + at.row * p.y_row + at.column * p.y_pixel + at.output * p.y_plane + at.group;
    if (at.lanes == kLanes && CutOff::is(p.activation)) {
        const CutOff cut_off(p.activation);
        const float* activity = p.input_activity ? p.input_activity + at.row * p.activity_row +
                                                       at.column * p.activity_pixel + at.group
                                                 : nullptr;
        NNCORE_UNROLL
        for (int i = 0; i < H; ++i) {
            NNCORE_UNROLL
            for (int j = 0; j < J; ++j) {
                const vec value =
                    activity != nullptr
                        ? times_derivative(cut_off, load(activity + i * p.activity_pixel),
                                           acc[i][j])
                        : activate(cut_off, acc[i][j]);
                store(y + i * p.y_pixel + j * p.y_plane, value);
            }
        }
        return;
    }
    if (at.lanes == kLanes && p.activation == Activation::linear) {
        NNCORE_UNROLL
        for (int i = 0; i < H; ++i) {
            NNCORE_UNROLL
            for (int j = 0; j < J; ++j) store(y + i * p.y_pixel + j * p.y_plane, acc[i][j]);
        }
        return;
    }
    alignas(64) float values[H * J * kLanes];
    spill_tile(acc, values);
    finish_depthwise(p, at, H, J, values);
}

// The same for K inputs in each kernel row, known to the compiler, of groups with one output, where
// the activation is one of the most usual: a small kernel has hardly more products than a loop over
// its inputs has other instructions. From the places of the tile's first pixel and group.
template <int H, int K>
NNCORE_TILE void single_tile(const DepthwiseConvArgs& p, const float* x, const float* w,
                             const float* bias, const float* activity, float* y) {
    // As in multiply_rows: one base register for three pixels.
    constexpr int kBases = (H + 2) / 3;
    const ptrdiff_t w_row = padded(p.groups), pixel = p.x_pixel, plane = p.plane;
    const vec start = bias != nullptr ? load(bias) : zero();
    vec acc[H];
    NNCORE_UNROLL
    for (int h = 0; h < H; ++h) acc[h] = start;
    for (ptrdiff_t k = p.kernel_rows; k > 0; --k) {
        const float* base[kBases];
        NNCORE_UNROLL
        for (int i = 0; i < kBases; ++i) base[i] = x + 3 * i * pixel;
        NNCORE_UNROLL
        for (int t = 0; t < K; ++t) {
            const vec weights = load(w);
            NNCORE_UNROLL
            for (int h = 0; h < H; ++h)
                acc[h] = fma(load(base[h / 3] + (h % 3) * pixel), weights, acc[h]);
            NNCORE_UNROLL
            for (int i = 0; i < kBases; ++i) {
                base[i] += plane;
                // Else GCC makes an address of its own for each pixel of each input, more than
                // there are registers: 3x3 kernels take up to a tenth, 5x5 an eighth longer.
                __asm__("" : "+r"(base[i]));
            }
            w += w_row;
        }
        x += p.kernel_row;
    }
    if (p.activation == Activation::linear) {
        NNCORE_UNROLL
        for (int h = 0; h < H; ++h) store(y + h * p.y_pixel, acc[h]);
        return;
    }
    const CutOff cut_off(p.activation);
    if (activity == nullptr) {
        NNCORE_UNROLL
        for (int h = 0; h < H; ++h) store(y + h * p.y_pixel, activate(cut_off, acc[h]));
        return;
    }
    NNCORE_UNROLL
    for (int h = 0; h < H; ++h)
        store(y + h * p.y_pixel,
              times_derivative(cut_off, load(activity + h * p.activity_pixel), acc[h]));
}

// single_tile<H, K> by H - 1, for the K inputs of a kernel row that there are tiles for.
using SingleTile = void (*)(const DepthwiseConvArgs&, const float*, const float*, const float*,
                            const float*, float*);
template <int K>
struct SingleTiles {
    SingleTile of[kHeight<1>];

    constexpr SingleTiles() : of{} { fill<kHeight<1>>(); }
    template <int H>
    constexpr void fill() {
        of[H - 1] = single_tile<H, K>;
        if constexpr (H > 1) fill<H - 1>();
    }
};
template <int K>
constexpr SingleTiles<K> kSingleTiles{};

// Those that compute what `p` asks for, or nullptr.
const SingleTile* single_tiles(const DepthwiseConvArgs& p) {
    if (p.outputs != 1 || p.runs != 1) return nullptr;
    if (p.activation != Activation::linear && !CutOff::is(p.activation)) return nullptr;
    switch (p.run) {
        case 1:
            return kSingleTiles<1>.of;
        case 2:
            return kSingleTiles<2>.of;
        case 3:
            return kSingleTiles<3>.of;
        case 5:
            return kSingleTiles<5>.of;
        default:
            return nullptr;
    }
}

// T weights by J outputs of one vector of groups, over the rows of one band. x, d: their inputs
// and output gradients at the band's first pixel.
template <int T, int J>
NNCORE_TILE void gradient_tile(const DepthwiseWeightGradientArgs& p, const float* const (&x)[T],
                               const float* d, float* gradient, int lanes, ptrdiff_t rows,
                               bool first) {
    const ptrdiff_t g_output = padded(p.groups);
    const ptrdiff_t g_tap = p.outputs * g_output;
    vec acc[T][J];
    NNCORE_UNROLL
    for (int t = 0; t < T; ++t) {
        NNCORE_UNROLL
        for (int j = 0; j < J; ++j)
            acc[t][j] = first ? zero() : load(gradient + t * g_tap + j * g_output);
    }
    for (ptrdiff_t row = 0; row < rows; ++row) {
        ptrdiff_t from = row * p.x_row;
        const float* to = d + row * p.d_row;
        for (ptrdiff_t column = 0; column < p.columns; ++column) {
            vec values[J];
            NNCORE_UNROLL
            for (int j = 0; j < J; ++j) values[j] = load(to + j * p.d_plane);
            NNCORE_UNROLL
            for (int t = 0; t < T; ++t) {
                const vec input = load(x[t] + from);
                NNCORE_UNROLL
                for (int j = 0; j < J; ++j) acc[t][j] = fma(input, values[j], acc[t][j]);
            }
            from += p.x_pixel;
            to += p.d_pixel;
        }
    }
    NNCORE_UNROLL
    for (int t = 0; t < T; ++t) {
        NNCORE_UNROLL
        for (int j = 0; j < J; ++j)
            store_some(gradient + t * g_tap + j * g_output, acc[t][j], lanes);
    }
}

// T taps from number `tap` on; x: the first group's input at the band's first pixel.
template <int T, int J>
void gradient_of_taps(const DepthwiseWeightGradientArgs& p, const float* x, ptrdiff_t tap,
                      const float* d, float* gradient, int lanes, ptrdiff_t rows, bool first) {
    const float* inputs[T];
    for (int t = 0; t < T; ++t) {
        const ptrdiff_t run = (tap + t) / p.run;
        inputs[t] = x + run / p.runs * p.kernel_row + run % p.runs * p.run_step +
                    (tap + t) % p.run * p.plane;
    }
    gradient_tile<T, J>(p, inputs, d, gradient, lanes, rows, first);
}

// The input that rows [first, last) see and those above do not.
Lines new_input(const DepthwiseConvArgs& p, ptrdiff_t first, ptrdiff_t last) {
    const ptrdiff_t below = p.kernel_rows * p.kernel_row - p.x_row;
    return {p.x + first * p.x_row + below, (last - first) * p.x_row};
}

// A line's worth of memory at each of `pixels`, which are `step` apart, will be read (Write = 0) or
// written (1).
template <int Write>
NNCORE_INLINE void ask_for(const float* place, ptrdiff_t pixels, ptrdiff_t step) {
    for (ptrdiff_t i = 0; i < pixels; ++i) __builtin_prefetch(place + i * step, Write, 2);
}

// A cache line of groups goes down the rows of a band: the rows of x that its windows share are in
// the first cache then, and the band in the second until all lines of groups are through. Meanwhile
// what the next band needs is asked for: nobody guesses it from steps of a pixel.
void conv_of_single_outputs(const DepthwiseConvArgs& p, const SingleTile* tiles) {
    const EvenTiles columns(p.columns, kHeight<1>);
    for (ptrdiff_t first = 0; first < p.rows; first += kDepthwiseRows) {
        const ptrdiff_t last = min_size(first + kDepthwiseRows, p.rows);
        const ptrdiff_t next = min_size(last + kDepthwiseRows, p.rows);
        const ptrdiff_t turns = (p.groups + kBlock - 1) / kBlock * (last - first);
        Requests<0> inputs(new_input(p, last, next), turns);
        for (ptrdiff_t block = 0; block < p.groups; block += kBlock)
            for (ptrdiff_t row = first; row < last; ++row) {
                inputs.ask();
                const float* const x = p.x + row * p.x_row + block;
                const float* const activity =
                    p.input_activity ? p.input_activity + row * p.activity_row + block : nullptr;
                float* const y = p.y + row * p.y_row + block;
                const bool has_next = row + kDepthwiseRows < p.rows;
                columns.for_each([&](ptrdiff_t column, int height) {
                    const float* const tile_activity =
                        activity ? activity + column * p.activity_pixel : nullptr;
                    float* const tile_y = y + column * p.y_pixel;
                    if (has_next) {
                        ask_for<1>(tile_y + kDepthwiseRows * p.y_row, height, p.y_pixel);
                        if (activity)
                            ask_for<0>(tile_activity + kDepthwiseRows * p.activity_row, height,
                                       p.activity_pixel);
                    }
                    for_vectors(min_size(kBlock, p.groups - block), [&](ptrdiff_t i, int lanes) {
                        const ptrdiff_t group = block + i;
                        if (lanes < kLanes) {
                            const Place at{row, column, 0, group, lanes};
                            with_constant<kHeight<1>>(
                                height, [&]<int H>() { depthwise_tile<H, 1>(p, at); });
                            return;
                        }
                        tiles[height - 1](p, x + column * p.x_pixel + i, p.weights + group,
                                          p.bias ? p.bias + group : nullptr,
                                          activity ? tile_activity + i : nullptr, tile_y + i);
                    });
                });
            }
    }
}

// The same for any outputs, lines of groups going through whole rows.
void conv_of_any_outputs(const DepthwiseConvArgs& p) {
    const auto activity = [&](ptrdiff_t first, ptrdiff_t last) {
        if (p.input_activity == nullptr) return Lines{nullptr, 0};
        return Lines{p.input_activity + first * p.activity_row, (last - first) * p.activity_row};
    };
    const auto results = [&](ptrdiff_t first, ptrdiff_t last) {
        return Lines{p.y + first * p.y_row, (last - first) * p.y_row};
    };
    for (ptrdiff_t first = 0; first < p.rows; first += kDepthwiseRows) {
        const ptrdiff_t last = min_size(first + kDepthwiseRows, p.rows);
        const ptrdiff_t next = min_size(last + kDepthwiseRows, p.rows);
        const ptrdiff_t turns = (p.groups + kBlock - 1) / kBlock * (last - first);
        Requests<0> inputs(new_input(p, last, next), turns),
            activities(activity(last, next), turns);
        Requests<1> outputs(results(last, next), turns);
        for_outputs(p.outputs, [&]<int J>(ptrdiff_t output) {
            for (ptrdiff_t block = 0; block < p.groups; block += kBlock)
                for (ptrdiff_t row = first; row < last; ++row) {
                    inputs.ask();
                    activities.ask();
                    outputs.ask();
                    for_vectors(min_size(kBlock, p.groups - block), [&](ptrdiff_t i, int lanes) {
                        for_even_tiles(p.columns, kHeight<J>, [&](ptrdiff_t column, int height) {
                            const Place at{row, column, output, block + i, lanes};
                            with_constant<kHeight<J>>(
                                height, [&]<int H>() { depthwise_tile<H, J>(p, at); });
                        });
                    });
                }
        });
    }
}

}  // namespace

void depthwise_conv(const DepthwiseConvArgs& args) {
    DepthwiseConvArgs p = args;
    if (p.run == 1) {  // fewer loops around the innermost one
        p.run = p.runs;
        p.plane = p.run_step;
        p.runs = 1;
    }
    if (const SingleTile* const tiles = single_tiles(p)) {
        conv_of_single_outputs(p, tiles);
    } else {
        conv_of_any_outputs(p);
    }
}

void depthwise_weight_gradient(const DepthwiseWeightGradientArgs& p) {
    const ptrdiff_t g_output = padded(p.groups);
    const ptrdiff_t band = p.columns >= kBandPixels ? 1 : kBandPixels / p.columns;
    for (ptrdiff_t row = 0; row < p.rows; row += band) {
        const ptrdiff_t rows = min_size(band, p.rows - row);
        const bool first = p.first && row == 0;
        for_outputs(p.outputs, [&]<int J>(ptrdiff_t output) {
            for_vectors(p.groups, [&](ptrdiff_t group, int lanes) {
                const float* x = p.x + row * p.x_row + group;
                const float* d = p.d + row * p.d_row + output * p.d_plane + group;
                for_even_tiles(
                    p.kernel_rows * p.runs * p.run, kTaps<J>, [&](ptrdiff_t tap, int taps) {
                        float* gradient =
                            p.gradient + (tap * p.outputs + output) * g_output + group;
                        with_constant<kTaps<J>>(taps, [&]<int T>() {
                            gradient_of_taps<T, J>(p, x, tap, d, gradient, lanes, rows, first);
                        });
                    });
            });
        });
    }
}

}  // namespace nncore::kernels::NNCORE_TARGET
