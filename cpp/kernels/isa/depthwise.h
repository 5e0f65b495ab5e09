#pragma once

#include "../kernels.h"

namespace nncore::kernels::NNCORE_TARGET {

void depthwise_conv(const DepthwiseConvArgs& args);
void depthwise_weight_gradient(const DepthwiseWeightGradientArgs& args);
void split_groups(ptrdiff_t pixels, ptrdiff_t groups, ptrdiff_t parts, const float* x, float* y,
                  ptrdiff_t y_pixel, ptrdiff_t y_plane);
void merge_groups(ptrdiff_t pixels, ptrdiff_t groups, ptrdiff_t parts, const float* y,
                  ptrdiff_t y_pixel, ptrdiff_t y_plane, float* x);

}  // namespace nncore::kernels::NNCORE_TARGET
