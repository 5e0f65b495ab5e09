// Batch normalization beyond its gradients: moving averages, inference with the normalization
// folded into the layer before, and that every change of a weight reaches it.
#include <algorithm>
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

using Doubles = ReferenceNetwork::Doubles;

const NetworkSpec kConv = image_network({8, 7, 3}, {conv(6, {3, 3}, "linear", "same"),
                                                    batch_norm(0.9f),
                                                    {0, "relu"},
                                                    max_pool({2, 2}, {2, 2}),
                                                    conv(17, {3, 3}, "linear", "same"),
                                                    batch_norm(0.5f, 1e-2f),
                                                    {0, "tanh"},
                                                    flatten(),
                                                    {3, "softmax"}});
// Normalized from the inputs of the convolution.
const NetworkSpec kExpansion =
    image_network({16, 17, 2}, {conv(5, {3, 3}, "tanh", "same"),
                                conv(16, {1, 1}, "linear", "valid", {1, 1}, {0, 0}, false),
                                batch_norm(0.9f),
                                {0, "tanh"},
                                spaced(conv(16, {3, 3}, "tanh", "same", {2, 2}), {1, 1}, 16),
                                average_pool({4, 4}, {4, 4}),
                                flatten(),
                                {3, "softmax"}});
const NetworkSpec kDense{
    20, {{33, "linear"}, batch_norm(), {0, "relu"}, {12, "linear", false}, batch_norm()}};

std::vector<float> value_of(const Network& network, const std::string& name) {
    const auto& parameter = network.parameter(name);
    std::vector<float> values(static_cast<std::size_t>(network::element_count(parameter.shape)));
    network.read_parameter(parameter, values.data());
    return values;
}

std::vector<float> outputs_of(const Network& network, const Images& images) {
    std::vector<float> y(static_cast<std::size_t>(images.count * network.output_size()));
    network.forward(images, y.data());
    return y;
}

// The largest difference, relative to the root mean square of what is exact.
double error_of(const std::vector<float>& actual, const Doubles& exact) {
    double worst = 0, squares = 0;
    for (std::size_t i = 0; i < exact.size(); ++i) {
        const double error = std::fabs(static_cast<double>(actual.at(i)) - exact[i]);
        worst = error <= worst ? worst : error;  // NaN stays
        squares += exact[i] * exact[i];
    }
    return worst / std::sqrt(squares / static_cast<double>(exact.size()) + 1e-30);
}

void train(Network& network, const Data& data, std::ptrdiff_t batch, const Optimizer& optimizer) {
    network.train_steps(data.images(), data.one_hot_targets(), data.order.data(), data.count, batch,
                        Loss::mse, optimizer, {});
}

std::vector<std::string> names_of(const Network& network, bool trainable) {
    std::vector<std::string> names;
    for (const auto& parameter : network.parameters())
        if (parameter.trainable == trainable) names.push_back(parameter.name);
    return names;
}

