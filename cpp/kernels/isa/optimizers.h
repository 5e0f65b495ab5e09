#pragma once

#include "../kernels.h"

namespace nncore::kernels::NNCORE_TARGET {

void optimizer_update(UpdateRule rule, const UpdateArgs& p);
float sum_of_squares(ptrdiff_t count, const float* x);

}  // namespace nncore::kernels::NNCORE_TARGET
