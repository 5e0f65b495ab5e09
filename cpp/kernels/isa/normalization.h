#pragma once

#include "../kernels.h"

namespace nncore::kernels::NNCORE_TARGET {

void channel_moments(ptrdiff_t pixels, ptrdiff_t channels, const float* x, float* means,
                     float* squares);
void combine_moments(ptrdiff_t samples, ptrdiff_t stride, ptrdiff_t pixels, ptrdiff_t channels,
                     const float* means, const float* squares, float* mean, float* variance);
void normalize(const NormalizeArgs& args, Activation activation, const float* x, float* y);
void normalize_gradient_sums(const NormalizeArgs& args, const float* x, const float* dy, bool first,
                             float* shift_gradient, float* scale_gradient);
void normalize_gradient(const NormalizeGradientArgs& args, Activation input_activation,
                        const float* x, const float* dy, float* dx);

}  // namespace nncore::kernels::NNCORE_TARGET
