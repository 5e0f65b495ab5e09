#pragma once

#include "../kernels.h"

namespace nncore::kernels::NNCORE_TARGET {

void add_bias(ptrdiff_t rows, ptrdiff_t columns, const float* x, ptrdiff_t x_row, const float* bias,
              float* y, ptrdiff_t y_row);
void bias_gradient(ptrdiff_t rows, ptrdiff_t columns, const float* dy, ptrdiff_t dy_row,
                   float* gradient);
void activation(Activation kind, ptrdiff_t count, const float* x, float* y);
void activation_gradient(Activation kind, ptrdiff_t count, const float* y, const float* dy,
                         float* dx);
void add(Activation kind, ptrdiff_t count, const float* a, const float* b, float* y);
void multiply_add(ptrdiff_t count, const float* x, const float* factors, const float* summands,
                  float* y);
void sgd_update(ptrdiff_t count, float learning_rate, const float* gradient, float* weights);
void bytes_to_floats(ptrdiff_t count, const uint8_t* x, ptrdiff_t channels, const float* scale,
                     const float* offset, float* y);

}  // namespace nncore::kernels::NNCORE_TARGET
