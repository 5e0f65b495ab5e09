// exp, log, tanh and sigmoid in vector lanes, with the same bits on every instruction set.
// Special values behave as in <cmath>. Coefficients and error bounds: ../math_constants.h.
#pragma once

#include "../math_constants.h"
#include "simd.h"

namespace nncore::kernels::NNCORE_TARGET {

NNCORE_INLINE vec vector_exp(vec x) {
    using namespace constants;
    // The second operand survives where either is NaN, so NaN passes through the clamps.
    x = max(broadcast(kExpLow), min(broadcast(kExpHigh), x));
    const vec shifted = fma(x, broadcast(kLog2E), broadcast(kRoundMagic));
    const vec n = shifted - broadcast(kRoundMagic);
    vec r = fma(n, broadcast(-kLn2High), x);
    r = fma(n, broadcast(-kLn2Low), r);
    vec p = broadcast(kExpC0);
    p = fma(p, r, broadcast(kExpC1));
    p = fma(p, r, broadcast(kExpC2));
    p = fma(p, r, broadcast(kExpC3));
    p = fma(p, r, broadcast(kExpC4));
    p = fma(p, r, broadcast(kExpC5));
    p = fma(p, r * r, r + broadcast(1.0f));
    // 2^n in two factors: n reaches 128 and -150, beyond one float's exponent. The last
    // multiplication rounds into the subnormals correctly.
    const ivec exponent = (ivec)shifted - (ivec)broadcast(kRoundMagic);
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
    const ivec small = m < broadcast(kSqrtHalf);
    exponent += small;  // true is -1
    m = small ? m + m - broadcast(1.0f) : m - broadcast(1.0f);
    const vec e = __builtin_convertvector(exponent, vec);
    const vec square = m * m;
    vec p = broadcast(kLogC0);
    p = fma(p, m, broadcast(kLogC1));
    p = fma(p, m, broadcast(kLogC2));
    p = fma(p, m, broadcast(kLogC3));
    p = fma(p, m, broadcast(kLogC4));
    p = fma(p, m, broadcast(kLogC5));
    p = fma(p, m, broadcast(kLogC6));
    p = fma(p, m, broadcast(kLogC7));
    p = fma(p, m, broadcast(kLogC8));
    vec y = p * m * square;
    y = fma(e, broadcast(kLn2Low), y);
    y = fma(square, broadcast(-0.5f), y);
    y = m + y;
    y = fma(e, broadcast(kLn2High), y);
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
    vec p = broadcast(kTanhC0);
    p = fma(p, square, broadcast(kTanhC1));
    p = fma(p, square, broadcast(kTanhC2));
    p = fma(p, square, broadcast(kTanhC3));
    p = fma(p, square, broadcast(kTanhC4));
    // The polynomial's sign is x's, also for -0, where the sum would give +0.
    const vec sum = fma(p * square, x, x);
    const ivec sign = (ivec)x & (int32_t)0x80000000;
    const vec small = (vec)(((ivec)sum & 0x7fffffff) | sign);
    const vec e = vector_exp(magnitude + magnitude);
    const vec large = broadcast(1.0f) - broadcast(2.0f) / (e + broadcast(1.0f));
    const vec signed_large = (vec)((ivec)large | sign);
    return magnitude >= broadcast(kTanhThreshold) ? signed_large : small;
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
    const vec t = min(broadcast(kNormalEnd), (vec)((ivec)x & 0x7fffffff));
    const vec square = t * t;
    vec e = vector_exp(broadcast(-0.5f) * square);
    // What the square lost in rounding would be as many units of the result as the square is large.
    e = fma(e, broadcast(-0.5f) * fma(t, t, -square), e);
    const vec u = broadcast(1.0f) / fma(t, broadcast(kNormalScale), broadcast(1.0f));
    vec q = broadcast(kNormalC9);
    q = fma(q, u, broadcast(kNormalC8));
    q = fma(q, u, broadcast(kNormalC7));
    q = fma(q, u, broadcast(kNormalC6));
    q = fma(q, u, broadcast(kNormalC5));
    q = fma(q, u, broadcast(kNormalC4));
    q = fma(q, u, broadcast(kNormalC3));
    q = fma(q, u, broadcast(kNormalC2));
    q = fma(q, u, broadcast(kNormalC1));
    q = fma(q, u, broadcast(kNormalC0));
    const vec tail = e * (q * u);
    vec p = broadcast(kNormalMiddleC5);
    p = fma(p, square, broadcast(kNormalMiddleC4));
    p = fma(p, square, broadcast(kNormalMiddleC3));
    p = fma(p, square, broadcast(kNormalMiddleC2));
    p = fma(p, square, broadcast(kNormalMiddleC1));
    p = fma(p, square, broadcast(kNormalMiddleC0));
    const vec middle = fma(x, p, broadcast(0.5f));
    const vec outside = x < zero() ? tail : broadcast(1.0f) - tail;
    return {t < broadcast(1.0f) ? middle : outside, e * broadcast(kNormalPeak)};
}

}  // namespace nncore::kernels::NNCORE_TARGET
