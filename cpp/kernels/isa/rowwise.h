#pragma once

#include "../kernels.h"

namespace nncore::kernels::NNCORE_TARGET {

void softmax(ptrdiff_t rows, ptrdiff_t columns, const float* x, ptrdiff_t x_row, float* y,
             ptrdiff_t y_row, float* scratch);
void softmax_gradient(ptrdiff_t rows, ptrdiff_t columns, const float* y, ptrdiff_t y_row,
                      const float* dy, ptrdiff_t dy_row, float* dx, ptrdiff_t dx_row,
                      float* scratch);
void squared_error(ptrdiff_t rows, ptrdiff_t columns, float scale, const float* output,
                   ptrdiff_t output_row, const float* target, ptrdiff_t target_row, float* losses,
                   float* gradient, ptrdiff_t gradient_row, int32_t* predicted, float* scratch);
void softmax_cross_entropy(ptrdiff_t rows, ptrdiff_t columns, float scale, const float* logits,
                           ptrdiff_t logits_row, const float* target, ptrdiff_t target_row,
                           float* losses, float* gradient, ptrdiff_t gradient_row,
                           int32_t* predicted, float* scratch);
void softmax_focal(ptrdiff_t rows, ptrdiff_t columns, float scale, const float* logits,
                   ptrdiff_t logits_row, const float* target, ptrdiff_t target_row, float* losses,
                   float* gradient, ptrdiff_t gradient_row, int32_t* predicted, float* scratch);

void layer_norm(const LayerNormArgs& args, const float* scale, const float* shift, float* y,
                ptrdiff_t y_row, float* scratch);
void layer_norm_gradient(const LayerNormArgs& args, const float* scale, const float* dy,
                         ptrdiff_t dy_row, float* dx, ptrdiff_t dx_row, float* products,
                         ptrdiff_t products_row, float* scratch);

}  // namespace nncore::kernels::NNCORE_TARGET
