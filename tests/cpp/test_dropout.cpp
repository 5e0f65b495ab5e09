// Dropout in a network: the gradient through the mask, what the mask depends on, and what it does
// not depend on.
#include <cmath>
#include <limits>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "check.h"
#include "kernels/dispatch.h"
#include "network/builder.h"
#include "network_data.h"
#include "reference_network.h"
#include "runtime/parallel.h"
#include "runtime/philox.h"

using namespace nncore;
using network::Loss;
using network::Network;
using network::Optimizer;
using network::Randomness;

namespace {

using Doubles = ReferenceNetwork::Doubles;

constexpr std::uint64_t kSeed = 0x123456789abcdef0u;

// The factor of one element; `number` counts the dropout layers of the network.
double factor(const Randomness& randomness, std::int32_t image, std::uint32_t number,
              std::uint32_t element, float rate) {
    const auto block = runtime::random_block(
        randomness.seed, static_cast<runtime::Purpose>(3u | number << 8), randomness.epoch,
        (std::uint64_t{static_cast<std::uint32_t>(image)} << 32) |
            (element / 128 * 16 + element % 16));
    const std::uint32_t half = element % 128 / 16;
    const std::uint32_t bits = (block[half / 2] >> (half % 2 == 0 ? 0 : 16)) & 0xffffu;
    return static_cast<float>(bits) < std::floor(rate * 65536.0f)
               ? 0.0
               : 1.0 / (1.0 - static_cast<double>(rate));
}

void set_masks(ReferenceNetwork& reference, const NetworkSpec& spec, const Randomness& randomness,
               const std::vector<std::int32_t>& images) {
    std::uint32_t number = 0;
    for (std::size_t l = 0; l < spec.layers.size(); ++l) {
        if (spec.layers[l].activation != "dropout") continue;
        ReferenceNetwork::Layer& layer = reference.layers[l];
        layer.mask.clear();
        for (const std::int32_t image : images)
            for (std::uint32_t e = 0; e < layer.outputs; ++e)
                layer.mask.push_back(factor(randomness, image, number, e, spec.layers[l].rate));
        ++number;
    }
}

const NetworkSpec kSpecs[] = {
    {30,
     {{84, "relu"},
      {0, "dropout", false, 0.3f},
      {60, "tanh"},
      {0, "dropout", false, 0.5f},
      {10, "softmax"}}},
    {30,
     {{0, "dropout", false, 0.25f},
      {17, "sigmoid"},
      {0, "dropout", false, 0.5f},
      {0, "relu"},
      {5, "linear"}}},
    {30, {{17, "softmax"}, {0, "dropout", false, 0.5f}, {5, "relu"}, {0, "dropout", false, 0.1f}}},
    // Among images: the buffer behind has a border, the one before has none.
    image_network({5, 3, 2}, {conv(6, {3, 3}, "relu", "same"),
                              {0, "dropout", false, 0.5f},
                              conv(7, {3, 3}, "tanh", "same"),
                              flatten(),
                              {0, "dropout", false, 0.2f},
                              {4, "softmax"}}),
};

// One step from the weights: their change is the learning rate times the gradient of the masked
// network, measured against the size of that change.
TEST(step_through_the_mask) {
    std::uint64_t seed = 1;
    for (const int threads : {1, 3})
        for (const NetworkSpec& spec : kSpecs)
            for (const Loss loss : {Loss::mse, Loss::cross_entropy})
                for (const std::ptrdiff_t batch : {1, 17, 65}) {
                    runtime::set_thread_limit(threads);
                    const Data data(batch, spec.inputs, spec.outputs(), ++seed);
                    const auto network = spec.build(seed);
                    const Randomness randomness{kSeed + seed, 7};
                    ReferenceNetwork reference(spec, *network);
                    std::vector<std::int32_t> images(static_cast<std::size_t>(batch));
                    for (std::size_t i = 0; i < images.size(); ++i)
                        images[i] = static_cast<std::int32_t>(i);
                    set_masks(reference, spec, randomness, images);
                    reference.forward({data.x.begin(), data.x.end()});
                    const Doubles targets(data.soft.begin(), data.soft.end());
                    const double exact_loss = reference.loss(loss, targets);
                    reference.backward(loss, targets);
                    const std::vector<float> before = weights_of(*network);
                    const auto results =
                        network->train_steps(data.images(), data.soft_targets(), data.order.data(),
                                             batch, batch, loss, Optimizer{1.0f}, randomness);
                    const std::string what = spec.describe() + ", batch " + std::to_string(batch);
                    CHECK_THAT(
                        std::fabs(results.losses.at(0) - exact_loss) <= 1e-5 * exact_loss,
                        what << ": loss " << results.losses[0] << ", exactly " << exact_loss);
                    const std::vector<float> after = weights_of(*network);
                    std::size_t next = 0;
                    for (const auto& layer : reference.layers)
                        for (const Doubles* gradient :
                             {&layer.kernel_gradient, &layer.bias_gradient}) {
                            double squares = 0, worst = 0;
                            for (const double g : *gradient) {
                                const double change = static_cast<double>(before[next]) -
                                                      static_cast<double>(after[next]);
                                // The new weight is rounded; all else counts.
                                const double rounding =
                                    std::ldexp(std::fabs(static_cast<double>(after[next])), -24);
                                squares += g * g;
                                worst = std::max(worst, std::fabs(change - g) - rounding);
                                ++next;
                            }
                            if (gradient->empty()) continue;
                            const double size =
                                std::sqrt(squares / static_cast<double>(gradient->size()));
                            CHECK_THAT(worst <= 2e-5 * size, what << ": a step is off by " << worst
                                                                  << " at a size of " << size);
                        }
                    CHECK_EQUAL(before.size(), next);
                }
    runtime::set_thread_limit(1);
}

std::vector<float> trained(const NetworkSpec& spec, const Data& data, std::ptrdiff_t batch,
                           const Randomness& randomness) {
    const auto network = spec.build(1);
    network->train_steps(data.images(), data.label_targets(), data.order.data(), data.count, batch,
                         Loss::cross_entropy, Optimizer{0.1f}, randomness);
    return weights_of(*network);
}

TEST(same_bits_for_all_instruction_sets_and_teams) {
    for (const NetworkSpec& spec : kSpecs) {
        const Data data(150 + 17, spec.inputs, spec.outputs(), 2);
        std::vector<float> expected;
        for (const std::string& isa : kernels::available_isas())
            for (const int threads : {1, 2, 3}) {
                kernels::select_isa(isa);
                runtime::set_thread_limit(threads);
                const auto weights = trained(spec, data, 150, {kSeed, 1});
                if (expected.empty()) expected = weights;
                CHECK_THAT(identical(expected, weights),
                           spec.describe() << ", " << isa << ", " << threads << " threads");
            }
    }
    kernels::select_isa(kernels::available_isas().front());
    runtime::set_thread_limit(1);
}

TEST(seed_and_epoch_choose_the_mask) {
    const Data data(40, 30, 10, 3);
    const auto base = trained(kSpecs[0], data, 16, {kSeed, 1});
    CHECK(identical(base, trained(kSpecs[0], data, 16, {kSeed, 1})));
    CHECK(!identical(base, trained(kSpecs[0], data, 16, {kSeed, 2})));
    CHECK(!identical(base, trained(kSpecs[0], data, 16, {kSeed + 1, 1})));
    CHECK(!identical(base, trained(kSpecs[0], data, 16, {kSeed ^ (std::uint64_t{1} << 63), 1})));
}

// Outside training_steps nothing is dropped.
TEST(inference_and_gradients_drop_nothing) {
    NetworkSpec plain = kSpecs[0];
    plain.layers.erase(plain.layers.begin() + 3);
    plain.layers.erase(plain.layers.begin() + 1);
    const Data data(70, 30, 10, 4);
    const auto with = kSpecs[0].build(5), without = plain.build(5);
    set_weights(*without, weights_of(*with));
    std::vector<float> y(700), expected(700);
    with->forward(data.images(), y.data());
    without->forward(data.images(), expected.data());
    CHECK(identical(expected, y));
    const double loss =
        without->compute_gradients(data.images(), data.label_targets(), Loss::cross_entropy);
    CHECK_EQUAL(loss,
                with->compute_gradients(data.images(), data.label_targets(), Loss::cross_entropy));
    CHECK(identical(gradients_of(*without), gradients_of(*with)));
    // A step drops something, and the next gradients again nothing.
    const auto weights = weights_of(*with);
    with->train_steps(data.images(), data.label_targets(), data.order.data(), 70, 70,
                      Loss::cross_entropy, Optimizer{0.1f}, {kSeed, 1});
    without->apply_gradients(Optimizer{0.1f});
    CHECK(!identical(weights_of(*without), weights_of(*with)));
    set_weights(*with, weights);
    CHECK_EQUAL(loss,
                with->compute_gradients(data.images(), data.label_targets(), Loss::cross_entropy));
}

// The mask keeps about 1 - rate of the values and their mean.
TEST(share_of_dropped_values) {
    for (const float rate : {0.0f, 0.1f, 0.5f, 0.9f}) {
        double kept = 0, sum = 0;
        constexpr int kImages = 50, kElements = 1000;
        for (std::int32_t image = 0; image < kImages; ++image)
            for (std::uint32_t e = 0; e < kElements; ++e) {
                const double f = factor({kSeed, 0}, image, 0, e, rate);
                kept += f > 0 ? 1 : 0;
                sum += f;
            }
        const double n = kImages * kElements, r = static_cast<double>(rate);
        CHECK(std::fabs(kept / n - (1 - r)) <= 5 * std::sqrt(r * (1 - r) / n) + 1e-4);
        CHECK(std::fabs(sum / n - 1) <= 5 * std::sqrt(r / (1 - r) / n) + 1e-3);
    }
}

TEST(bad_rates) {
    nncore::network::Builder builder({10});
    const float infinity = std::numeric_limits<float>::infinity();
    for (const float bad : {-0.1f, 1.0f, 1.5f, infinity, -infinity, std::nanf("")})
        CHECK_THROWS(std::invalid_argument, "\"drop\"", builder.add_dropout("drop", bad));
    CHECK_THROWS(std::invalid_argument, "got 1.0", builder.add_dropout("drop", 1.0f));
    CHECK_THROWS(std::invalid_argument, "empty", builder.add_dropout("", 0.5f));
    CHECK(builder.architecture().layers.empty());
    builder.add_dropout("drop", 0.0f);
    CHECK_THROWS(std::invalid_argument, "two layers", builder.add_dropout("drop", 0.5f));
    builder.add_dense("dense", 3, "linear", true);
    const auto network = builder.build(0);
    CHECK_THROWS(std::logic_error, "\"late\"", builder.add_dropout("late", 0.5f));
}

}  // namespace
