#pragma once

#include "../kernels.h"

namespace nncore::kernels::NNCORE_TARGET {

void dense_product(const DenseProductArgs& args);
void dense_weight_gradient(const DenseWeightGradientArgs& args);
void transpose_panels(ptrdiff_t inputs, ptrdiff_t output_blocks, const float* panels,
                      ptrdiff_t panel_stride, ptrdiff_t input_blocks, float* transposed,
                      ptrdiff_t transposed_stride);

}  // namespace nncore::kernels::NNCORE_TARGET
