// The elementwise activations, one vector at a time.
#pragma once

#include "../kernels.h"
#include "math.h"

namespace nncore::kernels::NNCORE_TARGET {

NNCORE_INLINE vec activate(Activation activation, vec x) {
    switch (activation) {
        case Activation::relu:
            // NaN must pass (max returns its second operand then): a broken network has to show.
            return max(zero(), x);
        case Activation::leaky_relu:
            return x > zero() ? x : x * broadcast(kLeakySlope);
        case Activation::sigmoid:
            return vector_sigmoid(x);
        case Activation::tanh:
            return vector_tanh(x);
        case Activation::linear:
            break;
    }
    return x;
}

// dy times the derivative, which each of these activations can tell from its output y.
NNCORE_INLINE vec times_derivative(Activation activation, vec y, vec dy) {
    switch (activation) {
        case Activation::relu:
            return y > zero() ? dy : zero();
        case Activation::leaky_relu:
            return y > zero() ? dy : dy * broadcast(kLeakySlope);
        case Activation::sigmoid:
            return dy * (y * (broadcast(1.0f) - y));
        case Activation::tanh:
            return dy * fma(-y, y, broadcast(1.0f));
        case Activation::linear:
            break;
    }
    return dy;
}

}  // namespace nncore::kernels::NNCORE_TARGET
