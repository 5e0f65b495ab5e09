// Inference: independent of batch, chunk, team and instruction set; safe from several threads.
#include <atomic>
#include <cmath>
#include <string>
#include <thread>
#include <vector>

#include "check.h"
#include "kernels/dispatch.h"
#include "network_data.h"
#include "reference_network.h"
#include "runtime/parallel.h"

using namespace nncore;
using network::Images;
using network::Loss;
using network::Network;
using network::Optimizer;

namespace {

const NetworkSpec kNetworks[] = {
    {100, {{84, "relu"}, {60, "tanh"}, {10, "softmax"}}},
    {7, {{5, "sigmoid"}, {3, "linear"}}},
    {9, {{20, "linear"}, {0, "relu"}, {33, "softmax"}, {5, "sigmoid"}}},
    image_network({9, 8, 2}, {conv(6, {3, 3}, "relu", "same"),
                              max_pool({2, 2}, {2, 2}),
                              conv(17, {2, 2}, "relu"),
                              average_pool({2, 2}, {1, 1}),
                              flatten(),
                              {5, "softmax"}}),
};

// Inference differs from a training step here: moving averages, folded into what stands before.
const NetworkSpec kNormalized = image_network({9, 8, 2}, {conv(6, {3, 3}, "linear", "same"),
                                                          batch_norm(),
                                                          {0, "relu"},
                                                          begin(),
                                                          conv(6, {3, 3}, "linear", "same"),
                                                          batch_norm(),
                                                          {0, "tanh"},
                                                          batch_norm(),
                                                          end("relu"),
                                                          max_pool({2, 2}, {2, 2}),
                                                          layer_norm(),
                                                          flatten(),
                                                          {17, "linear"},
                                                          batch_norm(),
                                                          {0, "sigmoid"},
                                                          {5, "softmax"}});

std::vector<float> outputs_of(const Network& network, const Images& images) {
    std::vector<float> y(static_cast<std::size_t>(images.count * network.output_size()));
    network.forward(images, y.data());
    return y;
}

// Row by row, in chunks of any size, by any team: the same bits; and the right numbers.
TEST(rows_do_not_depend_on_their_company) {
    std::vector<NetworkSpec> specs(std::begin(kNetworks), std::end(kNetworks));
    specs.push_back(kNormalized);
    for (const NetworkSpec& spec : specs) {
        const std::ptrdiff_t most = 200;
        const Data data(most, spec.inputs, spec.outputs(), 1);
        const auto network = spec.build(1);
        kernels::select_isa("reference");
        std::vector<float> expected;
        for (std::ptrdiff_t i = 0; i < most; ++i) {
            const auto row = outputs_of(*network, {nullptr, data.x.data() + i * spec.inputs, 1});
            expected.insert(expected.end(), row.begin(), row.end());
        }
        ReferenceNetwork reference(spec, *network);
        reference.infer({data.x.begin(), data.x.end()});
        for (std::size_t i = 0; i < expected.size(); ++i)
            CHECK(std::fabs(static_cast<double>(expected[i]) - reference.layers.back().output[i]) <
                  1e-5);
        for (const std::string& isa : kernels::available_isas())
            for (const int threads : {1, 2, 3, 8}) {
                if (isa == "reference" && threads != 3) continue;  // slow
                kernels::select_isa(isa);
                runtime::set_thread_limit(threads);
                for (const std::ptrdiff_t count : {1, 2, 15, 63, 64, 65, 127, 128, 129, 200}) {
                    // The guard behind the outputs: nothing may be written there.
                    std::vector<float> y(static_cast<std::size_t>(count * spec.outputs()) + 64,
                                         7.0f);
                    network->forward({nullptr, data.x.data(), count}, y.data());
                    for (std::size_t i = y.size() - 64; i < y.size(); ++i) CHECK_EQUAL(7.0f, y[i]);
                    y.resize(y.size() - 64);
                    CHECK_THAT(
                        identical(y, {expected.begin(), expected.begin() + count * spec.outputs()}),
                        spec.describe() << ", " << isa << ", " << threads << " threads, " << count);
                }
            }
    }
    kernels::select_isa(kernels::available_isas().front());
    runtime::set_thread_limit(1);
}

TEST(no_images) {
    const auto network = kNetworks[0].build(2);
    float y = 7.0f, loss = 7.0f;
    network->forward({nullptr, &y, 0}, &y);
    network->evaluate({nullptr, &y, 0}, {nullptr, &y}, Loss::mse, &y, &loss);
    CHECK_EQUAL(7.0f, y);
    CHECK_EQUAL(7.0f, loss);
}

// evaluate gives forward's outputs, and losses of the rows that average to the batch's loss.
TEST(evaluation) {
    for (const int threads : {1, 3}) {
        runtime::set_thread_limit(threads);
        for (const NetworkSpec& spec : kNetworks)
            for (const std::ptrdiff_t count : {1, 63, 64, 65, 200})
                for (const Loss loss : {Loss::mse, Loss::sse, Loss::cross_entropy}) {
                    const Data data(count, spec.inputs, spec.outputs(), 3);
                    const auto network = spec.build(3);
                    std::vector<float> y(static_cast<std::size_t>(count * spec.outputs()));
                    std::vector<float> losses(static_cast<std::size_t>(count)),
                        soft_losses(losses.size());
                    network->evaluate(data.images(), data.label_targets(), loss, y.data(),
                                      losses.data());
                    CHECK(identical(outputs_of(*network, data.images()), y));
                    network->evaluate(data.images(), data.soft_targets(), loss, y.data(),
                                      soft_losses.data());
                    CHECK(!identical(losses, soft_losses));
                    double sum = 0, soft_sum = 0;
                    for (const float value : losses) sum += static_cast<double>(value);
                    for (const float value : soft_losses) soft_sum += static_cast<double>(value);
                    if (loss != Loss::sse)
                        sum /= static_cast<double>(count), soft_sum /= static_cast<double>(count);
                    ReferenceNetwork reference(spec, *network);
                    reference.forward({data.x.begin(), data.x.end()});
                    const double exact =
                        reference.loss(loss, {data.one_hot.begin(), data.one_hot.end()});
                    const double soft_exact =
                        reference.loss(loss, {data.soft.begin(), data.soft.end()});
                    CHECK(std::fabs(sum - exact) <= 1e-5 * exact);
                    CHECK(std::fabs(soft_sum - soft_exact) <= 1e-5 * soft_exact);
                    // Rows of a batch have the losses that the step sees.
                    CHECK_EQUAL(
                        sum, network->compute_gradients(data.images(), data.label_targets(), loss));
                }
    }
    runtime::set_thread_limit(1);
}

TEST(bytes_and_floats_agree) {
    const NetworkSpec& spec = kNetworks[0];
    const Data data(70, spec.inputs, spec.outputs(), 4);
    const auto network = spec.build(4);
    std::vector<float> scaled(data.bytes.size());
    for (std::size_t i = 0; i < scaled.size(); ++i)
        scaled[i] = static_cast<float>(data.bytes[i]) / 255.0f;
    CHECK(identical(outputs_of(*network, data.byte_images()),
                    outputs_of(*network, {nullptr, scaled.data(), 70})));
}

// Inference does not disturb training, nor what the last compute_gradients left to read.
TEST(inference_leaves_training_alone) {
    const NetworkSpec& spec = kNetworks[0];
    const Data data(40, spec.inputs, spec.outputs(), 5);
    const auto network = spec.build(5);
    network->compute_gradients(data.images(), data.label_targets(), Loss::cross_entropy);
    const auto weights = weights_of(*network), gradients = gradients_of(*network);
    std::vector<float> before(40 * 84), after(40 * 84);
    network->read_layer_output(network->layers()[0], network->last_rows(), before.data());
    outputs_of(*network, data.byte_images());
    network->read_layer_output(network->layers()[0], network->last_rows(), after.data());
    CHECK(identical(before, after));
    CHECK(identical(weights, weights_of(*network)));
    CHECK(identical(gradients, gradients_of(*network)));
    CHECK_EQUAL(std::ptrdiff_t{40}, network->last_rows());
}

// Several threads predict with one network, each with batches and teams of its own.
TEST(concurrent_inference) {
    runtime::set_thread_limit(2);
    const NetworkSpec& spec = kNetworks[0];
    const Data data(200, spec.inputs, spec.outputs(), 6);
    const auto network = spec.build(6);
    const std::vector<float> expected = outputs_of(*network, data.images());
    std::vector<std::thread> callers;
    for (int caller = 0; caller < 4; ++caller)
        callers.emplace_back([&, caller] {
            for (int round = 0; round < 10; ++round) {
                const std::ptrdiff_t count = 1 + (caller * 53 + round * 41) % 200;
                const auto y = outputs_of(*network, {nullptr, data.x.data(), count});
                CHECK_THAT(
                    identical(y, {expected.begin(), expected.begin() + count * spec.outputs()}),
                    "caller " << caller << ", " << count << " images");
            }
        });
    for (auto& caller : callers) caller.join();
    runtime::set_thread_limit(1);
}

// A network that trains meanwhile: predictions come from the weights between two calls, never from
// half an update.
TEST(inference_beside_training) {
    const NetworkSpec& spec = kNetworks[0];
    const Data data(33 * 2, spec.inputs, spec.outputs(), 7);
    constexpr int kCalls = 15;
    const auto step = [&](Network& network) {
        network.train_steps(data.images(), data.label_targets(), data.order.data(), data.count, 33,
                            Loss::cross_entropy, Optimizer{0.1f}, {});
    };
    std::vector<std::vector<float>> states;
    {
        const auto network = spec.build(7);
        for (int call = 0; call <= kCalls; ++call) {
            states.push_back(outputs_of(*network, data.images()));
            step(*network);
        }
    }
    const auto network = spec.build(7);
    std::atomic<bool> done{false};
    std::vector<std::thread> callers;
    for (int caller = 0; caller < 2; ++caller)
        callers.emplace_back([&] {
            std::size_t state = 0;
            bool last = false;
            // Once more after the end: then it must be the last state.
            while (!last) {
                last = done.load();
                const auto y = outputs_of(*network, data.images());
                while (state < states.size() && !identical(states[state], y)) ++state;
                CHECK(state < states.size());
                if (state == states.size()) return;
            }
            CHECK_EQUAL(static_cast<std::size_t>(kCalls), state);
        });
    for (int call = 0; call < kCalls; ++call) step(*network);
    done = true;
    for (auto& caller : callers) caller.join();
}

}  // namespace
