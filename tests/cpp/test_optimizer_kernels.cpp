// The optimizers' update and the norm: every instruction set against the reference, bit for bit;
// the reference against double arithmetic.
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "check.h"
#include "guarded.h"
#include "random.h"
#include "tables.h"

using namespace nncore::kernels;

namespace {

constexpr UpdateRule kRules[] = {
    UpdateRule::sgd,     UpdateRule::momentum,         UpdateRule::nesterov,
    UpdateRule::rmsprop, UpdateRule::rmsprop_momentum, UpdateRule::adam};
constexpr ptrdiff_t kCounts[] = {0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 100};

// Everything that an update reads and writes.
struct State {
    GuardedArray<float> gradient, weights, velocity, mean, mean_square, average;

    State(Random& random, ptrdiff_t count, ptrdiff_t offset)
        : gradient(random_floats(random, count, offset)),
          weights(random_floats(random, count, 3 - offset)),
          velocity(random_floats(random, count, offset, -0.1f, 0.1f)),
          mean(random_floats(random, count, (offset + 1) % 4)),
          mean_square(random_floats(random, count, (offset + 2) % 4, 0.0f, 1.0f)),
          average(random_floats(random, count, offset)) {
        // Zeros, subnormals and what decays into them.
        const float odd[] = {0.0f, -0.0f, 1e-40f, -1e-40f, 9e-31f, -9e-31f, 7e-31f, 1e-20f};
        for (ptrdiff_t i = 0; i < count; ++i)
            if (random.below(3) == 0) {
                gradient[i] = odd[random.below(8)];
                velocity[i] = odd[random.below(8)];
                mean[i] = odd[random.below(8)];
                mean_square[i] = std::fabs(odd[random.below(8)]);
            }
    }

