// Training steps: the same bits whoever computes them; batches, early stop, inputs.
#include <algorithm>
#include <atomic>
#include <bit>
#include <chrono>
#include <cmath>
#include <limits>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "check.h"
#include "kernels/dispatch.h"
#include "network/builder.h"
#include "network_data.h"
#include "reference_network.h"
#include "runtime/parallel.h"

using namespace nncore;
using network::Images;
using network::Loss;
using network::Network;
using network::Optimizer;
using network::StepResults;
using network::Targets;

namespace {

constexpr Loss kLosses[] = {Loss::mse, Loss::sse, Loss::cross_entropy};

const NetworkSpec kOdd{100, {{84, "relu"}, {60, "tanh"}, {10, "softmax"}}};
// Few channels, scattered input gradients, fused pools whose winners give the weight gradient.
const NetworkSpec kImages = image_network({16, 16, 1}, {conv(6, {5, 5}, "relu", "same"),
                                                        max_pool({2, 2}, {2, 2}),
                                                        conv(16, {5, 5}, "tanh"),
                                                        max_pool({2, 2}, {2, 2}),
                                                        flatten(),
                                                        {10, "softmax"}});
// More channels than a vector has lanes, strides, and pools of their own.
const NetworkSpec kChannels = image_network({9, 11, 17}, {conv(33, {3, 3}, "relu", "same", {1, 2}),
                                                          max_pool({3, 2}, {2, 1}),
                                                          conv(20, {2, 3}, "sigmoid", "same"),
                                                          average_pool({2, 2}, {2, 2}),
                                                          flatten(),
                                                          {5, "linear"}});
LayerSpec with_penalty(LayerSpec layer, network::Penalty penalty) {
    layer.penalty = penalty;
    return layer;
}
// Stages of their own behind their convolutions, and penalties, which no stage may fuse.
const NetworkSpec kVaried =
    image_network({9, 9, 3}, {rescaling({2.0f, 1.0f, 0.5f}, {-1.0f, 0.0f, 0.5f}),
                              with_penalty(conv(17, {3, 3}, "gelu", "same"), {.l2 = 0.01}),
                              max_pool({2, 2}, {2, 2}),
                              with_penalty(conv(33, {3, 3}, "leaky_relu", "same"), {.l1 = 0.003}),
                              max_pool({2, 2}, {2, 2}),
                              flatten(),
                              with_penalty({70, "silu"}, {.l1 = 0.001, .l2 = 0.002}),
                              {10, "softmax"}});
// Batch normalizations, fused and not, a block with a projection, a layer normalization.
const NetworkSpec kNormalized =
    image_network({9, 8, 3}, {conv(17, {3, 3}, "linear", "same"),
                              batch_norm(),
                              {0, "relu"},
                              begin(),
                              conv(20, {3, 3}, "linear", "same", {2, 2}, {0, 0}, false),
                              batch_norm(),
                              {0, "tanh"},
                              conv(20, {3, 3}, "linear", "same"),
                              shortcut(),
                              conv(20, {1, 1}, "linear", "valid", {2, 2}),
                              batch_norm(),
                              end("relu"),
                              layer_norm(),
                              global_average_pool(),
                              {5, "linear"}});
// The same of flat samples.
const NetworkSpec kNormalizedRows{100,
                                  {{84, "linear"},
                                   batch_norm(),
                                   {0, "relu"},
                                   begin(),
                                   {84, "tanh"},
                                   layer_norm(),
                                   end("relu"),
                                   {10, "softmax"}}};
// Expansions, depthwise convolutions and projections, the first of them normalized from its inputs.
const NetworkSpec kSeparable = image_network(
    {17, 16, 3}, {conv(12, {3, 3}, "linear", "same", {1, 1}, {0, 0}, false),
                  batch_norm(),
                  {0, "relu"},
                  conv(32, {1, 1}, "linear", "valid", {1, 1}, {0, 0}, false),
                  batch_norm(),
                  {0, "relu6"},
                  spaced(conv(32, {3, 3}, "linear", "same", {2, 2}, {0, 0}, false), {1, 1}, 32),
                  batch_norm(),
                  {0, "relu6"},
                  conv(24, {1, 1}, "linear"),
                  conv(48, {1, 1}, "relu"),
                  spaced(conv(48, {3, 3}, "relu", "same"), {1, 1}, 48),
                  conv(20, {1, 1}, "linear"),
                  global_average_pool(),
                  {5, "linear"}});
const NetworkSpec kSmall{7, {{5, "sigmoid"}, {3, "softmax"}}};

StepResults train(Network& network, const Data& data, std::ptrdiff_t batch, Loss loss, float rate,
                  std::ptrdiff_t count = -1) {
    return network.train_steps(data.images(), data.label_targets(), data.order.data(),
                               count < 0 ? data.count : count, batch, loss, Optimizer{rate},
                               {.seed = 1, .epoch = 2});
}

// The contract goes beyond one machine: every compiler and processor gives these very bits. The
// numbers change only with a change of the numerics, which the changelog then names.
TEST(same_bits_as_ever) {
    const auto trained = [](const NetworkSpec& spec, Loss loss) {
        const Data data(100, spec.inputs, spec.outputs(), 18);
        const auto network = spec.build(0x0123456789abcdefu);
        train(*network, data, 32, loss, 0.05f);
        return hash_of(weights_of(*network));
    };
    CHECK_EQUAL(std::uint64_t{0xd84fee6ad19aaa68}, trained(kOdd, Loss::cross_entropy));
    CHECK_EQUAL(std::uint64_t{0x8a1f416b36b3050d}, trained(kSmall, Loss::mse));
    CHECK_EQUAL(std::uint64_t{0x5875b63b92f5d385}, trained(kImages, Loss::cross_entropy));
    CHECK_EQUAL(std::uint64_t{0xf7e15c6be9e995ba}, trained(kChannels, Loss::sse));
    CHECK_EQUAL(std::uint64_t{0x1986d08d0fc328b8}, trained(kNormalized, Loss::cross_entropy));
    CHECK_EQUAL(std::uint64_t{0x5879f6b4c0de1e15}, trained(kNormalizedRows, Loss::mse));
    CHECK_EQUAL(
        std::uint64_t{0x04239f29fc4b22d9},
        trained({9, {{20, "tanh"}, {0, "dropout", false, 0.3f}, {5, "sigmoid"}}}, Loss::sse));
    CHECK_EQUAL(std::uint64_t{0x3b9a5d0965e6bf07}, trained(kVaried, Loss::cross_entropy));
    CHECK_EQUAL(std::uint64_t{0x482e1eb284547c37}, trained(kSeparable, Loss::cross_entropy));
}

// A step of a block equals compute_gradients and apply_gradients, bit for bit.
TEST(fused_step_is_gradient_and_update) {
    std::uint64_t seed = 0;
    for (const int threads : {1, 2}) {
        runtime::set_thread_limit(threads);
        for (const NetworkSpec& spec :
             {kOdd, kSmall, kImages, kChannels, kVaried, kNormalized, kNormalizedRows,
              NetworkSpec{1, {{1, "linear"}}}, NetworkSpec{784, {{17, "relu"}, {10, "linear"}}},
              NetworkSpec{9, {{20, "relu", false}, {0, "tanh"}, {5, "softmax"}, {0, "sigmoid"}}}})
            for (const Loss loss : kLosses)
                for (const std::ptrdiff_t batch : {1, 17, 33}) {
                    const Data data(batch, spec.inputs, spec.outputs(), ++seed);
                    const auto fused = spec.build(seed), separate = spec.build(seed);
                    const std::vector<float> before = weights_of(*fused);
                    const StepResults results =
                        fused->train_steps(data.images(), data.one_hot_targets(), data.order.data(),
                                           batch, batch, loss, Optimizer{0.1f}, {});
                    // The chains over the samples follow the order of the indices.
                    const auto pixels = static_cast<std::size_t>(spec.inputs);
                    const auto outputs = static_cast<std::size_t>(spec.outputs());
                    std::vector<float> x, y;
                    for (const std::int32_t index : data.order) {
                        const auto i = static_cast<std::size_t>(index);
                        x.insert(x.end(), &data.x[i * pixels], &data.x[i * pixels] + pixels);
                        y.insert(y.end(), &data.one_hot[i * outputs],
                                 &data.one_hot[i * outputs] + outputs);
                    }
                    const double value = separate->compute_gradients({nullptr, x.data(), batch},
                                                                     {nullptr, y.data()}, loss);
                    CHECK(identical(before, weights_of(*separate)));
                    separate->apply_gradients(Optimizer{0.1f});
                    CHECK_EQUAL(std::size_t{1}, results.losses.size());
                    CHECK_EQUAL(value, results.losses[0]);
                    CHECK_THAT(identical(weights_of(*fused), weights_of(*separate)),
                               spec.describe()
                                   << ", batch " << batch << ", loss " << static_cast<int>(loss));
                }
    }
}

// Two networks with the same seed, data and settings have the same weights, bit for bit, for every
// instruction set and any number of threads.
TEST(same_bits_for_all_instruction_sets_and_teams) {
    struct Case {
        NetworkSpec spec;
        std::ptrdiff_t images, batch;
        Loss loss;
        bool team;
    };
    // Teams take on steps of 1e6 multiply-adds: 3 * weights * batch. Each case has a smaller last
    // batch. The narrow layers have fewer pairs of blocks than threads: those are shared by rows.
    const std::vector<Case> cases{
        {kOdd, 33 * 2 + 5, 33, Loss::cross_entropy, true},
        {{100, {{84, "sigmoid"}, {60, "softmax"}, {10, "relu"}}}, 33 + 16, 33, Loss::mse, true},
        {{784, {{17, "relu"}, {10, "linear"}}}, 33 + 1, 33, Loss::sse, true},
        {kSmall, 7001 + 15, 7001, Loss::cross_entropy, true},
        {{5, {{0, "tanh"}, {200, "linear"}, {0, "relu"}, {3, "softmax"}}},
         300,
         250,
         Loss::cross_entropy,
         true},
        {kImages, 21 + 6, 21, Loss::cross_entropy, true},
        {kChannels, 21 + 6, 21, Loss::mse, true},
        {kVaried, 21 + 6, 21, Loss::cross_entropy, true},
        {kNormalized, 21 + 6, 21, Loss::cross_entropy, true},
        {kNormalizedRows, 70 + 3, 70, Loss::mse, true},
        {kSeparable, 21 + 6, 21, Loss::cross_entropy, true},
        {kSmall, 40, 16, Loss::cross_entropy, false},
    };
    for (const Case& test : cases) {
        const Data data(test.images, test.spec.inputs, test.spec.outputs(), 5);
        std::vector<float> expected, start;
        StepResults expected_results;
        for (const std::string& isa : kernels::available_isas())
            for (const int threads : {1, 2, 3, 8}) {
                if (!test.team && threads > 2) continue;
                if (isa == "reference" && threads != 1 && threads != 3) continue;  // slow
                kernels::select_isa(isa);
                runtime::set_thread_limit(threads);
                const auto network = test.spec.build(6);
                start = weights_of(*network);
                const StepResults results = train(*network, data, test.batch, test.loss, 0.02f);
                const std::vector<float> weights = weights_of(*network);
                if (expected.empty()) {
                    expected = weights;
                    expected_results = results;
                    CHECK(!identical(start, weights));
                }
                CHECK_THAT(identical(expected, weights),
                           test.spec.describe() << ", " << isa << ", " << threads << " threads");
                CHECK(identical(expected_results.losses, results.losses));
                CHECK(identical(expected_results.correct, results.correct));
            }
        for (const float weight : expected) CHECK(std::isfinite(weight));
    }
    kernels::select_isa(kernels::available_isas().front());
    runtime::set_thread_limit(1);
}

TEST(blocks_of_steps_are_steps) {
    for (const std::ptrdiff_t batch : {1, 16, 33}) {
        const Data data(70, 7, 3, 8);
        const auto whole = kSmall.build(1), stepwise = kSmall.build(1);
        const StepResults results = train(*whole, data, batch, Loss::mse, 0.1f);
        CHECK_EQUAL(static_cast<std::size_t>((70 + batch - 1) / batch), results.losses.size());
        CHECK_EQUAL(results.losses.size(), results.correct.size());
        std::size_t step = 0;
        for (std::ptrdiff_t first = 0; first < 70; first += batch, ++step) {
            const StepResults one = stepwise->train_steps(
                data.images(), data.label_targets(), data.order.data() + first,
                std::min(batch, 70 - first), batch, Loss::mse, Optimizer{0.1f}, {});
            CHECK_EQUAL(results.losses[step], one.losses.at(0));
            CHECK_EQUAL(results.correct[step], one.correct.at(0));
        }
        CHECK(identical(weights_of(*whole), weights_of(*stepwise)));
    }
}

// The last batch is smaller: its mean is over its own samples, and rows of the batch before, which
// still stand in the workspace, take no part.
TEST(smaller_last_batch) {
    const Data data(40, 7, 3, 9);
    const auto network = kSmall.build(2);
    const StepResults results = train(*network, data, 16, Loss::mse, 0.0f);
    CHECK_EQUAL(std::size_t{3}, results.losses.size());
    std::vector<float> outputs(40 * 3), losses(40);
    network->evaluate(data.images(), data.label_targets(), Loss::mse, outputs.data(),
                      losses.data());
    std::int64_t correct = 0;
    for (std::size_t step = 0; step < 3; ++step) {
        double sum = 0;
        const std::size_t last = std::min<std::size_t>(40, step * 16 + 16);
        for (std::size_t i = step * 16; i < last; ++i)
            sum += static_cast<double>(losses[static_cast<std::size_t>(data.order[i])]);
        CHECK(std::fabs(results.losses[step] - sum / static_cast<double>(last - step * 16)) <
              1e-12);
        correct += results.correct[step];
    }
    std::int64_t expected = 0;
    for (std::size_t i = 0; i < 40; ++i) {
        const float* y = &outputs[i * 3];
        expected += std::max_element(y, y + 3) - y == data.labels[i] ? 1 : 0;
    }
    CHECK_EQUAL(expected, correct);
}

// A network that has trained large batches trains small ones as a fresh one does, and the other
// way round.
TEST(workspace_fits_any_sequence_of_batches) {
    for (const NetworkSpec& spec : {kSmall, kImages, kNormalized, kNormalizedRows}) {
        const Data data(64, spec.inputs, spec.outputs(), 10);
        const auto network = spec.build(3);
        for (const std::ptrdiff_t batch : {5, 64, 1, 17, 33, 2}) {
            const auto fresh = spec.build(4);
            set_weights(*fresh, weights_of(*network));
            // Looking inside asks for more memory; it must not change what comes after.
            if (batch == 17)
                network->compute_gradients(data.images(), data.label_targets(), Loss::mse);
            train(*network, data, batch, Loss::cross_entropy, 0.1f);
            train(*fresh, data, batch, Loss::cross_entropy, 0.1f);
            CHECK(identical(weights_of(*fresh), weights_of(*network)));
        }
    }
    // With growing and shrinking teams as well.
    const Data many(7001, 7, 3, 10);
    const auto network = kSmall.build(3);
    for (const int threads : {1, 3, 2, 8, 1}) {
        runtime::set_thread_limit(threads);
        const auto fresh = kSmall.build(4);
        set_weights(*fresh, weights_of(*network));
        train(*network, many, 6999, Loss::cross_entropy, 0.1f);
        train(*fresh, many, 6999, Loss::cross_entropy, 0.1f);
        CHECK(identical(weights_of(*fresh), weights_of(*network)));
    }
    runtime::set_thread_limit(1);
}

// Who is late, and where, changes nothing: in one of 16 pieces a thread sleeps.
TEST(same_bits_whoever_is_late) {
    const auto trained = [](const NetworkSpec& spec, int threads) {
        runtime::set_thread_limit(threads);
        const Data data(200, spec.inputs, spec.outputs(), 12);
        const auto network = spec.build(5);
        train(*network, data, 100, Loss::cross_entropy, 0.05f);
        return weights_of(*network);
    };
    for (const NetworkSpec& spec : {kImages, kNormalized, kVaried}) {
        const std::vector<float> expected = trained(spec, 1);
        runtime::set_piece_hook([] {
            static std::atomic<unsigned> number{0};
            if (number.fetch_add(1) * 2654435761u >> 28 == 0)
                std::this_thread::sleep_for(std::chrono::microseconds(100));
        });
        for (const int threads : {2, 3, 8, 64}) CHECK(identical(expected, trained(spec, threads)));
        runtime::set_piece_hook(nullptr);
    }
    runtime::set_thread_limit(1);
}

// A batch larger than the data is one step over all of it.
TEST(batch_larger_than_the_data) {
    const Data data(40, 7, 3, 17);
    const auto exact = kSmall.build(5);
    train(*exact, data, 40, Loss::mse, 0.1f);
    for (const std::ptrdiff_t batch : {std::ptrdiff_t{41}, std::ptrdiff_t{1} << 40,
                                       std::numeric_limits<std::ptrdiff_t>::max()}) {
        const auto network = kSmall.build(5);
        const StepResults results = train(*network, data, batch, Loss::mse, 0.1f);
        CHECK_EQUAL(std::size_t{1}, results.losses.size());
        CHECK_THAT(identical(weights_of(*exact), weights_of(*network)), "batch size " << batch);
    }
}

TEST(no_samples_no_steps) {
    const Data data(5, 7, 3, 11);
    const auto network = kSmall.build(5);
    const std::vector<float> before = weights_of(*network);
    const StepResults results = train(*network, data, 16, Loss::mse, 0.1f, 0);
    CHECK(results.losses.empty());
    CHECK(results.correct.empty());
    CHECK(identical(before, weights_of(*network)));
}

// Labels stand for one-hot rows, bytes for floats of a 255th.
TEST(kinds_of_input_agree) {
    const Data data(50, 7, 3, 12);
    std::vector<float> scaled(data.bytes.size());
    for (std::size_t i = 0; i < scaled.size(); ++i)
        scaled[i] = static_cast<float>(data.bytes[i]) / 255.0f;
    for (const std::string& isa : kernels::available_isas()) {
        kernels::select_isa(isa);
        for (const Loss loss : kLosses) {
            std::vector<std::vector<float>> weights;
            const auto run = [&](const Images& images, const Targets& targets) {
                const auto network = kSmall.build(6);
                network->train_steps(images, targets, data.order.data(), 50, 16, loss,
                                     Optimizer{0.1f}, {});
                weights.push_back(weights_of(*network));
            };
            const Images floats{nullptr, scaled.data(), 50};
            run(data.byte_images(), data.label_targets());
            run(data.byte_images(), data.one_hot_targets());
            run(floats, data.label_targets());
            run(floats, data.one_hot_targets());
            for (const auto& other : weights) CHECK_THAT(identical(weights[0], other), isa);
        }
    }
    kernels::select_isa(kernels::available_isas().front());
}

// Normalised bytes are floats that were normalised by hand, channel by channel.
TEST(normalization) {
    const std::vector<float> mean{0.4f, 0.5f, 0.1f}, deviation{0.2f, 0.3f, 0.9f};
    const auto build = [] {
        network::Builder builder({3, 5, 3});
        builder.add_flatten("flatten");
        builder.add_dense("hidden", 11, "relu", true);
        builder.add_dense("classes", 4, "softmax", true);
        return builder.build(7);
    };
    const Data data(20, 45, 4, 13);
    std::vector<float> by_hand(data.bytes.size());
    for (std::size_t i = 0; i < by_hand.size(); ++i)
        by_hand[i] = std::fma(static_cast<float>(data.bytes[i]) / 255.0f, 1.0f / deviation[i % 3],
                              -mean[i % 3] / deviation[i % 3]);
    for (const std::string& isa : kernels::available_isas()) {
        kernels::select_isa(isa);
        const auto normalized = build(), plain = build(), reset = build();
        normalized->set_input_normalization(mean, deviation);
        reset->set_input_normalization(mean, deviation);
        reset->set_input_normalization({}, {});
        std::vector<float> from_bytes(80), from_floats(80), from_reset(80), from_plain(80);
        normalized->forward(data.byte_images(), from_bytes.data());
        plain->forward({nullptr, by_hand.data(), 20}, from_floats.data());
        CHECK_THAT(identical(from_bytes, from_floats), isa);
        plain->forward(data.byte_images(), from_plain.data());
        reset->forward(data.byte_images(), from_reset.data());
        CHECK(!identical(from_plain, from_bytes));
        CHECK(identical(from_plain, from_reset));
        // Floats are used as they are.
        normalized->forward({nullptr, by_hand.data(), 20}, from_bytes.data());
        CHECK(identical(from_bytes, from_floats));
        for (const auto& network : {normalized.get(), plain.get()})
            network->train_steps(
                network == plain.get() ? Images{nullptr, by_hand.data(), 20} : data.byte_images(),
                data.label_targets(), data.order.data(), 20, 8, Loss::mse, Optimizer{0.1f}, {});
        CHECK_THAT(identical(weights_of(*normalized), weights_of(*plain)), isa);
    }
    kernels::select_isa(kernels::available_isas().front());
}

// A loss that is not finite ends the block; the weights are those after the last good step.
TEST(early_stop) {
    for (const int threads : {1, 2, 3}) {
        runtime::set_thread_limit(threads);
        // A learning rate that blows up after a few steps.
        const NetworkSpec spec{100, {{84, "linear"}, {60, "linear"}, {10, "linear"}}};
        const Data data(33 * 12, 100, 10, 14);
        const auto network = spec.build(8);
        const StepResults results = train(*network, data, 33, Loss::mse, 3.0f);
        const std::size_t steps = results.losses.size();
        CHECK(steps >= 3);
        CHECK(steps < 12);
        CHECK_EQUAL(steps, results.correct.size());
        for (std::size_t i = 0; i + 1 < steps; ++i) CHECK(std::isfinite(results.losses[i]));
        CHECK(!std::isfinite(results.losses.back()));
        const auto stopped = spec.build(8);
        train(*stopped, data, 33, Loss::mse, 3.0f, static_cast<std::ptrdiff_t>(steps - 1) * 33);
        CHECK_THAT(identical(weights_of(*stopped), weights_of(*network)), threads << " threads");
        // Bad pixels in the third batch: the first two steps stand.
        Data broken(33 * 4, 100, 10, 15);
        broken.x[static_cast<std::size_t>(broken.order[70]) * 100 + 3] = std::nanf("");
        const auto clean = kOdd.build(9), spoilt = kOdd.build(9);
        const StepResults three = train(*spoilt, broken, 33, Loss::cross_entropy, 0.1f);
        CHECK_EQUAL(std::size_t{3}, three.losses.size());
        CHECK(std::isnan(three.losses.back()));
        train(*clean, broken, 33, Loss::cross_entropy, 0.1f, 66);
        CHECK(identical(weights_of(*clean), weights_of(*spoilt)));
    }
    runtime::set_thread_limit(1);
}

// The lesson's one weight: 0.38 with a gradient of -0.55 and a learning rate of 0.01 becomes
// 0.3855. sse = (w x - t)^2 has that gradient for x = 1, t = 0.655.
TEST(one_weight_of_the_lesson) {
    const float x = 1.0f, target = 0.655f, start = 0.38f;
    const std::int32_t index = 0;
    for (const std::string& isa : kernels::available_isas()) {
        kernels::select_isa(isa);
        const auto network = NetworkSpec{1, {{1, "linear", false}}}.build(0);
        set_weights(*network, {start});
        network->compute_gradients({nullptr, &x, 1}, {nullptr, &target}, Loss::sse);
        CHECK(std::fabs(gradients_of(*network)[0] + 0.55f) < 1e-6f);
        network->train_steps({nullptr, &x, 1}, {nullptr, &target}, &index, 1, 1, Loss::sse,
                             Optimizer{0.01f}, {});
        CHECK(std::fabs(weights_of(*network)[0] - 0.3855f) < 1e-7f);
    }
    kernels::select_isa(kernels::available_isas().front());
}

// Steps make the loss smaller, on data that can be learnt.
TEST(training_learns) {
    Data data(256, 20, 4, 16);
    for (std::size_t i = 0; i < 256; ++i) {
        const float* x = &data.x[i * 20];
        data.labels[i] = static_cast<std::int32_t>(std::max_element(x, x + 4) - x);
    }
    for (const Loss loss : kLosses) {
        const auto network = NetworkSpec{20, {{32, "relu"}, {4, "softmax"}}}.build(10);
        double first = 0, last = 0;
        std::int64_t correct = 0;
        for (int epoch = 0; epoch < 60; ++epoch) {
            const StepResults results =
                train(*network, data, 32, loss, loss == Loss::sse ? 0.02f : 0.5f);
            last = 0;
            correct = 0;
            for (const double value : results.losses) last += value;
            for (const std::int64_t value : results.correct) correct += value;
            if (epoch == 0) first = last;
        }
        CHECK(last < 0.3 * first);
        CHECK(correct > 240);
    }
}

// A part of a data set that is not copied: the bits are those of a copy, dropout's included.
TEST(rows_of_an_array_give_the_bits_of_their_copy) {
    NetworkSpec spec{7, {{9, "relu"}, {3, "softmax"}}};
    const Data whole(40, spec.inputs, spec.outputs(), 3);
    std::vector<std::int32_t> rows;
    for (std::int32_t i = 0; i < 20; ++i) rows.push_back((i * 7 + 5) % 40);
    const Images all = whole.images();
    std::vector<float> copied;
    for (const std::int32_t row : rows)
        copied.insert(copied.end(), all.floats + row * 7, all.floats + (row + 1) * 7);
    std::vector<std::int32_t> labels, order;
    for (std::int32_t i = 0; i < 20; ++i) {
        labels.push_back(i % 3);
        order.push_back((i * 3) % 20);
    }
    const auto weights = [&](const Images& images) {
        const auto network = spec.build(11);
        network->train_steps(images, Targets{.labels = labels.data()}, order.data(), 20, 6,
                             Loss::cross_entropy, Optimizer{0.3f}, {.seed = 4, .epoch = 1});
        std::vector<float> outputs(20 * 3);
        network->forward(images, outputs.data());
        const std::vector<float> values = weights_of(*network);
        outputs.insert(outputs.end(), values.begin(), values.end());
        return outputs;
    };
    Images mapped = all;
    mapped.rows = rows.data();
    mapped.count = 20;
    Images copy;
    copy.floats = copied.data();
    copy.count = 20;
    CHECK(weights(mapped) == weights(copy));
    Images others = mapped;
    others.rows = order.data();
    CHECK(weights(others) != weights(copy));
}

}  // namespace
