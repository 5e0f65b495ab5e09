// Weights of images: the loss and its gradients against double arithmetic, and what they may not
// depend on.
#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "check.h"
#include "kernels/dispatch.h"
#include "network_data.h"
#include "reference_network.h"
#include "runtime/parallel.h"

using namespace nncore;
using network::Loss;
using network::Optimizer;
using network::Targets;

namespace {

using Doubles = ReferenceNetwork::Doubles;

constexpr Loss kLosses[] = {Loss::mse, Loss::sse, Loss::cross_entropy};
constexpr std::ptrdiff_t kBatch = 21;

const NetworkSpec kSpecs[] = {
    {30, {{17, "tanh"}, {7, "softmax"}}},
    {30, {{17, "sigmoid"}, {7, "linear"}}},
    {100, {{900, "sigmoid"}, {7, "sigmoid"}}},  // enough work in a step for a team of threads
};

// Among them 0 and numbers above 1.
std::vector<float> some_weights(std::uint64_t seed) {
    Random random(seed);
    std::vector<float> weights;
    for (std::ptrdiff_t i = 0; i < kBatch; ++i)
        weights.push_back(random.below(5) == 0 ? 0.0f : random.uniform(0.0f, 5.0f));
    return weights;
}

Targets weighted(Targets targets, const std::vector<float>& weights) {
    targets.weights = weights.data();
    return targets;
}

// Image by image: the sum of weight * loss, over the batch size where the loss is a mean.
struct Expected {
    double loss = 0;
    Doubles gradients;
};
Expected expected_of(const NetworkSpec& spec, const network::Network& network, const Data& data,
                     const std::vector<float>& weights, Loss loss) {
    ReferenceNetwork reference(spec, network);
    Expected result;
    for (std::ptrdiff_t i = 0; i < kBatch; ++i) {
        const auto slice = [&](const std::vector<float>& values, std::ptrdiff_t size) {
            return Doubles(values.begin() + i * size, values.begin() + (i + 1) * size);
        };
        const Doubles targets = slice(data.soft, spec.outputs());
        reference.forward(slice(data.x, spec.inputs));
        reference.backward(loss, targets);
        const double weight = static_cast<double>(weights[static_cast<std::size_t>(i)]) /
                              (loss == Loss::sse ? 1.0 : static_cast<double>(kBatch));
        result.loss += weight * reference.loss(loss, targets);
        std::size_t next = 0;
        for (const ReferenceNetwork::Layer& layer : reference.layers)
            for (const Doubles* gradient : {&layer.kernel_gradient, &layer.bias_gradient})
                for (const double value : *gradient) {
                    if (next == result.gradients.size()) result.gradients.push_back(0);
                    result.gradients[next++] += weight * value;
                }
    }
    return result;
}

TEST(weighted_loss_and_gradients) {
    for (const NetworkSpec& spec : kSpecs)
        for (const Loss loss : kLosses) {
            const Data data(kBatch, spec.inputs, spec.outputs(), 1);
            const auto weights = some_weights(2);
            const auto network = spec.build(3);
            const Expected expected = expected_of(spec, *network, data, weights, loss);
            const double actual = network->compute_gradients(
                data.images(), weighted(data.soft_targets(), weights), loss);
            CHECK_THAT(std::fabs(actual - expected.loss) <= 1e-5 * expected.loss,
                       "loss " << actual << ", exactly " << expected.loss);
            const auto gradients = gradients_of(*network);
            CHECK_EQUAL(expected.gradients.size(), gradients.size());
            double size = 0, error = 0;
            for (std::size_t i = 0; i < gradients.size(); ++i) {
                size = std::max(size, std::fabs(expected.gradients[i]));
                error = std::max(
                    error, std::fabs(static_cast<double>(gradients[i]) - expected.gradients[i]));
            }
            CHECK_THAT(error <= 1e-5 * size, spec.describe() << ": gradients are off by " << error
                                                             << ", the largest is " << size);
        }
}

TEST(weights_of_one_change_no_bit_and_shuffled_steps_find_theirs) {
    const std::vector<float> ones(kBatch, 1.0f), weights = some_weights(4);
    for (const NetworkSpec& spec : kSpecs)
        for (const Loss loss : kLosses) {
            const Data data(kBatch, spec.inputs, spec.outputs(), 5);
            const auto train = [&](const Targets& targets, const std::int32_t* order) {
                const auto network = spec.build(6);
                network->train_steps(data.images(), targets, order, kBatch, 4, loss,
                                     Optimizer{0.01f}, {});
                return weights_of(*network);
            };
            const auto plain = train(data.label_targets(), data.order.data());
            CHECK(identical(plain, train(weighted(data.label_targets(), ones), data.order.data())));
            const auto expected = train(weighted(data.label_targets(), weights), data.order.data());
            CHECK(!identical(plain, expected));
            for (const std::string& isa : kernels::available_isas())
                for (const int threads : {1, 2}) {
                    kernels::select_isa(isa);
                    runtime::set_thread_limit(threads);
                    CHECK_THAT(identical(expected, train(weighted(data.label_targets(), weights),
                                                         data.order.data())),
                               isa << ", " << threads << " threads");
                }
            kernels::select_isa(kernels::available_isas().front());
            runtime::set_thread_limit(1);

            // The images put into the order of the steps, their weights with them.
            Data sorted = data;
            std::vector<float> sorted_weights;
            std::vector<std::int32_t> in_order;
            for (std::size_t i = 0; i < static_cast<std::size_t>(kBatch); ++i) {
                const auto from = static_cast<std::size_t>(data.order[i]);
                const auto size = static_cast<std::size_t>(spec.inputs);
                std::copy_n(data.x.begin() + data.order[i] * spec.inputs, spec.inputs,
                            sorted.x.begin() + static_cast<std::ptrdiff_t>(i * size));
                sorted.labels[i] = data.labels[from];
                sorted_weights.push_back(weights[from]);
                in_order.push_back(static_cast<std::int32_t>(i));
            }
            const auto network = spec.build(6);
            network->train_steps(sorted.images(), weighted(sorted.label_targets(), sorted_weights),
                                 in_order.data(), kBatch, 4, loss, Optimizer{0.01f}, {});
            CHECK(identical(expected, weights_of(*network)));
        }
}

TEST(an_image_of_weight_zero_counts_for_nothing_but_the_mean) {
    const NetworkSpec& spec = kSpecs[0];
    Data data(kBatch, spec.inputs, spec.outputs(), 7);
    std::vector<float> weights(kBatch, 1.0f);
    weights[3] = 0.0f;
    const auto gradients = [&] {
        const auto network = spec.build(8);
        network->compute_gradients(data.images(), weighted(data.label_targets(), weights),
                                   Loss::cross_entropy);
        return gradients_of(*network);
    };
    const auto before = gradients();
    for (std::ptrdiff_t i = 0; i < spec.inputs; ++i)
        data.x[static_cast<std::size_t>(3 * spec.inputs + i)] += 1.0f;
    CHECK(identical(before, gradients()));
}

}  // namespace