    UpdateArgs args(UpdateRule rule, bool with_average) {
        const bool adam = rule == UpdateRule::adam;
        const bool square =
            adam || rule == UpdateRule::rmsprop || rule == UpdateRule::rmsprop_momentum;
        const bool moves = !adam && rule != UpdateRule::sgd && rule != UpdateRule::rmsprop;
        UpdateArgs p{};
        p.count = weights.size();
        p.rate = 0.013f;
        p.decay = 0.0007f;
        p.gradient_scale = 0.83f;
        p.momentum = 0.9f;
        p.square_rate = 0.003f;
        p.mean_rate = 0.11f;
        p.epsilon = 1e-7f;
        p.average_rate = 0.02f;
        p.gradient = gradient.data();
        p.weights = weights.data();
        p.velocity = moves ? velocity.data() : nullptr;
        p.mean = adam ? mean.data() : nullptr;
        p.mean_square = square ? mean_square.data() : nullptr;
        p.average = with_average ? average.data() : nullptr;
        return p;
    }
};

TEST(updates_are_the_same_bits) {
    Random random(1);
    const auto tables = fast_tables();
    const Kernels& reference = reference_table();
    for (const UpdateRule rule : kRules)
        for (const ptrdiff_t count : kCounts)
            for (const ptrdiff_t offset : {0, 1, 2, 3}) {
                const bool with_average = offset % 2 == 0;
                const State start(random, count, offset);
                State expected = start;
                reference.optimizer_update(rule, expected.args(rule, with_average));
                for (const Kernels* table : tables) {
                    State actual = start;
                    table->optimizer_update(rule, actual.args(rule, with_average));
                    const std::string what = std::string(table->isa) + " rule " +
                                             std::to_string(static_cast<int>(rule)) + " count " +
                                             std::to_string(count);
                    CHECK_SAME(expected.weights, actual.weights, what << " weights");
                    CHECK_SAME(expected.velocity, actual.velocity, what << " velocity");
                    CHECK_SAME(expected.mean, actual.mean, what << " mean");
                    CHECK_SAME(expected.mean_square, actual.mean_square, what << " mean_square");
                    CHECK_SAME(expected.average, actual.average, what << " average");
                    CHECK_SAME(start.gradient, actual.gradient, what << " gradient");
                }
            }
}

// The textbook's formulas in double, a few roundings away.
TEST(updates_by_definition) {
    Random random(2);
    const Kernels& reference = reference_table();
    for (const UpdateRule rule : kRules) {
        State start(random, 500, 0), state = start;
        const UpdateArgs p = state.args(rule, true);
        reference.optimizer_update(rule, p);
        for (ptrdiff_t i = 0; i < 500; ++i) {
            const double rate = static_cast<double>(p.rate), scale = 0.83f, momentum = 0.9f;
            const double g = scale * static_cast<double>(start.gradient[i]);
            double w = static_cast<double>(start.weights[i]) * (1.0 - static_cast<double>(p.decay));
            double v = static_cast<double>(start.velocity[i]);
            double m = static_cast<double>(start.mean[i]);
            double s = static_cast<double>(start.mean_square[i]);
            s += static_cast<double>(p.square_rate) * (g * g - s);
            const double epsilon = static_cast<double>(p.epsilon);
            switch (rule) {
                case UpdateRule::sgd:
                    w -= rate * g;
                    break;
                case UpdateRule::momentum:
                    v = momentum * v - rate * g;
                    w += v;
                    break;
                case UpdateRule::nesterov:
                    v = momentum * v - rate * g;
                    w += momentum * v - rate * g;
                    break;
                case UpdateRule::rmsprop:
                    w -= rate * g / std::sqrt(s + epsilon);
                    break;
                case UpdateRule::rmsprop_momentum:
                    v = momentum * v - rate * g / std::sqrt(s + epsilon);
                    w += v;
                    break;
                case UpdateRule::adam:
                    m += static_cast<double>(p.mean_rate) * (g - m);
                    w -= rate * m / (std::sqrt(s) + epsilon);
                    break;
            }
            const double average =
                static_cast<double>(start.average[i]) +
                static_cast<double>(p.average_rate) * (w - static_cast<double>(start.average[i]));
            // Each of up to eight roundings moves a term by half a unit in its last place.
            const double step = std::fabs(w - static_cast<double>(start.weights[i]));
            const double bound = std::ldexp(8.0, -24) * (std::fabs(w) + step) + 1e-30;
            CHECK_THAT(std::fabs(static_cast<double>(state.weights[i]) - w) <= bound,
                       "rule " << static_cast<int>(rule) << " weight " << i << ": "
                               << check::show(state.weights[i]) << ", expected " << w);
            CHECK(std::fabs(static_cast<double>(state.average[i]) - average) <=
                  std::ldexp(8.0, -24));
            const double kept = momentum * static_cast<double>(start.velocity[i]);
            if (p.velocity != nullptr)
                CHECK(std::fabs(static_cast<double>(state.velocity[i]) - v) <=
                      std::ldexp(8.0, -24) * (std::fabs(kept) + std::fabs(v - kept)) + 1e-30);
            if (p.mean != nullptr)
                CHECK(std::fabs(static_cast<double>(state.mean[i]) - m) <= std::ldexp(4.0, -24));
            if (p.mean_square != nullptr)
                CHECK(std::fabs(static_cast<double>(state.mean_square[i]) - s) <=
                      std::ldexp(4.0, -24) * s + 1e-30);
        }
    }
}

// A weight that has no gradient any more: its state ends at zero, not among the subnormals.
TEST(state_without_gradient_reaches_zero) {
    for (const std::string& isa : nncore::kernels::available_isas())
        for (const UpdateRule rule : kRules) {
            Random random(3);
            State state(random, 20, 0);
            for (float& g : state.gradient) g = 0.0f;
            UpdateArgs p = state.args(rule, false);
            p.square_rate = 0.1f;
            for (int step = 0; step < 1000; ++step) table_named(isa).optimizer_update(rule, p);
            for (ptrdiff_t i = 0; i < 20; ++i) {
                if (p.velocity != nullptr) CHECK(state.velocity[i] == 0.0f);
                if (p.mean != nullptr) CHECK(state.mean[i] == 0.0f);
                if (p.mean_square != nullptr) CHECK(state.mean_square[i] == 0.0f);
                CHECK(std::isfinite(state.weights[i]));
            }
        }
}

TEST(sums_of_squares) {
    Random random(4);
    const Kernels& reference = reference_table();
    const auto tables = fast_tables();
    for (const ptrdiff_t count : {0, 1, 3, 4, 5, 15, 16, 17, 31, 33, 100, 4096})
        for (const ptrdiff_t offset : {0, 1, 2, 3}) {
            const auto x = random_floats(random, count, offset);
            double exact = 0;
            for (const float value : x) exact += static_cast<double>(value) * value;
            const float expected = reference.sum_of_squares(count, x.data());
            const double roundings = static_cast<double>(count) / 16 + 16;
            CHECK(std::fabs(static_cast<double>(expected) - exact) <=
                  std::ldexp(roundings, -24) * exact);
            for (const Kernels* table : tables) {
                const float actual = table->sum_of_squares(count, x.data());
                CHECK_THAT(same(expected, actual), table->isa << " count " << count);
            }
        }
}

TEST(sums_of_magnitudes) {
    Random random(5);
    const Kernels& reference = reference_table();
    for (const ptrdiff_t count : {0, 1, 3, 4, 5, 15, 16, 17, 31, 33, 100, 4096})
        for (const ptrdiff_t offset : {0, 1, 2, 3}) {
            const auto x = random_floats(random, count, offset);
            double exact = 0;
            for (const float value : x) exact += std::fabs(static_cast<double>(value));
            const float expected = reference.sum_of_magnitudes(count, x.data());
            const double roundings = static_cast<double>(count) / 16 + 16;
            CHECK(std::fabs(static_cast<double>(expected) - exact) <=
                  std::ldexp(roundings, -24) * exact);
            for (const std::string& isa : available_isas()) {
                const float actual = table_named(isa).sum_of_magnitudes(count, x.data());
                CHECK_THAT(same(expected, actual), isa << " count " << count);
            }
        }
}

TEST(penalty_gradients) {
    Random random(6);
    for (const ptrdiff_t count : kCounts)
        for (const ptrdiff_t offset : {0, 1, 2, 3}) {
            auto weights = random_floats(random, count, offset);
            for (float& w : weights)
                if (random.below(4) == 0) w = random.below(2) == 0 ? 0.0f : -0.0f;
            const auto gradient = random_floats(random, count, 3 - offset);
            for (const auto& [l1, twice_l2] :
                 {std::pair(0.0f, 0.02f), std::pair(0.3f, 0.0f), std::pair(0.1f, 0.7f)}) {
                GuardedArray<float> expected = gradient;
                for (ptrdiff_t i = 0; i < count; ++i) {
                    const float sign = weights[i] > 0 ? 1.0f : weights[i] < 0 ? -1.0f : 0.0f;
                    expected[i] = std::fma(twice_l2, weights[i], gradient[i]) + sign * l1;
                }
                for (const std::string& isa : available_isas()) {
                    GuardedArray<float> actual = gradient;
                    table_named(isa).penalty_gradient(count, l1, twice_l2, weights.data(),
                                                      actual.data());
                    CHECK_SAME(expected, actual, isa << " count " << count);
                }
            }
        }
}

}  // namespace
