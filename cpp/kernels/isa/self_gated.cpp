// gelu and silu: x times a gate that x opens, and their derivatives.
#include "../declarations.h"
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

}  // namespace

void self_gated(SelfGated kind, ptrdiff_t count, const float* x, float* y) {
    const bool gelu = kind == SelfGated::gelu;
    for_vectors(count, [&](ptrdiff_t i, int n) __attribute__((always_inline)) {
        const vec v = load_some(x + i, n);
        store_some(y + i,
                   gelu ? v * vector_normal(v).cumulative : v / (broadcast(1.0f) + vector_exp(-v)),
                   n);
    });
}

void self_gated_gradient(SelfGated kind, ptrdiff_t count, const float* x, const float* dy,
                         float* dx) {
    const bool gelu = kind == SelfGated::gelu;
    for_vectors(count, [&](ptrdiff_t i, int n) __attribute__((always_inline)) {
        const vec v = load_some(x + i, n);
        store_some(dx + i, load_some(dy + i, n) * (gelu ? gelu_derivative(v) : silu_derivative(v)),
                   n);
    });
}

}  // namespace nncore::kernels::NNCORE_TARGET
