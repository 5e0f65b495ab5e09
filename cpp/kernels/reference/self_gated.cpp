// gelu, silu and hard_swish: x times a gate that x opens, and their derivatives.
#include "../declarations.h"
#include "activation.h"

namespace nncore::kernels::reference {

void self_gated(SelfGated kind, ptrdiff_t count, const float* x, float* y) {
    for (ptrdiff_t i = 0; i < count; ++i) y[i] = gated(kind, x[i]);
}

void self_gated_gradient(SelfGated kind, ptrdiff_t count, const float* x, const float* dy,
                         float* dx) {
    for (ptrdiff_t i = 0; i < count; ++i) dx[i] = dy[i] * gated_derivative(kind, x[i]);
}

}  // namespace nncore::kernels::reference
