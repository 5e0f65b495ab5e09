// Convolutions and their gradients.
#include <algorithm>
#include <cmath>

#include "../declarations.h"
#include "activation.h"

namespace nncore::kernels::reference {
namespace {

// Calls body(weight row, input) for each input of one output pixel, in the order of the chain.
template <class Args, class Body>
void for_taps(const Args& p, const float* x, Body body) {
    ptrdiff_t weight_row = 0;
    for (ptrdiff_t k = 0; k < p.kernel_rows; ++k)
        for (ptrdiff_t r = 0; r < p.runs; ++r)
            for (ptrdiff_t i = 0; i < p.run; ++i)
                body(weight_row++, x[k * p.kernel_row + r * p.run_step + i]);
}

}  // namespace

void conv(const ConvArgs& p) {
    for (ptrdiff_t row = 0; row < p.rows; ++row)
        for (ptrdiff_t column = 0; column < p.columns; ++column)
            for (ptrdiff_t c = 0; c < p.channels; ++c) {
                float acc = p.bias != nullptr ? p.bias[c] : 0.0f;
                for_taps(p, p.x + row * p.x_row + column * p.x_pixel,
                         [&](ptrdiff_t tap, float input) {
                             acc = std::fma(input,
                                            p.weights[tap * p.weights_row +
                                                      c / kBlock * p.weights_block + c % kBlock],
                                            acc);
                         });
                p.y[row * p.y_row + column * p.y_pixel + c] =
                    p.input_activity != nullptr
                        ? times_derivative(p.activation,
                                           p.input_activity[row * p.activity_row +
                                                            column * p.activity_pixel + c],
                                           acc)
                        : activate(p.activation, acc);
            }
}

void conv_pool_2x2(const ConvPoolArgs& p) {
    conv(p.conv);
    PoolArgs pool{};
    pool.window_rows = pool.window_columns = pool.step_rows = pool.step_columns = 2;
    pool.rows = 1;
    pool.columns = p.conv.columns / 2;
    pool.channels = p.conv.channels;
    pool.x_row = p.conv.y_row;
    pool.x_pixel = pool.y_pixel = p.conv.channels;
    max_pool_2x2(pool, p.activation, p.conv.y, p.y, p.winners);
}

void conv_weight_gradient(const ConvWeightGradientArgs& p) {
    const ptrdiff_t channels = p.blocks * kBlock;
    if (p.first) std::fill_n(p.gradient, p.kernel_rows * p.runs * p.run * channels, 0.0f);
    for (ptrdiff_t row = 0; row < p.rows; ++row)
        for (ptrdiff_t column = 0; column < p.columns; ++column)
            for_taps(p, p.x + row * p.x_row + column * p.x_pixel, [&](ptrdiff_t tap, float input) {
                for (ptrdiff_t c = 0; c < channels; ++c) {
                    float& g = p.gradient[tap * channels + c];
                    g = std::fma(input, p.d[row * p.d_row + column * p.d_pixel + c], g);
                }
            });
}

void conv_scatter(const ConvScatterArgs& p) {
    const ptrdiff_t run = p.blocks * kBlock;
    std::fill_n(p.lines, p.rows * p.line, 0.0f);
    for (ptrdiff_t y = 0; y < p.rows; ++y)
        for (ptrdiff_t x = 0; x < p.columns; ++x)
            for (ptrdiff_t j = 0; j < run; ++j) {
                float acc = 0.0f;
                for (ptrdiff_t k = 0; k < p.kernel_rows; ++k)
                    for (ptrdiff_t c = 0; c < p.channels; ++c)
                        acc = std::fma(p.x[(y + k) * p.kernel_row + x * p.x_pixel + c],
                                       p.weights[(k * p.channels + c) * run + j], acc);
                p.lines[y * p.line + x * p.step + j] += acc;
            }
}

void transpose(ptrdiff_t rows, ptrdiff_t columns, const float* source, ptrdiff_t source_row,
               float* target, ptrdiff_t target_row) {
    for (ptrdiff_t r = 0; r < rows; ++r)
        for (ptrdiff_t c = 0; c < columns; ++c)
            target[c * target_row + r] = source[r * source_row + c];
}

}  // namespace nncore::kernels::reference
