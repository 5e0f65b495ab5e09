#pragma once

#include "../kernels.h"

namespace nncore::kernels::NNCORE_TARGET {

void dropout_mask(ptrdiff_t count, const DropoutKey& key, uint32_t threshold, float scale,
                  float* mask);
void multiply(ptrdiff_t count, const float* x, const float* factors, float* y);

}  // namespace nncore::kernels::NNCORE_TARGET
