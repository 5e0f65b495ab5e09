// Batches that several processes share: the same bits as of one process alone, for any number of
// them, whatever the network, the optimizer and the size of the batch.
#include <algorithm>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "check.h"
#include "network/augmentation.h"
#include "network/builder.h"
#include "network_data.h"
#include "reference_network.h"
#include "runtime/parallel.h"
#include "thread_exchange.h"

using namespace nncore;
using network::Augmentation;
using network::Images;
using network::Loss;
using network::Method;
using network::Network;
using network::Optimizer;
using network::StepResults;
using network::Targets;

namespace {

LayerSpec with_penalty(LayerSpec layer, network::Penalty penalty) {
    layer.penalty = penalty;
    return layer;
}

const NetworkSpec kRows{40,
                        {{84, "relu"}, {0, "dropout", false, 0.3f}, {20, "tanh"}, {10, "softmax"}}};
const NetworkSpec kNormalizedRows{
    40, {{30, "linear"}, batch_norm(), {0, "relu"}, layer_norm(), {10, "softmax"}}};
// Narrow, pooled (weight gradients from the winners), wide, strided, grouped and depthwise.
const NetworkSpec kImages = image_network(
    {12, 10, 3}, {conv(17, {3, 3}, "relu", "same"),
                  max_pool({2, 2}, {2, 2}),
                  with_penalty(conv(20, {3, 3}, "linear", "same"), {.l1 = 0.001, .l2 = 0.01}),
                  batch_norm(),
                  {0, "relu"},
                  begin(),
                  spaced(conv(20, {3, 3}, "linear", "same", {1, 1}, {0, 0}, false), {1, 1}, 20),
                  batch_norm(),
                  {0, "relu6"},
                  spaced(conv(20, {1, 1}, "linear"), {1, 1}, 2),
                  end("relu"),
                  {0, "dropout", false, 0.2f},
                  conv(33, {3, 3}, "gelu", "same", {2, 2}),
                  layer_norm(),
                  global_average_pool(),
                  with_penalty({30, "silu"}, {.l2 = 0.002}),
                  {10, "linear"}});

// By Winograd's minimal filtering, with a fused pool and without.
const NetworkSpec kWide = image_network({8, 8, 32}, {conv(33, {3, 3}, "relu", "same"),
                                                     conv(32, {3, 3}, "linear", "same"),
                                                     batch_norm(),
                                                     {0, "relu"},
                                                     conv(40, {3, 3}, "relu", "same"),
                                                     max_pool({2, 2}, {2, 2}),
                                                     flatten(),
                                                     {10, "linear"}});

// An expansion that is normalized from its inputs, and one that goes backward within the depthwise
// convolution behind it, as a projection does within the one before.
const NetworkSpec kSeparable = image_network(
    {16, 17, 3}, {conv(16, {1, 1}, "linear", "valid", {1, 1}, {0, 0}, false),
                  batch_norm(),
                  {0, "relu6"},
                  spaced(conv(16, {3, 3}, "linear", "same", {2, 2}, {0, 0}, false), {1, 1}, 16),
                  batch_norm(),
                  conv(32, {1, 1}, "relu"),
                  spaced(conv(32, {3, 3}, "relu", "same"), {1, 1}, 32),
                  conv(20, {1, 1}, "linear"),
                  global_average_pool(),
                  {10, "linear"}});

struct Outcome {
    std::vector<float> weights, gradients;
    std::vector<double> losses;
    std::vector<std::int64_t> correct;

    bool operator==(const Outcome& other) const {
        return identical(weights, other.weights) && identical(gradients, other.gradients) &&
               identical(losses, other.losses) && identical(correct, other.correct);
    }
};

struct Training {
    const NetworkSpec* spec;
    std::ptrdiff_t images, batch;
    Optimizer optimizer;
    Loss loss = Loss::cross_entropy;
    bool augmented = false;
    // The network of these layers, where a description cannot tell.
    std::function<std::unique_ptr<Network>()> build{};

    std::unique_ptr<Network> network() const { return build ? build() : spec->build(5); }
    Data data() const { return {images, spec->inputs, spec->outputs(), 3}; }