// Steps by the textbook, in double; the last batch of each epoch is smaller.
TEST(moving_averages_follow_the_batches) {
    for (const int threads : {1, 3})
        for (const NetworkSpec& spec : {kConv, kExpansion, kDense}) {
            runtime::set_thread_limit(threads);
            const std::ptrdiff_t count = 43, batch = 18;
            const float rate = 0.05f;
            const Data data(count, spec.inputs, spec.outputs(), 1);
            const auto network = spec.build(2);
            ReferenceNetwork reference(spec, *network);
            const auto pixels = static_cast<std::size_t>(spec.inputs);
            const auto outputs = static_cast<std::size_t>(spec.outputs());
            for (int epoch = 0; epoch < 2; ++epoch) {
                train(*network, data, batch, Optimizer{rate});
                for (std::ptrdiff_t first = 0; first < count; first += batch) {
                    Doubles x, y;
                    for (std::ptrdiff_t r = first; r < std::min(count, first + batch); ++r) {
                        const auto i =
                            static_cast<std::size_t>(data.order[static_cast<std::size_t>(r)]);
                        x.insert(x.end(), &data.x[i * pixels], &data.x[i * pixels] + pixels);
                        y.insert(y.end(), &data.one_hot[i * outputs],
                                 &data.one_hot[i * outputs] + outputs);
                    }
                    reference.forward(x);
                    reference.backward(Loss::mse, y);
                    reference.move_averages();
                    for (ReferenceNetwork::Layer& layer : reference.layers) {
                        const auto step = [&](Doubles& weights, const Doubles& gradient) {
                            for (std::size_t i = 0; i < weights.size(); ++i)
                                weights[i] -= static_cast<double>(rate) * gradient[i];
                        };
                        step(layer.kernel, layer.kernel_gradient);
                        if (layer.has_bias) step(layer.bias, layer.bias_gradient);
                    }
                }
            }
            for (const ReferenceNetwork::Layer& layer : reference.layers) {
                const auto check = [&](const std::string& name, const Doubles& exact) {
                    const double error = error_of(value_of(*network, layer.name + name), exact);
                    CHECK_THAT(error < 2e-5, layer.name << name << " is off by " << error);
                };
                if (layer.has_kernel) check(layer.kernel_name, layer.kernel);
                if (layer.has_bias) check(layer.bias_name, layer.bias);
                if (layer.moving_mean.empty()) continue;
                check("/moving_mean", layer.moving_mean);
                check("/moving_variance", layer.moving_variance);
            }
        }
    runtime::set_thread_limit(1);
}

// Where channels have much in common, or a mean of many deviations, an expansion's statistics and
// gradients come from sums that cancel each other.
TEST(expansions_of_inputs_that_go_together) {
    const NetworkSpec spec =
        image_network({16, 17, 6}, {conv(16, {1, 1}, "linear", "valid", {1, 1}, {0, 0}, false),
                                    batch_norm(0.9f),
                                    {0, "tanh"},
                                    spaced(conv(16, {3, 3}, "tanh", "same", {2, 2}), {1, 1}, 16),
                                    average_pool({4, 4}, {4, 4}),
                                    flatten(),
                                    {3, "softmax"}});
    for (const auto& [noise, mean] : {std::pair{0.1f, 0.0f}, {0.01f, 0.0f}, {0.01f, 10.0f}}) {
        Data data(8, spec.inputs, spec.outputs(), 7);
        for (std::size_t i = 0; i < data.x.size(); ++i) {
            const std::size_t pixel = i / 6 * 6;
            if (i != pixel) data.x[i] = data.x[pixel] + noise * data.x[i];
        }
        for (float& value : data.x) value += mean;
        const auto network = spec.build(3);
        CHECK(network->architecture().stages[0]->measured_by != nullptr);
        network->compute_gradients(data.images(), data.one_hot_targets(), Loss::mse);
        ReferenceNetwork reference(spec, *network);
        reference.forward({data.x.begin(), data.x.end()});
        reference.backward(Loss::mse, {data.one_hot.begin(), data.one_hot.end()});
        const Doubles& exact = reference.layers[0].kernel_gradient;
        std::vector<float> gradient(exact.size());
        network->read_gradient(network->parameter("layer0/kernel"), gradient.data());
        const double error = error_of(gradient, exact);
        CHECK_THAT(error < 5e-4, "noise " << noise << ", mean " << mean << ": off by " << error);
    }
}

// Optimizers pass by what is measured: decay, momentum, norms and averages of weights.
TEST(no_optimizer_moves_what_is_measured) {
    const Data data(40, kConv.inputs, kConv.outputs(), 3);
    const auto plain = kConv.build(4);
    train(*plain, data, 16, Optimizer{0.0f});
    for (const Optimizer& optimizer :
         {Optimizer{.learning_rate = 0.0f, .momentum = 0.9, .weight_decay = 0.5},
          Optimizer{.learning_rate = 0.0f,
                    .method = network::Method::adam,
                    .weight_decay = 0.5,
                    .clipnorm = 1e-3,
                    .use_ema = true,
                    .ema_momentum = 0.5},
          Optimizer{.learning_rate = 0.0f,
                    .method = network::Method::rmsprop,
                    .global_clipnorm = 1e-3}}) {
        const auto network = kConv.build(4);
        train(*network, data, 16, optimizer);
        CHECK(identical(weights_of(*plain), weights_of(*network)));
        network->show_average(true);
        for (const std::string& name : names_of(*network, false))
            CHECK_THAT(identical(value_of(*plain, name), value_of(*network, name)), name);
    }
}

