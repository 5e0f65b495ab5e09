// The kernel table of one instruction set, or of the reference: NNCORE_TARGET, set by CMake.
#include "declarations.h"

#define NNCORE_STRING_(x) #x
#define NNCORE_STRING(x) NNCORE_STRING_(x)

namespace nncore::kernels::NNCORE_TARGET {

const Kernels& table() {
    static const Kernels kernels{
        .isa = NNCORE_STRING(NNCORE_TARGET),
        .gemm_scratch_floats = gemm_scratch_floats,
#define NNCORE_KERNEL(result, name, arguments) .name = name,
#include "table.inc"
    };
    return kernels;
}

}  // namespace nncore::kernels::NNCORE_TARGET
