// Random calls of kernels that change weights, and of the sums over them.
#include "kernels.h"

namespace boundary {
using namespace nncore::kernels;

namespace {
constexpr ptrdiff_t kMost = 300;
}

void sgd_update(Call& call) {
    const Floats gradient = call.floats(call.size(kMost));
    call.compare(
        [&](const Kernels& table, Floats& weights) {
            table.sgd_update(gradient.size(), 0.37f, gradient.data(), weights.data());
        },
        call.floats(gradient.size()));
}

void optimizer_update(Call& call) {
    const auto rule = call.kind<UpdateRule>(6);
    const bool adam = rule == UpdateRule::adam,
               square = adam || rule == UpdateRule::rmsprop || rule == UpdateRule::rmsprop_momentum,
               moves = !adam && rule != UpdateRule::sgd && rule != UpdateRule::rmsprop,
               averaged = call.maybe();
    UpdateArgs p{};
    p.count = call.size(kMost);
    p.rate = 0.013f, p.decay = call.maybe() ? 0.0f : 0.0007f, p.gradient_scale = 0.83f;
    p.momentum = 0.9f, p.square_rate = 0.003f, p.mean_rate = 0.11f;
    p.epsilon = 1e-7f, p.average_rate = 0.02f;
    const Floats gradient = call.floats(p.count);
    p.gradient = gradient.data();
    const auto state = [&](bool used, float low) {
        return call.floats(used ? p.count : 0, low, 1.0f);
    };
    call.compare(
        [&](const Kernels& table, Floats& weights, Floats& velocity, Floats& mean,
            Floats& mean_square, Floats& average) {
            p.weights = weights.data();
            p.velocity = moves ? velocity.data() : nullptr;
            p.mean = adam ? mean.data() : nullptr;
            p.mean_square = square ? mean_square.data() : nullptr;
            p.average = averaged ? average.data() : nullptr;
            table.optimizer_update(rule, p);
        },
        call.floats(p.count), state(moves, -1.0f), state(adam, -1.0f), state(square, 0.0f),
        state(averaged, -1.0f));
}

void sum_of_squares(Call& call) {
    const Floats x = call.floats(call.size(kMost));
    call.compare([&](const Kernels& table,
                     Floats& sum) { sum[0] = table.sum_of_squares(x.size(), x.data()); },
                 call.untouched(1));
}

void sum_of_magnitudes(Call& call) {
    const Floats x = call.floats(call.size(kMost));
    call.compare([&](const Kernels& table,
                     Floats& sum) { sum[0] = table.sum_of_magnitudes(x.size(), x.data()); },
                 call.untouched(1));
}

void penalty_gradient(Call& call) {
    const Floats weights = call.rectified(call.size(kMost));
    const float l1 = call.maybe() ? 0.0f : 0.3f, twice_l2 = call.maybe() ? 0.0f : 0.02f;
    call.compare(
        [&](const Kernels& table, Floats& gradient) {
            table.penalty_gradient(weights.size(), l1, twice_l2, weights.data(), gradient.data());
        },
        call.floats(weights.size()));
}

}  // namespace boundary
