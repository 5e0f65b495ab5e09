#pragma once

#include "../kernels.h"

namespace nncore::kernels::NNCORE_TARGET {

void optimizer_update(UpdateRule rule, const UpdateArgs& p);
float sum_of_squares(ptrdiff_t count, const float* x);
float sum_of_magnitudes(ptrdiff_t count, const float* x);
void penalty_gradient(ptrdiff_t count, float l1, float twice_l2, const float* weights,
                      float* gradient);

}  // namespace nncore::kernels::NNCORE_TARGET
