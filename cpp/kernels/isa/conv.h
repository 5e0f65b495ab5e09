#pragma once

#include "../kernels.h"

namespace nncore::kernels::NNCORE_TARGET {

void conv(const ConvArgs& args);
void conv_weight_gradient(const ConvWeightGradientArgs& args);
void pooled_weight_gradient(const PooledWeightGradientArgs& args);
void pooled_input_gradient(const PooledInputGradientArgs& args);
void conv_scatter(const ConvScatterArgs& args);
void transpose(ptrdiff_t rows, ptrdiff_t columns, const float* source, ptrdiff_t source_row,
               float* target, ptrdiff_t target_row);
void sum_partials(ptrdiff_t count, ptrdiff_t parts, ptrdiff_t stride, const float* partials,
                  float* sum);

}  // namespace nncore::kernels::NNCORE_TARGET
