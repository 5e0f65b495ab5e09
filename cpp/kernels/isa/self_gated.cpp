// gelu, silu and hard_swish: x times a gate that x opens, and their derivatives.
#include "../declarations.h"
#include "activation.h"
#include "math.h"
#include "vectors.h"

namespace nncore::kernels::NNCORE_TARGET {
namespace {

NNCORE_INLINE vec gelu_derivative(vec x) {
    const NormalVectors normal = vector_normal(x);
    return fma(x, normal.density, normal.cumulative);
}

NNCORE_INLINE vec silu_derivative(vec x) {
    // The gate is the larger of the two for x > 0; its difference to 1 is the other.
    const vec e = vector_exp((vec)((ivec)x | (int32_t)0x80000000));
    const vec larger = broadcast(1.0f) / (broadcast(1.0f) + e), smaller = e * larger;
    const ivec negative = x < zero();
    const vec gate = negative ? smaller : larger, rest = negative ? larger : smaller;
    return gate * fma(x, rest, broadcast(1.0f));
}

NNCORE_INLINE vec hard_swish_derivative(vec x) {
    const vec gate = vector_hard_sigmoid(x), one = broadcast(1.0f);
    const vec middle = fma(x, broadcast(kThird), broadcast(0.5f));
    return gate >= one ? one : (gate <= zero() ? zero() : middle);
}

NNCORE_INLINE vec gated(SelfGated kind, vec x) {
    switch (kind) {
        case SelfGated::gelu:
            return x * vector_normal(x).cumulative;
        case SelfGated::silu:
            return x / (broadcast(1.0f) + vector_exp(-x));
        case SelfGated::hard_swish:
            break;
    }
    return x * vector_hard_sigmoid(x);
}

NNCORE_INLINE vec gated_derivative(SelfGated kind, vec x) {
    switch (kind) {
        case SelfGated::gelu:
            return gelu_derivative(x);
        case SelfGated::silu:
            return silu_derivative(x);
        case SelfGated::hard_swish:
            break;
    }
    return hard_swish_derivative(x);
}

}  // namespace

void self_gated(SelfGated kind, ptrdiff_t count, const float* x, float* y) {
    for_vectors(count, [&](ptrdiff_t i, int n) __attribute__((always_inline)) {
        store_some(y + i, gated(kind, load_some(x + i, n)), n);
    });
}

void self_gated_gradient(SelfGated kind, ptrdiff_t count, const float* x, const float* dy,
                         float* dx) {
    for_vectors(count, [&](ptrdiff_t i, int n) __attribute__((always_inline)) {
        store_some(dx + i, load_some(dy + i, n) * gated_derivative(kind, load_some(x + i, n)), n);
    });
}

}  // namespace nncore::kernels::NNCORE_TARGET
