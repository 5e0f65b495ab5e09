// exp, log, tanh and sigmoid in vector lanes, with the same bits on every instruction set.
// Special values behave as in <cmath>. Coefficients and error bounds: ../math_constants.h.
#pragma once

#include "../math_constants.h"
#include "simd.h"

namespace nncore::kernels::NNCORE_TARGET {

NNCORE_INLINE vec vector_exp(vec x) {
    using namespace constants;
    // The second operand survives where either is NaN, so NaN passes through the clamps.
    x = max(broadcast(exp_low), min(broadcast(exp_high), x));
    const vec shifted = fma(x, broadcast(log2_e), broadcast(round_magic));
    const vec n = shifted - broadcast(round_magic);
    vec r = fma(n, broadcast(-ln2_high), x);
    r = fma(n, broadcast(-ln2_low), r);
    vec p = broadcast(exp_c0);
    p = fma(p, r, broadcast(exp_c1));
    p = fma(p, r, broadcast(exp_c2));
    p = fma(p, r, broadcast(exp_c3));
    p = fma(p, r, broadcast(exp_c4));
    p = fma(p, r, broadcast(exp_c5));
    p = fma(p, r * r, r + broadcast(1.0f));
    // 2^n in two factors: n reaches 128 and -150, beyond one float's exponent. The last
    // multiplication rounds into the subnormals correctly.
    const ivec exponent = (ivec)shifted - (ivec)broadcast(round_magic);
    const ivec half = exponent >> 1;
    const vec first = (vec)((half + 127) << 23);
    const vec second = (vec)((exponent - half + 127) << 23);
    return p * first * second;
}

NNCORE_INLINE vec vector_log(vec x) {
    using namespace constants;
    // Subnormals are scaled by 2^23 first.
    const ivec subnormal = x < broadcast(1.17549435e-38f);
    const vec scaled = subnormal ? x * broadcast(8388608.0f) : x;
    const ivec bits = (ivec)scaled;
    ivec exponent = ((bits >> 23) & 0xff) - 126 + (subnormal & -23);
    vec m = (vec)((bits & 0x007fffff) | 0x3f000000);  // in [0.5, 1)
    const ivec small = m < broadcast(sqrt_half);
    exponent += small;  // true is -1
    m = small ? m + m - broadcast(1.0f) : m - broadcast(1.0f);
    const vec e = __builtin_convertvector(exponent, vec);
    const vec square = m * m;
    vec p = broadcast(log_c0);
    p = fma(p, m, broadcast(log_c1));
    p = fma(p, m, broadcast(log_c2));
    p = fma(p, m, broadcast(log_c3));
    p = fma(p, m, broadcast(log_c4));
    p = fma(p, m, broadcast(log_c5));
    p = fma(p, m, broadcast(log_c6));
    p = fma(p, m, broadcast(log_c7));
    p = fma(p, m, broadcast(log_c8));
    vec y = p * m * square;
    y = fma(e, broadcast(ln2_low), y);
    y = fma(square, broadcast(-0.5f), y);
    y = m + y;
    y = fma(e, broadcast(ln2_high), y);
    const vec infinity = broadcast(__builtin_inff());
    y = x == infinity ? infinity : y;
    y = x == zero() ? -infinity : y;
    y = x < zero() ? broadcast(__builtin_nanf("")) : y;
    return x != x ? x : y;
}

NNCORE_INLINE vec vector_tanh(vec x) {
    using namespace constants;
    const vec magnitude = (vec)((ivec)x & 0x7fffffff);
    const vec square = x * x;
    vec p = broadcast(tanh_c0);
    p = fma(p, square, broadcast(tanh_c1));
    p = fma(p, square, broadcast(tanh_c2));
    p = fma(p, square, broadcast(tanh_c3));
    p = fma(p, square, broadcast(tanh_c4));
    // The polynomial's sign is x's, also for -0, where the sum would give +0.
    const vec sum = fma(p * square, x, x);
    const ivec sign = (ivec)x & (int32_t)0x80000000;
    const vec small = (vec)(((ivec)sum & 0x7fffffff) | sign);
    const vec e = vector_exp(magnitude + magnitude);
    const vec large = broadcast(1.0f) - broadcast(2.0f) / (e + broadcast(1.0f));
    const vec signed_large = (vec)((ivec)large | sign);
    return magnitude >= broadcast(tanh_threshold) ? signed_large : small;
}

NNCORE_INLINE vec vector_sigmoid(vec x) {
    return broadcast(1.0f) / (broadcast(1.0f) + vector_exp(-x));
}

// The standard normal distribution at x: the chance of a smaller value, and the density.
struct NormalVectors {
    vec cumulative, density;
};

NNCORE_INLINE NormalVectors vector_normal(vec x) {
    using namespace constants;
    const vec t = min(broadcast(normal_end), (vec)((ivec)x & 0x7fffffff));
    const vec square = t * t;
    vec e = vector_exp(broadcast(-0.5f) * square);
    // What the square lost in rounding would be as many units of the result as the square is large.
    e = fma(e, broadcast(-0.5f) * fma(t, t, -square), e);
    const vec u = broadcast(1.0f) / fma(t, broadcast(normal_scale), broadcast(1.0f));
    vec q = broadcast(normal_c9);
    q = fma(q, u, broadcast(normal_c8));
    q = fma(q, u, broadcast(normal_c7));
    q = fma(q, u, broadcast(normal_c6));
    q = fma(q, u, broadcast(normal_c5));
    q = fma(q, u, broadcast(normal_c4));
    q = fma(q, u, broadcast(normal_c3));
    q = fma(q, u, broadcast(normal_c2));
    q = fma(q, u, broadcast(normal_c1));
    q = fma(q, u, broadcast(normal_c0));
    const vec tail = e * (q * u);
    vec p = broadcast(normal_middle_c5);
    p = fma(p, square, broadcast(normal_middle_c4));
    p = fma(p, square, broadcast(normal_middle_c3));
    p = fma(p, square, broadcast(normal_middle_c2));
    p = fma(p, square, broadcast(normal_middle_c1));
    p = fma(p, square, broadcast(normal_middle_c0));
    const vec middle = fma(x, p, broadcast(0.5f));
    const vec outside = x < zero() ? tail : broadcast(1.0f) - tail;
    return {t < broadcast(1.0f) ? middle : outside, e * broadcast(normal_peak)};
}

}  // namespace nncore::kernels::NNCORE_TARGET