// A step of a block is compute_gradients and apply_gradients; the averages move in the latter,
// once.
TEST(averages_move_with_the_weights) {
    for (const NetworkSpec& spec : {kConv, kDense}) {
        Data data(21, spec.inputs, spec.outputs(), 5);
        for (std::size_t i = 0; i < data.order.size(); ++i)
            data.order[i] = static_cast<std::int32_t>(i);
        for (const Optimizer& optimizer :
             {Optimizer{0.1f},
              Optimizer{.learning_rate = 0.1f, .method = network::Method::adam, .use_ema = true}}) {
            const auto fused = spec.build(6), separate = spec.build(6);
            const auto start = weights_of(*fused);
            separate->apply_gradients(Optimizer{0.1f});
            CHECK(identical(start, weights_of(*separate)));
            train(*fused, data, 21, optimizer);
            separate->compute_gradients(data.images(), data.one_hot_targets(), Loss::mse);
            CHECK(identical(start, weights_of(*separate)));
            outputs_of(*separate, data.images());
            separate->apply_gradients(optimizer);
            CHECK(!identical(start, weights_of(*separate)));
            CHECK(identical(weights_of(*fused), weights_of(*separate)));
            separate->apply_gradients(optimizer);
            CHECK(!identical(weights_of(*fused), weights_of(*separate)));
            for (const std::string& name : names_of(*fused, false))
                CHECK_THAT(identical(value_of(*fused, name), value_of(*separate, name)), name);
            // Steps of another batch in between: theirs count, not those of the gradients.
            separate->compute_gradients(data.images(), data.one_hot_targets(), Loss::mse);
            train(*separate, data, 4, Optimizer{0.1f});
            const auto twin = spec.build(6);
            set_weights(*twin, weights_of(*separate));
            separate->apply_gradients(Optimizer{0.1f});
            for (const std::string& name : names_of(*fused, false))
                CHECK_THAT(identical(value_of(*twin, name), value_of(*separate, name)), name);
        }
    }
}

// The losses that compute_gradients leaves are those of its own pass, by the batch's statistics.
TEST(losses_of_the_images) {
    for (const Loss loss : {Loss::mse, Loss::cross_entropy}) {
        const Data data(19, kConv.inputs, kConv.outputs(), 9);
        const auto network = kConv.build(10);
        ReferenceNetwork reference(kConv, *network);
        reference.forward({data.x.begin(), data.x.end()});
        const double value = network->compute_gradients(data.images(), data.soft_targets(), loss);
        std::vector<float> losses(19);
        network->read_losses(19, losses.data());
        double sum = 0;
        for (std::size_t i = 0; i < 19; ++i) {
            const Doubles target(data.soft.begin() + static_cast<std::ptrdiff_t>(i) * 3,
                                 data.soft.begin() + static_cast<std::ptrdiff_t>(i + 1) * 3);
            const auto* row = &reference.layers.back().output[i * 3];
            double exact = 0;
            for (std::size_t c = 0; c < 3; ++c)
                exact += loss == Loss::mse ? (row[c] - target[c]) * (row[c] - target[c])
                                           : -target[c] * std::log(row[c]);
            CHECK(std::fabs(static_cast<double>(losses[i]) - exact) < 1e-5 * (1 + exact));
            sum += static_cast<double>(losses[i]);
        }
        CHECK_EQUAL(value, sum / 19);
        CHECK_THROWS(std::logic_error, "another thread", network->read_losses(18, losses.data()));
    }
}

