// Elementwise kernels: bias, activations, sums, the weight update, bytes to floats.
#include <cmath>

#include "../declarations.h"
#include "activation.h"

namespace nncore::kernels::reference {

void add_bias(ptrdiff_t rows, ptrdiff_t columns, const float* x, ptrdiff_t x_row, const float* bias,
              float* y, ptrdiff_t y_row) {
    for (ptrdiff_t r = 0; r < rows; ++r)
        for (ptrdiff_t c = 0; c < columns; ++c) y[r * y_row + c] = x[r * x_row + c] + bias[c];
}

void bias_gradient(ptrdiff_t rows, ptrdiff_t columns, const float* dy, ptrdiff_t dy_row, bool first,
                   float* gradient) {
    for (ptrdiff_t c = 0; c < columns; ++c) {
        float sum = first ? 0.0f : gradient[c];
        for (ptrdiff_t r = 0; r < rows; ++r) sum += dy[r * dy_row + c];
        gradient[c] = sum;
    }
}

void activation(Activation kind, ptrdiff_t count, const float* x, float* y) {
    for (ptrdiff_t i = 0; i < count; ++i) y[i] = activate(kind, x[i]);
}

void activation_gradient(Activation kind, ptrdiff_t count, const float* y, const float* dy,
                         float* dx) {
    for (ptrdiff_t i = 0; i < count; ++i) dx[i] = times_derivative(kind, y[i], dy[i]);
}

void add(Activation kind, ptrdiff_t count, const float* a, const float* b, float* y) {
    for (ptrdiff_t i = 0; i < count; ++i) y[i] = activate(kind, a[i] + b[i]);
}

void multiply(ptrdiff_t count, const float* x, const float* factors, float* y) {
    for (ptrdiff_t i = 0; i < count; ++i) y[i] = x[i] * factors[i];
}

void multiply_add(ptrdiff_t count, const float* x, const float* factors, const float* summands,
                  float* y) {
    for (ptrdiff_t i = 0; i < count; ++i) y[i] = std::fma(x[i], factors[i], summands[i]);
}

void sgd_update(ptrdiff_t count, float learning_rate, const float* gradient, float* weights) {
    for (ptrdiff_t i = 0; i < count; ++i)
        weights[i] = std::fma(-learning_rate, gradient[i], weights[i]);
}

void bytes_to_floats(ptrdiff_t count, const uint8_t* x, ptrdiff_t channels, const float* scale,
                     const float* offset, float* y) {
    for (ptrdiff_t i = 0; i < count; ++i) {
        y[i] = static_cast<float>(x[i]) / 255.0f;
        if (scale != nullptr) y[i] = std::fma(y[i], scale[i % channels], offset[i % channels]);
    }
}

void sum_partials(ptrdiff_t count, ptrdiff_t parts, ptrdiff_t stride, const float* partials,
                  float* sum) {
    for (ptrdiff_t i = 0; i < count; ++i) {
        float level[16];
        for (ptrdiff_t p = 0; p < parts; ++p) level[p] = partials[p * stride + i];
        for (ptrdiff_t left = parts / 2; left > 0; left /= 2)
            for (ptrdiff_t p = 0; p < left; ++p) level[p] = level[2 * p] + level[2 * p + 1];
        sum[i] = level[0];
    }
}

}  // namespace nncore::kernels::reference
