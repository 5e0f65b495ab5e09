// Depthwise convolutions between convolutions of single pixels, which go through a few lines
// together: what these leave to each other, and write nowhere, changes no bit.
#include <algorithm>
#include <string>
#include <vector>

#include "check.h"
#include "kernels/dispatch.h"
#include "network/builder.h"
#include "network_data.h"
#include "reference_network.h"
#include "runtime/parallel.h"

using namespace nncore;
using network::Loss;
using network::Network;
using network::Optimizer;
using network::Stage;

namespace {

LayerSpec depthwise(std::ptrdiff_t channels, network::Extent kernel, const std::string& activation,
                    network::Extent strides = {1, 1}, bool bias = true) {
    return spaced(conv(channels, kernel, activation, "same", strides, {0, 0}, bias), {1, 1},
                  channels);
}

// Right behind the images, with windows; single pixels, of few channels and of more; with and
// without a bias, with a gap between a pixel's channels (17), with strides, in a block, and two
// depthwise convolutions with but one such layer between them.
const NetworkSpec kSeparable =
    image_network({23, 18, 3}, {conv(32, {3, 3}, "relu6", "same", {2, 2}),
                                depthwise(32, {3, 3}, "relu6"),
                                conv(16, {1, 1}, "linear"),
                                conv(96, {1, 1}, "relu6"),
                                depthwise(96, {5, 5}, "relu", {2, 1}),
                                conv(24, {1, 1}, "linear"),
                                begin(),
                                conv(144, {1, 1}, "tanh"),
                                depthwise(144, {3, 3}, "tanh"),
                                conv(24, {1, 1}, "linear"),
                                end(),
                                conv(64, {1, 1}, "relu"),
                                conv(64, {1, 1}, "relu6"),
                                depthwise(64, {3, 3}, "linear", {1, 1}, false),
                                conv(32, {1, 1}, "relu"),
                                depthwise(32, {3, 3}, "relu"),
                                conv(17, {1, 1}, "linear"),
                                depthwise(17, {2, 3}, "relu"),
                                conv(20, {1, 1}, "relu"),
                                flatten(),
                                {5, "linear"}});

// A dropout of nothing before each convolution keeps it from having to do with the one before.
NetworkSpec apart(const NetworkSpec& spec) {
    NetworkSpec result = spec;
    result.layers.clear();
    for (const LayerSpec& layer : spec.layers) {
        if (layer.kind == LayerSpec::Kind::conv)
            result.layers.push_back({0, "dropout", false, 0.0f});
        result.layers.push_back(layer);
    }
    return result;
}

std::ptrdiff_t count(const Network& network, bool Stage::* flag) {
    const auto& stages = network.architecture().stages;
    return std::count_if(stages.begin(), stages.end(),
                         [&](const auto& stage) { return (*stage).*flag; });
}

std::vector<float> outputs_of(const Network& network, const Data& data) {
    std::vector<float> y(static_cast<std::size_t>(data.count * network.output_size()));
    network.forward(data.images(), y.data());
    return y;
}

TEST(what_is_nowhere_in_memory_changes_no_bit) {
    const NetworkSpec parts = apart(kSeparable);
    const Data data(9, kSeparable.inputs, kSeparable.outputs(), 12);
    for (const std::string& isa : kernels::available_isas())
        for (const int threads : {1, 3}) {
            if (isa == "reference" && threads > 1) continue;  // slow
            kernels::select_isa(isa);
            runtime::set_thread_limit(threads);
            const auto network = kSeparable.build(13), other = parts.build(13);
            set_weights(*other, weights_of(*network));
            for (bool Stage::* const flag :
                 {&Stage::leaves_in_training, &Stage::leaves_in_inference, &Stage::takes_gradient,
                  &Stage::backward_is_left})
                CHECK_EQUAL(std::ptrdiff_t{0}, count(*other, flag));
            CHECK_EQUAL(std::ptrdiff_t{3}, count(*network, &Stage::leaves_in_training));
            CHECK_EQUAL(std::ptrdiff_t{4}, count(*network, &Stage::leaves_in_inference));
            CHECK_EQUAL(std::ptrdiff_t{5}, count(*network, &Stage::takes_gradient));
            CHECK_EQUAL(std::ptrdiff_t{5}, count(*network, &Stage::backward_is_left));
            CHECK(identical(outputs_of(*network, data), outputs_of(*other, data)));
            for (Network* const each : {network.get(), other.get()})
                each->compute_gradients(data.images(), data.label_targets(), Loss::cross_entropy);
            CHECK(identical(gradients_of(*network), gradients_of(*other)));
            for (const Optimizer& optimizer :
                 {Optimizer{0.02f}, Optimizer{.learning_rate = 0.01f, .momentum = 0.9}}) {
                for (Network* const each : {network.get(), other.get()})
                    each->train_steps(data.images(), data.label_targets(), data.order.data(),
                                      data.count, 4, Loss::cross_entropy, optimizer, {});
                CHECK(identical(weights_of(*network), weights_of(*other)));
            }
            CHECK(identical(outputs_of(*network, data), outputs_of(*other, data)));
        }
    kernels::select_isa(kernels::available_isas().front());
    runtime::set_thread_limit(1);
}

// The place of an input is not given away before all lines have been made of it, a few at a time.
TEST(inputs_are_kept_until_lines_are_made) {
    const NetworkSpec spec = image_network({40, 130, 3}, {conv(16, {3, 3}, "relu", "same"),
                                                          conv(64, {1, 1}, "relu"),
                                                          depthwise(64, {3, 3}, "relu"),
                                                          conv(16, {1, 1}, "relu"),
                                                          depthwise(16, {3, 3}, "relu", {2, 2}),
                                                          conv(16, {1, 1}, "relu"),
                                                          flatten(),
                                                          {5, "linear"}});
    const Data data(3, spec.inputs, spec.outputs(), 2);
    const auto network = spec.build(3), other = apart(spec).build(3);
    set_weights(*other, weights_of(*network));
    CHECK_EQUAL(std::ptrdiff_t{1}, count(*network, &Stage::leaves_in_inference));
    CHECK(identical(outputs_of(*network, data), outputs_of(*other, data)));
}

// What stands before and behind each layer can be seen as ever.
TEST(what_people_look_at_is_there) {
    const auto network = kSeparable.build(3);
    const Data data(4, kSeparable.inputs, kSeparable.outputs(), 5);
    network->compute_gradients(data.images(), data.label_targets(), Loss::mse);
    ReferenceNetwork reference(kSeparable, *network);
    reference.forward({data.x.begin(), data.x.end()});
    for (const ReferenceNetwork::Layer& layer : reference.layers) {
        if (layer.name.empty()) continue;
        std::vector<float> output(layer.output.size());
        network->read_layer_output(layer_named(*network, layer.name), network->last_rows(),
                                   output.data());
        double error = 0, size = 0;
        for (std::size_t i = 0; i < output.size(); ++i) {
            error = std::max(error, std::abs(static_cast<double>(output[i]) - layer.output[i]));
            size = std::max(size, std::abs(layer.output[i]));
        }
        CHECK_THAT(error <= 1e-5 * size, layer.name << " is off by " << error << " of " << size);
    }
}

// Layers that do not change, whose normalizations are folded: those below the trained ones, too,
// and where only some of the three are trained.
TEST(same_bits_where_some_are_fixed) {
    const std::string names[] = {"expansion", "depthwise", "projection"};
    for (const int trained : {1, 2, 4, 8, 6, 11, 15}) {
        const auto build = [&] {
            network::Builder builder({19, 17, 3});
            const auto add = [&](const std::string& name, std::ptrdiff_t filters, bool groups,
                                 bool trains, const std::string& activation) {
                network::Conv2D layer{};
                layer.filters = filters;
                layer.kernel = groups ? network::Extent{3, 3} : network::Extent{1, 1};
                layer.groups = groups ? filters : 1;
                layer.activation = "linear";
                layer.padding = "same";
                builder.set_trainable(trains);
                builder.add_conv2d(name, layer);
                builder.set_trainable(false);
                builder.add_batch_normalization(name + "_fixed", 0.9f, 1e-3f);
                builder.add_activation(name + "_active", activation);
            };
            add("first", 24, false, (trained & 1) != 0, "relu");
            add(names[0], 48, false, (trained & 2) != 0, "relu6");
            add(names[1], 48, true, (trained & 4) != 0, "relu6");
            add(names[2], 20, false, (trained & 8) != 0, "tanh");
            builder.set_trainable(true);
            builder.add_flatten("flat");
            builder.add_dense("out", 5, "linear", true);
            auto network = builder.build(9);
            Random random(4);
            for (const std::string name : {"first_fixed", "expansion_fixed", "projection_fixed"})
                for (const std::string kind : {"/gamma", "/moving_mean"}) {
                    const auto& parameter = network->parameter(name + kind);
                    std::vector<float> values(
                        static_cast<std::size_t>(network::element_count(parameter.shape)));
                    for (float& value : values) value = random.uniform(0.5f, 1.5f);
                    network->write_parameter(parameter, values.data());
                }
            return network;
        };
        const Data data(9, 19 * 17 * 3, 5, 1);
        std::vector<float> expected;
        for (const std::string& isa : kernels::available_isas())
            for (const int threads : {1, 3}) {
                if (isa == "reference" && threads > 1) continue;  // slow
                kernels::select_isa(isa);
                runtime::set_thread_limit(threads);
                const auto network = build(), inspected = build();
                CHECK_EQUAL(std::ptrdiff_t{1}, count(*network, &Stage::leaves_in_training));
                network->train_steps(data.images(), data.label_targets(), data.order.data(), 9, 9,
                                     Loss::cross_entropy, Optimizer{0.05f}, {});
                // The same step, by those who look inside, of the same images in that order.
                Data ordered = data;
                for (std::size_t i = 0; i < ordered.order.size(); ++i) {
                    const auto from = static_cast<std::size_t>(data.order[i]);
                    const std::size_t pixels = 19 * 17 * 3;
                    std::copy_n(&data.x[from * pixels], pixels, &ordered.x[i * pixels]);
                    ordered.labels[i] = data.labels[from];
                }
                inspected->compute_gradients(ordered.images(), ordered.label_targets(),
                                             Loss::cross_entropy);
                inspected->apply_gradients(Optimizer{0.05f});
                const std::vector<float> weights = weights_of(*network);
                CHECK_THAT(identical(weights, weights_of(*inspected)), trained);
                CHECK_THAT(!identical(weights, weights_of(*build())), trained);
                if (expected.empty()) expected = weights;
                CHECK_THAT(identical(expected, weights), isa << ", trained " << trained);
            }
    }
    kernels::select_isa(kernels::available_isas().front());
    runtime::set_thread_limit(1);
}

}  // namespace
