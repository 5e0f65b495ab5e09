#pragma once

#include "../kernels.h"

namespace nncore::kernels::NNCORE_TARGET {

void conv(const ConvArgs& args);
void conv_pool_2x2(const ConvPoolArgs& args);
void conv_weight_gradient(const ConvWeightGradientArgs& args);
void pooled_weight_gradient(const PooledWeightGradientArgs& args);
void pooled_input_gradient(const PooledInputGradientArgs& args);
void conv_scatter(const ConvScatterArgs& args);
void transpose(ptrdiff_t rows, ptrdiff_t columns, const float* source, ptrdiff_t source_row,
               float* target, ptrdiff_t target_row);
void sum_partials(ptrdiff_t count, ptrdiff_t parts, ptrdiff_t stride, const float* partials,
                  float* sum);

// How conv and conv_pool_2x2 compute where few channels come from one: see conv_narrow.cpp.
bool suits_conv_narrow(const ConvArgs& args);
void conv_narrow(const ConvArgs& args);
void conv_narrow_pool(const ConvArgs& two_rows, Activation activation, float* y, uint8_t* winners);

}  // namespace nncore::kernels::NNCORE_TARGET
