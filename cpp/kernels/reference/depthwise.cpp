// Convolutions in many small groups, and the order of channels that they take.
#include <cmath>

#include "../declarations.h"
#include "activation.h"

namespace nncore::kernels::reference {
namespace {

// As for_taps, of planes: calls body(weight row, first input of the plane).
template <class Args, class Body>
void for_planes(const Args& p, const float* x, Body body) {
    ptrdiff_t weight_row = 0;
    for (ptrdiff_t k = 0; k < p.kernel_rows; ++k)
        for (ptrdiff_t r = 0; r < p.runs; ++r)
            for (ptrdiff_t i = 0; i < p.run; ++i)
                body(weight_row++, x + k * p.kernel_row + r * p.run_step + i * p.plane);
}

}  // namespace

void depthwise_conv(const DepthwiseConvArgs& p) {
    const ptrdiff_t w_output = padded(p.groups);
    for (ptrdiff_t row = 0; row < p.rows; ++row)
        for (ptrdiff_t column = 0; column < p.columns; ++column)
            for (ptrdiff_t output = 0; output < p.outputs; ++output)
                for (ptrdiff_t g = 0; g < p.groups; ++g) {
                    const ptrdiff_t lane = output * w_output + g;
                    float acc = p.bias != nullptr ? p.bias[lane] : 0.0f;
                    for_planes(p, p.x + row * p.x_row + column * p.x_pixel,
                               [&](ptrdiff_t tap, const float* plane) {
                                   acc = std::fma(
                                       plane[g], p.weights[tap * p.outputs * w_output + lane], acc);
                               });
                    p.y[row * p.y_row + column * p.y_pixel + output * p.y_plane + g] =
                        p.input_activity != nullptr
                            ? times_derivative(p.activation,
                                               p.input_activity[row * p.activity_row +
                                                                column * p.activity_pixel + g],
                                               acc)
                            : activate(p.activation, acc);
                }
}

void depthwise_weight_gradient(const DepthwiseWeightGradientArgs& p) {
    const ptrdiff_t g_output = padded(p.groups);
    for (ptrdiff_t row = 0; row < p.rows; ++row)
        for (ptrdiff_t column = 0; column < p.columns; ++column)
            for_planes(
                p, p.x + row * p.x_row + column * p.x_pixel,
                [&](ptrdiff_t tap, const float* plane) {
                    for (ptrdiff_t output = 0; output < p.outputs; ++output)
                        for (ptrdiff_t g = 0; g < p.groups; ++g) {
                            float& sum = p.gradient[(tap * p.outputs + output) * g_output + g];
                            const float d =
                                p.d[row * p.d_row + column * p.d_pixel + output * p.d_plane + g];
                            const bool starts = p.first && row == 0 && column == 0;
                            sum = std::fma(plane[g], d, starts ? 0.0f : sum);
                        }
                });
}

void split_groups(ptrdiff_t pixels, ptrdiff_t groups, ptrdiff_t parts, const float* x, float* y,
                  ptrdiff_t y_pixel, ptrdiff_t y_plane) {
    for (ptrdiff_t pixel = 0; pixel < pixels; ++pixel)
        for (ptrdiff_t g = 0; g < groups; ++g)
            for (ptrdiff_t part = 0; part < parts; ++part)
                y[pixel * y_pixel + part * y_plane + g] = *x++;
}

void merge_groups(ptrdiff_t pixels, ptrdiff_t groups, ptrdiff_t parts, const float* y,
                  ptrdiff_t y_pixel, ptrdiff_t y_plane, float* x) {
    for (ptrdiff_t pixel = 0; pixel < pixels; ++pixel)
        for (ptrdiff_t g = 0; g < groups; ++g)
            for (ptrdiff_t part = 0; part < parts; ++part)
                *x++ = y[pixel * y_pixel + part * y_plane + g];
}

}  // namespace nncore::kernels::reference
