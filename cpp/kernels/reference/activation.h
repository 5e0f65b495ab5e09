// The elementwise activations, one value at a time.
#pragma once

#include <cmath>

#include "../kernels.h"
#include "math.h"

namespace nncore::kernels::reference {

// NaN passes.
inline float limited(float low, float x, float high) { return low > x ? low : high < x ? high : x; }

inline float hard_sigmoid(float x) { return limited(0.0f, std::fma(x, kSixth, 0.5f), 1.0f); }

inline float activate(Activation kind, float x) {
    switch (kind) {
        case Activation::relu:
            return 0.0f > x ? 0.0f : x;
        case Activation::relu6:
            return limited(0.0f, x, 6.0f);
        case Activation::leaky_relu:
            return x > 0.0f ? x : x * kLeakySlope;
        case Activation::hard_sigmoid:
            return hard_sigmoid(x);
        case Activation::sigmoid:
            return 1.0f / (1.0f + exponential(-x));
        case Activation::tanh:
            return hyperbolic_tangent(x);
        case Activation::linear:
            break;
    }
    return x;
}

inline float times_derivative(Activation kind, float y, float dy) {
    switch (kind) {
        case Activation::relu:
            return y > 0.0f ? dy : 0.0f;
        case Activation::relu6:
            return y > 0.0f && y < 6.0f ? dy : 0.0f;
        case Activation::leaky_relu:
            return y > 0.0f ? dy : dy * kLeakySlope;
        case Activation::hard_sigmoid:
            return y > 0.0f && y < 1.0f ? dy * kSixth : 0.0f;
        case Activation::sigmoid:
            return dy * (y * (1.0f - y));
        case Activation::tanh:
            return dy * std::fma(-y, y, 1.0f);
        case Activation::linear:
            break;
    }
    return dy;
}

inline float gated(SelfGated kind, float x) {
    if (kind == SelfGated::gelu) return x * normal(x).cumulative;
    if (kind == SelfGated::hard_swish) return x * hard_sigmoid(x);
    return x / (1.0f + exponential(-x));
}

inline float gated_derivative(SelfGated kind, float x) {
    if (kind == SelfGated::gelu) {
        const Normal n = normal(x);
        return std::fma(x, n.density, n.cumulative);
    }
    if (kind == SelfGated::hard_swish) {
        const float gate = hard_sigmoid(x);
        return gate >= 1.0f ? 1.0f : gate <= 0.0f ? 0.0f : std::fma(x, kThird, 0.5f);
    }
    // The gate is the larger of the two for x > 0; its difference to 1 is the other.
    const float e = exponential(-std::fabs(x));
    const float larger = 1.0f / (1.0f + e), smaller = e * larger;
    return x < 0.0f ? smaller * std::fma(x, larger, 1.0f) : larger * std::fma(x, smaller, 1.0f);
}

}  // namespace nncore::kernels::reference
