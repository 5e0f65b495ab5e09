#pragma once

#include "../kernels.h"

namespace nncore::kernels::NNCORE_TARGET {

extern const ptrdiff_t gemm_scratch_floats;
void gemm(const GemmArgs& args, float* scratch);

}  // namespace nncore::kernels::NNCORE_TARGET