TEST(what_is_measured_has_no_gradient) {
    const auto network = kConv.build(7);
    const std::vector<float> values(6, 1.0f);
    for (const char* name : {"layer1/moving_mean", "layer1/moving_variance"})
        CHECK_THROWS(std::invalid_argument, std::string(name) + " is measured",
                     network->write_gradient(network->parameter(name), values.data()));
    network->write_gradient(network->parameter("layer1/gamma"), values.data());
    const Data data(9, kConv.inputs, kConv.outputs(), 8);
    network->compute_gradients(data.images(), data.label_targets(), Loss::mse);
    for (const char* name : {"layer1/moving_mean", "layer1/moving_variance"}) {
        std::vector<float> gradient(6, 1.0f);
        network->read_gradient(network->parameter(name), gradient.data());
        CHECK(identical(gradient, std::vector<float>(6)));
    }
}

// --- folding --------------------------------------------------------------------------------

// A network and the same with a dropout of nothing before each batch normalization, convolution and
// pool, which keeps the normalization from being folded and from leaving anything to its
// neighbours; of both, the weights in order are the same.
NetworkSpec unfolded(const NetworkSpec& spec) {
    NetworkSpec apart = spec;
    apart.layers.clear();
    for (const LayerSpec& layer : spec.layers) {
        using enum LayerSpec::Kind;
        if (layer.kind == batch_norm || layer.kind == conv || layer.kind == max_pool)
            apart.layers.push_back({0, "dropout", false, 0.0f});
        apart.layers.push_back(layer);
    }
    return apart;
}

// Of every kernel of the convolution, forward: few and many channels, strides, borders before and
// behind; of the dense layer; every activation behind; with a bias before and without.
std::vector<NetworkSpec> folding_networks() {
    std::vector<NetworkSpec> specs{kConv, kDense};
    for (const char* kind : {"linear", "relu", "sigmoid", "tanh"})
        for (const bool bias : {false, true})
            for (const auto& [inputs, filters] :
                 {std::pair<std::ptrdiff_t, std::ptrdiff_t>{1, 6}, {3, 32}, {20, 33}, {16, 16}})
                specs.push_back(image_network(
                    {7, 9, inputs},
                    {conv(filters, {3, 3}, "linear", "same", {1, bias ? 1 : 2}, {0, 0}, bias),
                     batch_norm(),
                     {0, kind},
                     conv(5, {3, 3}, "linear", "same"),
                     batch_norm(),
                     max_pool({2, 2}, {2, 2}),
                     flatten(),
                     {7, "linear", bias},
                     batch_norm(),
                     {0, kind},
                     {0, "softmax"}}));
    // In blocks: on both ways, first, and with a sum right behind.
    specs.push_back(image_network({7, 6, 3}, {begin(),
                                              conv(8, {3, 3}, "linear", "same"),
                                              batch_norm(),
                                              {0, "relu"},
                                              conv(8, {3, 3}, "linear", "same"),
                                              batch_norm(),
                                              shortcut(),
                                              conv(8, {1, 1}, "linear"),
                                              batch_norm(),
                                              end("relu"),
                                              begin(),
                                              conv(8, {3, 3}, "linear", "same"),
                                              batch_norm(),
                                              end("relu"),
                                              global_average_pool(),
                                              {4, "linear"},
                                              batch_norm()}));
    return specs;
}

constexpr double kFoldingBound = 1e-5;  // of the size of the outputs

