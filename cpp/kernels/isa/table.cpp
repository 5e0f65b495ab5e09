// The kernel table of one instruction set.
#include "dense.h"
#include "elementwise.h"
#include "gemm.h"
#include "rowwise.h"

#define NNCORE_STRING_(x) #x
#define NNCORE_STRING(x) NNCORE_STRING_(x)

namespace nncore::kernels::NNCORE_TARGET {

const Kernels& table() {
    static const Kernels kernels{
        NNCORE_STRING(NNCORE_TARGET),
        gemm_scratch_floats,
        gemm,
        add_bias,
        bias_gradient,
        activation,
        activation_gradient,
        softmax,
        softmax_gradient,
        squared_error,
        softmax_cross_entropy,
        sgd_update,
        bytes_to_floats,
        dense_product,
        dense_weight_gradient,
        transpose_panels,
    };
    return kernels;
}

}  // namespace nncore::kernels::NNCORE_TARGET
