// The kernels' functions in the namespace of one instruction set: NNCORE_TARGET, set by CMake.
#pragma once

#include "kernels.h"

namespace nncore::kernels::NNCORE_TARGET {

extern const ptrdiff_t gemm_scratch_floats;
#define NNCORE_KERNEL(result, name, arguments) result name arguments;
#include "table.inc"

}  // namespace nncore::kernels::NNCORE_TARGET
