// exp, log, tanh and the normal distribution, one value at a time. Coefficients and error bounds:
// ../math_constants.h.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>

#include "../math_constants.h"

namespace nncore::kernels::reference {

inline float exponential(float x) {
    using namespace constants;
    if (std::isnan(x)) return x;
    x = std::max(kExpLow, std::min(kExpHigh, x));
    const float shifted = std::fma(x, kLog2E, kRoundMagic);
    const float n = shifted - kRoundMagic;
    float r = std::fma(n, -kLn2High, x);
    r = std::fma(n, -kLn2Low, r);
    float p = kExpC0;
    for (const float c : {kExpC1, kExpC2, kExpC3, kExpC4, kExpC5}) p = std::fma(p, r, c);
    p = std::fma(p, r * r, r + 1.0f);
    const int exponent = static_cast<int>(n);
    const int half = exponent >> 1;
    return p * std::ldexp(1.0f, half) * std::ldexp(1.0f, exponent - half);
}

inline float logarithm(float x) {
    using namespace constants;
    if (std::isnan(x) || x == std::numeric_limits<float>::infinity()) return x;
    if (x == 0.0f) return -std::numeric_limits<float>::infinity();
    if (x < 0.0f) return std::numeric_limits<float>::quiet_NaN();
    int exponent;
    float m = std::frexp(x, &exponent);
    if (m < kSqrtHalf) {
        --exponent;
        m = m + m - 1.0f;
    } else {
        m = m - 1.0f;
    }
    const float e = static_cast<float>(exponent);
    const float square = m * m;
    float p = kLogC0;
    for (const float c : {kLogC1, kLogC2, kLogC3, kLogC4, kLogC5, kLogC6, kLogC7, kLogC8})
        p = std::fma(p, m, c);
    float y = p * m * square;
    y = std::fma(e, kLn2Low, y);
    y = std::fma(square, -0.5f, y);
    y = m + y;
    return std::fma(e, kLn2High, y);
}

inline float hyperbolic_tangent(float x) {
    using namespace constants;
    if (std::fabs(x) >= kTanhThreshold) {
        const float e = exponential(std::fabs(x) + std::fabs(x));
        return std::copysign(1.0f - 2.0f / (e + 1.0f), x);
    }
    const float square = x * x;
    float p = kTanhC0;
    for (const float c : {kTanhC1, kTanhC2, kTanhC3, kTanhC4}) p = std::fma(p, square, c);
    return std::copysign(std::fma(p * square, x, x), x);
}

// The standard normal distribution at x: the chance of a smaller value, and the density.
struct Normal {
    float cumulative, density;
};

inline Normal normal(float x) {
    using namespace constants;
    if (std::isnan(x)) return {x, x};
    const float t = std::min(kNormalEnd, std::fabs(x));
    const float square = t * t;
    float e = exponential(-0.5f * square);
    e = std::fma(e, -0.5f * std::fma(t, t, -square), e);
    const float u = 1.0f / std::fma(t, kNormalScale, 1.0f);
    float q = kNormalC9;
    for (const float c : {kNormalC8, kNormalC7, kNormalC6, kNormalC5, kNormalC4, kNormalC3,
                          kNormalC2, kNormalC1, kNormalC0})
        q = std::fma(q, u, c);
    const float tail = e * (q * u);
    float p = kNormalMiddleC5;
    for (const float c :
         {kNormalMiddleC4, kNormalMiddleC3, kNormalMiddleC2, kNormalMiddleC1, kNormalMiddleC0})
        p = std::fma(p, square, c);
    const float middle = std::fma(x, p, 0.5f);
    const float outside = x < 0.0f ? tail : 1.0f - tail;
    return {t < 1.0f ? middle : outside, e * kNormalPeak};
}

}  // namespace nncore::kernels::reference