TEST(folding_changes_nothing_but_roundings) {
    double largest = 0;
    std::uint64_t seed = 10;
    for (const NetworkSpec& spec : folding_networks())
        for (const std::string& isa : kernels::available_isas()) {
            kernels::select_isa(isa);
            const Data data(10, spec.inputs, spec.outputs(), ++seed);
            const NetworkSpec parts = unfolded(spec);
            const auto network = spec.build(seed), apart = parts.build(seed);
            set_weights(*apart, weights_of(*network));
            std::size_t folded = 0, not_folded = 0, normalizations = 0;
            for (const LayerSpec& layer : spec.layers)
                normalizations += layer.kind == LayerSpec::Kind::batch_norm;
            for (const std::string& stage : network->architecture().describe_stages())
                folded += stage.find("part of the stage before") != std::string::npos;
            for (const std::string& stage : apart->architecture().describe_stages())
                not_folded += stage.find("part of the stage before") != std::string::npos;
            CHECK_EQUAL(normalizations, folded);
            CHECK_EQUAL(std::size_t{0}, not_folded);
            ReferenceNetwork reference(spec, *network);
            const Doubles x(data.x.begin(), data.x.end());
            reference.infer(x);
            const Doubles exact = reference.layers.back().output;
            for (const Network* each : {network.get(), apart.get()}) {
                const double error = error_of(outputs_of(*each, data.images()), exact);
                largest = std::max(largest, error);
                CHECK_THAT(error <= kFoldingBound, spec.describe() << ", " << isa << ", folded "
                                                                   << (each == network.get())
                                                                   << ": off by " << error);
            }
            // With the statistics of these images instead the outputs would be others.
            reference.forward(x);
            CHECK(error_of(outputs_of(*network, data.images()), reference.layers.back().output) >
                  1e-2);
        }
    kernels::select_isa(kernels::available_isas().front());
    std::printf("largest error of folding: %.1e (allowed %.0e)\n", largest, kFoldingBound);
}

// What each way through a convolution makes of it: one pixel in and one out, in bands; the same
// scattered, and with channels that do not fill a block; windows, with strides and without a
// gradient below; groups of one channel, whole and not whole blocks of them, and of several; and
// through pools.
TEST(what_is_left_to_the_neighbours_changes_no_bit) {
    const auto bare = [](std::ptrdiff_t filters, network::Extent kernel,
                         network::Extent strides = {1, 1}, std::ptrdiff_t groups = 1) {
        return spaced(conv(filters, kernel, "linear", "same", strides, {0, 0}, false), {1, 1},
                      groups);
    };
    const NetworkSpec spec = image_network({43, 37, 3}, {bare(56, {3, 3}),
                                                         batch_norm(),
                                                         {0, "relu6"},
                                                         bare(96, {1, 1}),
                                                         batch_norm(),
                                                         {0, "relu6"},
                                                         bare(96, {3, 3}, {1, 1}, 96),
                                                         batch_norm(),
                                                         {0, "relu"},
                                                         bare(96, {3, 3}, {2, 2}, 96),
                                                         batch_norm(),
                                                         {0, "tanh"},
                                                         bare(24, {1, 1}),
                                                         batch_norm(),
                                                         begin(),
                                                         bare(40, {1, 1}),
                                                         batch_norm(),
                                                         {0, "relu6"},
                                                         bare(40, {3, 3}, {1, 1}, 40),
                                                         batch_norm(),
                                                         {0, "relu6"},
                                                         bare(24, {1, 1}),
                                                         batch_norm(),
                                                         shortcut(),
                                                         end(),
                                                         bare(36, {3, 3}, {2, 1}, 4),
                                                         batch_norm(),
                                                         {0, "relu"},
                                                         bare(20, {1, 1}, {2, 2}),
                                                         batch_norm(),
                                                         {0, "relu"},
                                                         bare(48, {3, 3}),
                                                         batch_norm(),
                                                         {0, "relu"},
                                                         conv(16, {1, 1}, "linear"),
                                                         batch_norm(),
                                                         {0, "relu"},
                                                         max_pool({3, 2}, {2, 1}),
                                                         bare(20, {1, 1}),
                                                         batch_norm(),
                                                         max_pool({2, 2}, {1, 1}),
                                                         flatten(),
                                                         {5, "linear"}});
    const NetworkSpec parts = unfolded(spec);
    Data data(9, spec.inputs, spec.outputs(), 12);
    std::sort(data.order.begin(), data.order.end());
    for (const int threads : {1, 3}) {
        runtime::set_thread_limit(threads);
        const auto network = spec.build(13), apart = parts.build(13);
        set_weights(*apart, weights_of(*network));
        const auto count = [](const Network& of, bool network::Stage::* left) {
            const auto& stages = of.architecture().stages;
            return std::count_if(stages.begin(), stages.end(),
                                 [&](const auto& stage) { return (*stage).*left; });
        };
        CHECK(count(*network, &network::Stage::is_left) == 12);
        CHECK(count(*apart, &network::Stage::is_left) == 0);
        CHECK(count(*apart, &network::Stage::leaves_in_training) == 0);
        CHECK(count(*network, &network::Stage::leaves_in_training) == 9);
        for (Network* const of : {network.get(), apart.get()})
            of->compute_gradients(data.images(), data.label_targets(), Loss::mse);
        CHECK(identical(gradients_of(*network), gradients_of(*apart)));
        // For people who look inside, each normalization writes its output.
        train(*apart, data, 9, Optimizer{0.1f});
        network->apply_gradients(Optimizer{0.1f});
        CHECK(identical(weights_of(*network), weights_of(*apart)));
        for (Network* const of : {network.get(), apart.get()}) train(*of, data, 4, Optimizer{0.1f});
        CHECK(identical(weights_of(*network), weights_of(*apart)));
    }
    runtime::set_thread_limit(1);
}

