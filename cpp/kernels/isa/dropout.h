#pragma once

#include "../kernels.h"

namespace nncore::kernels::NNCORE_TARGET {

void dropout(ptrdiff_t count, const DropoutKey& key, uint32_t threshold, float scale,
             const float* x, float* mask, float* y);
void multiply(ptrdiff_t count, const float* x, const float* factors, float* y);

}  // namespace nncore::kernels::NNCORE_TARGET