    StepResults run(Network& network, const Data& data, const std::vector<float>& weights,
                    network::Exchange* exchange) const {
        Augmentation augmentation;
        augmentation.shift = 0.2;
        augmentation.horizontal_flip = true;
        augmentation.erase = 0.3;
        Images given = data.byte_images();
        if (augmented) given.augmentation = &augmentation;
        Targets targets = data.label_targets();
        targets.weights = weights.data();
        targets.label_smoothing = network::takes_logits(loss) ? 0.1f : 0.0f;
        const std::vector<double> rates(static_cast<std::size_t>((images + batch - 1) / batch),
                                        static_cast<double>(optimizer.learning_rate));
        return network.train_steps(given, targets, data.order.data(), images, batch, loss,
                                   optimizer, {.seed = 7, .epoch = 1}, rates.data(), exchange);
    }
    static std::vector<float> weights_of_images(std::ptrdiff_t images) {
        std::vector<float> weights(static_cast<std::size_t>(images));
        for (std::size_t i = 0; i < weights.size(); ++i)
            weights[i] = 0.5f + static_cast<float>(i % 4) / 4.0f;
        return weights;
    }
    Outcome outcome(network::Exchange* exchange) const {
        const Data all = data();
        const auto trained = network();
        const StepResults results = run(*trained, all, weights_of_images(images), exchange);
        return {weights_of(*trained), gradients_of(*trained), results.losses, results.correct};
    }
    // Of each process.
    std::vector<Outcome> outcomes(std::ptrdiff_t size) const {
        ThreadExchange all(size);
        std::vector<Outcome> result(static_cast<std::size_t>(size));
        ThreadExchange::for_all(size, [&](std::ptrdiff_t rank) {
            ThreadExchange::Member member(all, rank);
            result[static_cast<std::size_t>(rank)] = outcome(&member);
        });
        return result;
    }
};

void check_same(const Training& training, const std::vector<std::ptrdiff_t>& sizes,
                const std::string& what) {
    Outcome alone = training.outcome(nullptr);
    CHECK_THAT(!identical(alone.weights, weights_of(*training.network())), what << " does nothing");
    if (training.optimizer.is_plain()) alone.gradients.clear();  // stages keep none then
    for (const std::ptrdiff_t size : sizes)
        for (Outcome& shared : training.outcomes(size)) {
            if (training.optimizer.is_plain()) shared.gradients.clear();
            CHECK_THAT(alone == shared,
                       what << ", " << size << " processes, batch " << training.batch);
        }
}

const Optimizer kMomentum{.learning_rate = 0.05f, .momentum = 0.9};

TEST(same_bits_for_any_number_of_processes) {
    runtime::set_thread_limit(1);
    for (const NetworkSpec* spec : {&kRows, &kNormalizedRows, &kImages, &kWide, &kSeparable})
        // The last batch is smaller: 16 chunks and 13 rows, 4 and 2 chunks, 1 chunk and 1 row.
        for (const auto& [images, batch] : {std::pair{77, 64}, {24, 17}, {5, 4}})
            check_same({spec, images, batch, kMomentum}, {1, 2, 3, 4, 5, 8, 16}, spec->describe());
}

TEST(same_bits_with_every_loss_and_optimizer) {
    runtime::set_thread_limit(1);
    const Optimizer optimizers[] = {
        {.learning_rate = 0.05f},
        {.learning_rate = 0.01f, .momentum = 0.9, .nesterov = true, .clipnorm = 0.5},
        {.learning_rate = 0.01f,
         .method = Method::adam,
         .weight_decay = 0.1,
         .global_clipnorm = 0.3,
         .use_ema = true},
        {.learning_rate = 0.01f, .method = Method::rmsprop, .momentum = 0.5},
    };
    for (const NetworkSpec* spec : {&kRows, &kImages})
        for (const Optimizer& optimizer : optimizers)
            for (const Loss loss : {Loss::mse, Loss::sse, Loss::cross_entropy, Loss::focal})
                check_same({spec, 40, 32, optimizer, loss, spec == &kImages}, {2, 3},
                           spec->describe() + " " + name_of(optimizer.method));
}

// Each process with a team of its own.
TEST(same_bits_with_threads) {
    runtime::set_thread_limit(3);
    for (const NetworkSpec* spec : {&kRows, &kImages})
        check_same({spec, 40, 33, kMomentum}, {2, 4}, spec->describe());
    runtime::set_thread_limit(1);
}

// Fixed layers, whose batch normalizations are folded into trained ones before and behind them.
TEST(same_bits_with_fixed_normalizations) {
    const NetworkSpec shape = image_network({8, 8, 3}, {flatten(), {5, "linear"}});
    const auto build = [] {
        network::Builder builder({8, 8, 3});
        network::Conv2D layer{};
        layer.filters = 20;
        layer.kernel = {3, 3};
        layer.activation = "linear";
        layer.padding = "same";
        layer.use_bias = true;
        builder.add_conv2d("first", layer);
        builder.set_trainable(false);
        builder.add_batch_normalization("fixed", 0.9f, 1e-3f);
        builder.set_trainable(true);
        builder.add_activation("relu", "relu");
        builder.add_flatten("flat");
        builder.add_dense("rows", 30, "linear", true);
        builder.set_trainable(false);
        builder.add_batch_normalization("fixed_rows", 0.9f, 1e-3f);
        builder.set_trainable(true);
        builder.add_dense("out", 5, "linear", true);
        auto network = builder.build(9);
        Random random(4);
        for (const std::string name : {"fixed", "fixed_rows"})
            for (const std::string kind : {"/gamma", "/moving_mean"}) {
                const auto& parameter = network->parameter(name + kind);
                std::vector<float> values(
                    static_cast<std::size_t>(network::element_count(parameter.shape)));
                for (float& value : values) value = random.uniform(0.5f, 1.5f);
                network->write_parameter(parameter, values.data());
            }
        return network;
    };
    for (const Optimizer& optimizer : {Optimizer{.learning_rate = 0.05f}, kMomentum})
        check_same({&shape, 40, 32, optimizer, Loss::cross_entropy, false, build}, {1, 2, 3},
                   "fixed normalizations");
}

// What is not theirs, processes do not read.
TEST(samples_of_others_are_not_read) {
    const Training training{&kImages, 32, 32, kMomentum};
    const Outcome alone = training.outcome(nullptr);
    ThreadExchange all(2);
    std::vector<Outcome> shared(2);
    ThreadExchange::for_all(2, [&](std::ptrdiff_t rank) {
        ThreadExchange::Member member(all, rank);
        Data data = training.data();
        const network::Share own = network::share_of(32, rank, 2);
        const std::size_t pixels = static_cast<std::size_t>(kImages.inputs);
        for (std::ptrdiff_t i = 0; i < 32; ++i) {
            if (i >= own.first_row() && i < own.first_row() + own.rows()) continue;
            const auto image = static_cast<std::size_t>(data.order[static_cast<std::size_t>(i)]);
            std::fill_n(data.bytes.begin() + static_cast<std::ptrdiff_t>(image * pixels), pixels,
                        std::uint8_t{99});
            data.labels[image] = 0;
        }
        const auto network = training.network();
        const StepResults results =
            training.run(*network, data, Training::weights_of_images(32), &member);
        shared[static_cast<std::size_t>(rank)] = {weights_of(*network), gradients_of(*network),
                                                  results.losses, results.correct};
    });
    for (const Outcome& outcome : shared) CHECK_THAT(alone == outcome, "foreign samples");
}

// Whichever of a step's exchanges fails: the weights are those after the last whole step.
TEST(a_failed_exchange_ends_the_step) {
    const Training training{&kImages, 48, 16, kMomentum};
    const auto after_one = [&] {
        Training first = training;
        first.images = 48;
        const auto network = first.network();
        const Data data = first.data();
        const std::vector<double> rates(1, 0.05);
        Targets targets = data.label_targets();
        const auto weights = Training::weights_of_images(48);
        targets.weights = weights.data();
        targets.label_smoothing = 0.1f;
        network->train_steps(data.byte_images(), targets, data.order.data(), 16, 16,
                             Loss::cross_entropy, kMomentum, {.seed = 7, .epoch = 1}, rates.data());
        return weights_of(*network);
    }();
    long calls = 0;
    {
        ThreadExchange all(1);
        ThreadExchange::Member member(all, 0);
        training.outcome(&member);
        calls = member.calls();
    }
    CHECK_EQUAL(calls % 3, 0);
    const long each = calls / 3;
    // Two of the whole batch's normalizations, forward and backward, all rows, all sums.
    CHECK_EQUAL(each, 6);
    for (long failing = each; failing < 2 * each; ++failing) {
        ThreadExchange all(1);
        ThreadExchange::Member member(all, 0, failing);
        const Data data = training.data();
        const auto network = training.network();
        bool failed = false;
        try {
            training.run(*network, data, Training::weights_of_images(48), &member);
        } catch (const std::runtime_error&) {
            failed = true;
        }
        CHECK_THAT(failed, failing);
        CHECK_THAT(identical(after_one, weights_of(*network)), "call " << failing);
        CHECK_EQUAL(network->optimizer_steps(), 1);
    }
}

// A loss that is not finite ends training in all processes, and that step's update is left out.
TEST(a_loss_that_is_not_finite_ends_all) {
    Training training{&kRows, 64, 16, {.learning_rate = std::numeric_limits<float>::max()}};
    const Outcome alone = training.outcome(nullptr);
    CHECK_THAT(alone.losses.size() < 4 && alone.losses.size() > 1, alone.losses.size());
    for (const Outcome& shared : training.outcomes(3)) {
        CHECK_EQUAL(alone.losses.size(), shared.losses.size());
        CHECK_THAT(identical(alone.weights, shared.weights), "weights");
    }
}

}  // namespace