// Through max pools, of images that take several bands: windows that overlap, that leave lines out,
// that reach beyond the image.
TEST(what_is_left_to_pools_changes_no_bit) {
    struct Pool {
        network::Extent window, strides;
        network::Padding padding;
    };
    const Pool pools[] = {{{3, 3}, {2, 2}, {"explicit", {1, 1}, {1, 1}}},
                          {{2, 3}, {3, 1}, {}},
                          {{4, 2}, {1, 2}, {"explicit", {2, 0}, {1, 1}}},
                          {{2, 2}, {2, 2}, {}}};
    const Data data(9, 61 * 40 * 3, 5, 4);
    for (const Pool& pool : pools)
        for (const int threads : {1, 3}) {
            runtime::set_thread_limit(threads);
            const auto build = [&](bool apart) {
                network::Builder builder({61, 40, 3});
                network::Conv2D layer{};
                layer.filters = 48;
                layer.kernel = {3, 3};
                layer.activation = "linear";
                layer.padding = "same";
                builder.add_conv2d("conv", layer);
                if (apart) builder.add_dropout("nothing", 0.0f);
                builder.add_batch_normalization("norm", 0.9f, 1e-3f);
                builder.add_activation("relu", "relu");
                if (apart) builder.add_dropout("nothing_more", 0.0f);
                builder.add_max_pool2d("pool", pool.window, pool.strides, pool.padding);
                builder.add_global_average_pool2d("mean");
                builder.add_dense("out", 5, "linear", true);
                return builder.build(6);
            };
            const auto network = build(false), apart = build(true);
            set_weights(*apart, weights_of(*network));
            for (Network* const each : {network.get(), apart.get()}) {
                each->train_steps(data.images(), data.label_targets(), data.order.data(), 9, 4,
                                  Loss::cross_entropy, Optimizer{0.5f}, {});
                each->compute_gradients(data.images(), data.label_targets(), Loss::mse);
            }
            CHECK(network->architecture().stages[1]->leaves_in_training);
            CHECK(!apart->architecture().stages[2]->leaves_in_training);
            CHECK(identical(weights_of(*network), weights_of(*apart)));
            CHECK(identical(gradients_of(*network), gradients_of(*apart)));
        }
    runtime::set_thread_limit(1);
}

