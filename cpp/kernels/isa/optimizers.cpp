// One pass over weights, gradients and the optimizer's state; the norm for clipping; penalties.
#include "../declarations.h"
#include "vectors.h"

namespace nncore::kernels::NNCORE_TARGET {
namespace {

NNCORE_INLINE vec kept(vec x) { return zero_below(kSmallestKept, x); }

template <UpdateRule rule>
void update(const UpdateArgs& p) {
    constexpr bool has_square = rule == UpdateRule::rmsprop ||
                                rule == UpdateRule::rmsprop_momentum || rule == UpdateRule::adam;
    constexpr bool has_velocity = rule == UpdateRule::momentum || rule == UpdateRule::nesterov ||
                                  rule == UpdateRule::rmsprop_momentum;
    const vec scale = broadcast(p.gradient_scale), decay = broadcast(-p.decay);
    const vec step = broadcast(-p.rate), momentum = broadcast(p.momentum);
    const vec mean_rate = broadcast(p.mean_rate), square_rate = broadcast(p.square_rate);
    const vec epsilon = broadcast(p.epsilon), average_rate = broadcast(p.average_rate);
    for_vectors(p.count, [&](ptrdiff_t i, int n) __attribute__((always_inline)) {
        const vec g = scale * load_some(p.gradient + i, n);
        vec w = load_some(p.weights + i, n);
        w = fma(decay, w, w);
        vec square = zero(), direction = g;
        if constexpr (has_square) {
            square = load_some(p.mean_square + i, n);
            square = kept(fma(square_rate, fma(g, g, -square), square));
            store_some(p.mean_square + i, square, n);
        }
        if constexpr (rule == UpdateRule::adam) {
            vec mean = load_some(p.mean + i, n);
            mean = kept(fma(mean_rate, g - mean, mean));
            store_some(p.mean + i, mean, n);
            direction = mean / (square_root(square) + epsilon);
        } else if constexpr (has_square) {
            direction = g / square_root(square + epsilon);
        }
        if constexpr (has_velocity) {
            const vec before = load_some(p.velocity + i, n);
            const vec velocity = kept(fma(step, direction, momentum * before));
            store_some(p.velocity + i, velocity, n);
            w = rule == UpdateRule::nesterov ? fma(momentum, velocity, fma(step, g, w))
                                             : w + velocity;
        } else {
            w = fma(step, direction, w);
        }
        store_some(p.weights + i, w, n);
        if (p.average != nullptr) {
            const vec average = load_some(p.average + i, n);
            store_some(p.average + i, fma(average_rate, w - average, average), n);
        }
    });
}

// 16 chains, whatever the width of the vectors; then they are added in order.
template <class Step>
NNCORE_INLINE float sum_in_chains(ptrdiff_t count, const float* x, Step step) {
    vec chains[kVectorsPerBlock] = {};
    for (ptrdiff_t i = 0; i < count; i += kBlock)
        for (int part = 0; part < kVectorsPerBlock; ++part) {
            const ptrdiff_t first = i + part * kLanes;
            if (first >= count) break;
            const vec v = load_some(x + first, static_cast<int>(min_size(kLanes, count - first)));
            chains[part] = step(v, chains[part]);
        }
    float sum = 0.0f;
    for (int part = 0; part < kVectorsPerBlock; ++part)
        for (int lane = 0; lane < kLanes; ++lane) sum += chains[part][lane];
    return sum;
}

}  // namespace

void optimizer_update(UpdateRule rule, const UpdateArgs& p) {
    switch (rule) {
        case UpdateRule::sgd:
            return update<UpdateRule::sgd>(p);
        case UpdateRule::momentum:
            return update<UpdateRule::momentum>(p);
        case UpdateRule::nesterov:
            return update<UpdateRule::nesterov>(p);
        case UpdateRule::rmsprop:
            return update<UpdateRule::rmsprop>(p);
        case UpdateRule::rmsprop_momentum:
            return update<UpdateRule::rmsprop_momentum>(p);
        case UpdateRule::adam:
            return update<UpdateRule::adam>(p);
    }
}

float sum_of_squares(ptrdiff_t count, const float* x) {
    return sum_in_chains(
        count, x, [](vec v, vec chain) __attribute__((always_inline)) { return fma(v, v, chain); });
}

float sum_of_magnitudes(ptrdiff_t count, const float* x) {
    return sum_in_chains(count, x, [](vec v, vec chain) __attribute__((always_inline)) {
        return chain + (vec)((ivec)v & 0x7fffffff);
    });
}

void penalty_gradient(ptrdiff_t count, float l1, float twice_l2, const float* weights,
                      float* gradient) {
    const vec size = broadcast(l1), rate = broadcast(twice_l2);
    for_vectors(count, [&](ptrdiff_t i, int n) __attribute__((always_inline)) {
        const vec w = load_some(weights + i, n);
        const vec g = fma(rate, w, load_some(gradient + i, n));
        store_some(gradient + i, w > zero() ? g + size : (w < zero() ? g - size : g), n);
    });
}

}  // namespace nncore::kernels::NNCORE_TARGET
