#pragma once

#include "../kernels.h"

namespace nncore::kernels::NNCORE_TARGET {

void self_gated(SelfGated kind, ptrdiff_t count, const float* x, float* y);
void self_gated_gradient(SelfGated kind, ptrdiff_t count, const float* x, const float* dy,
                         float* dx);

}  // namespace nncore::kernels::NNCORE_TARGET