// Whatever changes a weight, the next prediction is that of a new network with these weights.
TEST(every_change_reaches_the_next_prediction) {
    for (const NetworkSpec& spec : {kConv, kDense}) {
        const Data data(20, spec.inputs, spec.outputs(), 30);
        const auto network = spec.build(31);
        std::vector<float> before = outputs_of(*network, data.images());
        const auto check = [&](const std::string& what) {
            const auto fresh = spec.build(32);
            set_weights(*fresh, weights_of(*network));
            const auto now = outputs_of(*network, data.images());
            CHECK_THAT(identical(outputs_of(*fresh, data.images()), now), what);
            CHECK_THAT(!identical(before, now), what << " changed nothing");
            before = now;
        };
        for (const char* name : {"layer0/kernel", "layer0/bias", "layer1/gamma", "layer1/beta",
                                 "layer1/moving_mean", "layer1/moving_variance"}) {
            auto values = value_of(*network, name);
            for (float& value : values) value *= 1.5f;
            network->write_parameter(network->parameter(name), values.data());
            check(name);
        }
        train(*network, data, 8, Optimizer{0.1f});
        check("training");
        network->compute_gradients(data.images(), data.label_targets(), Loss::mse);
        network->apply_gradients(Optimizer{0.1f});
        check("apply_gradients");
        const Optimizer averaging{.learning_rate = 0.1f, .use_ema = true, .ema_momentum = 0.5};
        train(*network, data, 8, averaging);
        check("training with averages");
        network->show_average(true);
        check("the average");
        network->show_average(false);
        check("the weights again");
        network->show_average(true);
        check("the average again");
        train(*network, data, 8, averaging);
        check("training from the average");
    }
}

// Readers that come at once right after a change: one folds, all see the whole of it.
TEST(many_readers_right_after_a_change) {
    const Data data(6, kConv.inputs, kConv.outputs(), 40);
    const auto network = kConv.build(41), twin = kConv.build(41);
    for (int round = 0; round < 20; ++round) {
        std::vector<float> gamma(6, 1.0f + 0.1f * static_cast<float>(round));
        network->write_parameter(network->parameter("layer1/gamma"), gamma.data());
        twin->write_parameter(twin->parameter("layer1/gamma"), gamma.data());
        const auto expected = outputs_of(*twin, data.images());
        std::vector<std::thread> callers;
        for (int caller = 0; caller < 3; ++caller)
            callers.emplace_back(
                [&] { CHECK(identical(expected, outputs_of(*network, data.images()))); });
        for (auto& caller : callers) caller.join();
    }
}

// Predictions beside training come from a state between two calls, never from half a change.
TEST(inference_beside_training) {
    const Data data(20, kDense.inputs, kDense.outputs(), 42);
    constexpr int kCalls = 10;
    std::vector<std::vector<float>> states;
    {
        const auto network = kDense.build(43);
        for (int call = 0; call <= kCalls; ++call) {
            states.push_back(outputs_of(*network, data.images()));
            train(*network, data, 10, Optimizer{0.1f});
        }
    }
    const auto network = kDense.build(43);
    std::vector<std::thread> callers;
    for (int caller = 0; caller < 2; ++caller)
        callers.emplace_back([&] {
            std::size_t state = 0;
            while (state < kCalls) {
                const auto y = outputs_of(*network, data.images());
                while (state < states.size() && !identical(states[state], y)) ++state;
                CHECK(state < states.size());
            }
        });
    for (int call = 0; call < kCalls; ++call) train(*network, data, 10, Optimizer{0.1f});
    for (auto& caller : callers) caller.join();
}

// Rows of equal numbers, and a batch of one flat sample: no variance, yet finite numbers.
TEST(no_variance) {
    for (const std::string& isa : kernels::available_isas()) {
        kernels::select_isa(isa);
        const NetworkSpec spec{
            6, {{5, "linear"}, batch_norm(), {0, "relu"}, layer_norm(), {3, "linear"}}};
        const auto network = spec.build(50);
        const Data data(1, 6, 3, 51);
        const double loss =
            network->compute_gradients(data.images(), data.label_targets(), Loss::mse);
        CHECK(std::isfinite(loss));
        const auto beta = value_of(*network, "layer1/beta");
        std::vector<float> inside(5);
        network->read_layer_output(layer_named(*network, "layer1"), 1, inside.data());
        CHECK_THAT(identical(beta, inside), isa);
        for (const float gradient : gradients_of(*network)) CHECK(std::isfinite(gradient));
        train(*network, data, 1, Optimizer{0.1f});
        for (const float weight : weights_of(*network)) CHECK(std::isfinite(weight));
    }
    kernels::select_isa(kernels::available_isas().front());
}

}  // namespace
