// One step of an optimizer; the norm for clipping; penalties.
#include <cmath>

#include "../declarations.h"

namespace nncore::kernels::reference {

void optimizer_update(UpdateRule rule, const UpdateArgs& p) {
    const auto kept = [](float x) { return std::fabs(x) < kSmallestKept ? 0.0f : x; };
    const auto squared = [&](ptrdiff_t i, float g) {
        const float s = p.mean_square[i];
        return p.mean_square[i] = kept(std::fma(p.square_rate, std::fma(g, g, -s), s));
    };
    const auto pushed = [&](ptrdiff_t i, float direction) {
        return p.velocity[i] = kept(std::fma(-p.rate, direction, p.momentum * p.velocity[i]));
    };
    for (ptrdiff_t i = 0; i < p.count; ++i) {
        const float g = p.gradient_scale * p.gradient[i];
        float w = std::fma(-p.decay, p.weights[i], p.weights[i]);
        switch (rule) {
            case UpdateRule::sgd:
                w = std::fma(-p.rate, g, w);
                break;
            case UpdateRule::momentum:
                w += pushed(i, g);
                break;
            case UpdateRule::nesterov:
                w = std::fma(p.momentum, pushed(i, g), std::fma(-p.rate, g, w));
                break;
            case UpdateRule::rmsprop:
                w = std::fma(-p.rate, g / std::sqrt(squared(i, g) + p.epsilon), w);
                break;
            case UpdateRule::rmsprop_momentum:
                w += pushed(i, g / std::sqrt(squared(i, g) + p.epsilon));
                break;
            case UpdateRule::adam:
                p.mean[i] = kept(std::fma(p.mean_rate, g - p.mean[i], p.mean[i]));
                w = std::fma(-p.rate, p.mean[i] / (std::sqrt(squared(i, g)) + p.epsilon), w);
                break;
        }
        p.weights[i] = w;
        if (p.average != nullptr)
            p.average[i] = std::fma(p.average_rate, w - p.average[i], p.average[i]);
    }
}

float sum_of_squares(ptrdiff_t count, const float* x) {
    float chains[16] = {};
    for (ptrdiff_t i = 0; i < count; ++i) chains[i % 16] = std::fma(x[i], x[i], chains[i % 16]);
    float sum = 0.0f;
    for (const float chain : chains) sum += chain;
    return sum;
}

float sum_of_magnitudes(ptrdiff_t count, const float* x) {
    float chains[16] = {};
    for (ptrdiff_t i = 0; i < count; ++i) chains[i % 16] += std::fabs(x[i]);
    float sum = 0.0f;
    for (const float chain : chains) sum += chain;
    return sum;
}

void penalty_gradient(ptrdiff_t count, float l1, float twice_l2, const float* weights,
                      float* gradient) {
    for (ptrdiff_t i = 0; i < count; ++i) {
        const float g = std::fma(twice_l2, weights[i], gradient[i]);
        gradient[i] = weights[i] > 0.0f ? g + l1 : weights[i] < 0.0f ? g - l1 : g;
    }
}

}  // namespace nncore::kernels::reference
