// The elementwise activations, one vector at a time.
#pragma once

#include "../kernels.h"
#include "math.h"

namespace nncore::kernels::NNCORE_TARGET {

// NaN passes, as in every activation.
NNCORE_INLINE vec vector_hard_sigmoid(vec x) {
    return min(broadcast(1.0f), max(zero(), fma(x, broadcast(kSixth), broadcast(0.5f))));
}

NNCORE_INLINE vec activate(Activation activation, vec x) {
    switch (activation) {
        case Activation::relu:
            // NaN must pass (max returns its second operand then): a broken network has to show.
            return max(zero(), x);
        case Activation::relu6:
            return min(broadcast(6.0f), max(zero(), x));
        case Activation::leaky_relu:
            return x > zero() ? x : x * broadcast(kLeakySlope);
        case Activation::hard_sigmoid:
            return vector_hard_sigmoid(x);
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
        case Activation::relu6:
            return y > zero() ? (y < broadcast(6.0f) ? dy : zero()) : zero();
        case Activation::leaky_relu:
            return y > zero() ? dy : dy * broadcast(kLeakySlope);
        case Activation::hard_sigmoid:
            return y > zero() ? (y < broadcast(1.0f) ? dy * broadcast(kSixth) : zero()) : zero();
        case Activation::sigmoid:
            return dy * (y * (broadcast(1.0f) - y));
        case Activation::tanh:
            return dy * fma(-y, y, broadcast(1.0f));
        case Activation::linear:
            break;
    }
    return dy;
}

// The two that cut values off below zero, and one of them above six, by one formula, for the
// epilogues of products: chosen before a tile, not for each of its vectors.
struct CutOff {
    static bool is(Activation activation) {
        return activation == Activation::relu || activation == Activation::relu6;
    }
    // No ceiling is NaN: every comparison with it is false.
    explicit CutOff(Activation activation)
        : ceiling(broadcast(activation == Activation::relu6 ? 6.0f : __builtin_nanf(""))) {}

    vec ceiling;
};
NNCORE_INLINE vec activate(const CutOff& cut_off, vec x) {
    return min(cut_off.ceiling, max(zero(), x));
}
NNCORE_INLINE vec times_derivative(const CutOff& cut_off, vec y, vec dy) {
    return y > zero() ? (y >= cut_off.ceiling ? zero() : dy) : zero();
}

// Calls body(function of a vector), or body(function of y and dy), for loops over many vectors: to
// choose anew for each of them takes longer than the usual activations do.
template <class Body>
NNCORE_INLINE void with_activation(Activation activation, Body body) {
    if (activation == Activation::linear) {
        body([](vec x) { return x; });
    } else if (CutOff::is(activation)) {
        body([cut_off = CutOff(activation)](vec x) { return activate(cut_off, x); });
    } else {
        body([activation](vec x) { return activate(activation, x); });
    }
}
template <class Body>
NNCORE_INLINE void with_derivative(Activation activation, Body body) {
    if (activation == Activation::linear) {
        body([](vec, vec dy) { return dy; });
    } else if (CutOff::is(activation)) {
        body([cut_off = CutOff(activation)](vec y, vec dy) {
            return times_derivative(cut_off, y, dy);
        });
    } else {
        body([activation](vec y, vec dy) { return times_derivative(activation, y, dy); });
    }
}

}  // namespace nncore::kernels::NNCORE_TARGET
