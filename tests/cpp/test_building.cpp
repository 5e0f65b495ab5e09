// Building networks: shapes, names, bad arguments, first weights, reading and writing parameters.
#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "check.h"
#include "network/builder.h"
#include "network/network.h"
#include "network_data.h"

using namespace nncore::network;

namespace {

constexpr std::ptrdiff_t kHuge = std::numeric_limits<std::ptrdiff_t>::max();

TEST(bad_input_shapes) {
    CHECK_THROWS(std::invalid_argument, "()", Builder(Shape{}));
    CHECK_THROWS(std::invalid_argument, "(28, 28)", Builder(Shape{28, 28}));
    CHECK_THROWS(std::invalid_argument, "(1, 2, 3, 4)", Builder(Shape{1, 2, 3, 4}));
    CHECK_THROWS(std::invalid_argument, "(0,)", Builder(Shape{0}));
    CHECK_THROWS(std::invalid_argument, "(-1,)", Builder(Shape{-1}));
    CHECK_THROWS(std::invalid_argument, "(28, 0, 1)", Builder(Shape{28, 0, 1}));
    CHECK_THROWS(std::invalid_argument, std::to_string(kHuge), Builder(Shape{kHuge}));
    CHECK_THROWS(std::invalid_argument, "(65536, 65536, 3)", Builder(Shape{65536, 65536, 3}));
    // The product would overflow.
    CHECK_THROWS(std::invalid_argument, "positive sizes", Builder(Shape{kHuge, kHuge, kHuge}));
}

TEST(bad_layers) {
    Builder builder({10});
    CHECK_THROWS(std::invalid_argument,
                 "known: linear, relu, relu6, leaky_relu, gelu, silu, hard_swish, hard_sigmoid, "
                 "sigmoid, tanh, softmax",
                 builder.add_dense("d", 3, "swish", true));
    CHECK_THROWS(std::invalid_argument, "\"swish\"", builder.add_dense("d", 3, "swish", true));
    CHECK_THROWS(std::invalid_argument, "\"\"", builder.add_dense("d", 3, "", true));
    CHECK_THROWS(std::invalid_argument, "got 0", builder.add_dense("d", 0, "relu", true));
    CHECK_THROWS(std::invalid_argument, "got -5", builder.add_dense("d", -5, "relu", true));
    CHECK_THROWS(std::invalid_argument, "got 1000000000000",
                 builder.add_dense("d", 1000000000000, "relu", true));
    CHECK_THROWS(std::invalid_argument, "units must be from 1 to",
                 builder.add_dense("d", kHuge, "relu", true));
    CHECK_THROWS(std::invalid_argument, "units must be from 1 to",
                 builder.add_dense("d", kHuge - 15, "relu", true));
    CHECK_THROWS(std::invalid_argument, "\"swish\"", builder.add_activation("a", "swish"));
    CHECK_THROWS(std::invalid_argument, "empty", builder.add_dense("", 3, "relu", true));
    CHECK_THROWS(std::invalid_argument, "empty", builder.add_flatten(""));
    // Nothing of the above has left a trace.
    CHECK(builder.architecture().layers.empty());
    CHECK(builder.architecture().describe_stages().empty());
    builder.add_dense("d", 3, "relu", true);
    CHECK_THROWS(std::invalid_argument, "two layers are named \"d\"",
                 builder.add_dense("d", 3, "relu", true));
    CHECK_THROWS(std::invalid_argument, "\"d\"", builder.add_activation("d", "relu"));
    CHECK_THROWS(std::invalid_argument, "\"d\"", builder.add_flatten("d"));
    CHECK_EQUAL(std::size_t{1}, builder.architecture().layers.size());
}

TEST(size_limit_counts_all_layers) {
    Builder builder({1 << 15});
    builder.add_dense("first", 1 << 15, "linear", false);
    // 2^30 weights are there; another 2^30 and a little are too many.
    CHECK_THROWS(std::invalid_argument, "units must be from 1 to",
                 builder.add_dense("second", (1 << 15) + 1, "linear", true));
}

TEST(dense_needs_flat_input) {
    Builder builder({4, 5, 3});
    CHECK_THROWS(std::invalid_argument, "(4, 5, 3)", builder.add_dense("d", 3, "relu", true));
    CHECK_THROWS(std::invalid_argument, "Flatten", builder.add_dense("d", 3, "relu", true));
    builder.add_flatten("flatten");
    builder.add_dense("d", 7, "relu", true);
    CHECK(builder.architecture().layers[0].output_shape == Shape{60});
    CHECK(builder.architecture().layers[1].output_shape == Shape{7});
    CHECK(builder.output_shape() == Shape{7});
}

TEST(bad_convolutions) {
    const auto fails = [](const std::string& text, const Conv2D& layer) {
        Builder builder({8, 9, 3});
        CHECK_THROWS(std::invalid_argument, text, builder.add_conv2d("c", layer));
        CHECK_THROWS(std::invalid_argument, "\"", builder.add_conv2d("c", layer));
        CHECK(builder.architecture().layers.empty());
        CHECK(builder.architecture().describe_stages().empty());
        CHECK_EQUAL(std::ptrdiff_t{0}, builder.architecture().parameter_floats);
    };
    Builder flat({10});
    CHECK_THROWS(std::invalid_argument, "(10,)", flat.add_conv2d("c", {.filters = 4}));
    fails("got 0", {.filters = 0});
    fails("got -1", {.filters = -1});
    fails("filters", {.filters = 1000000000000});
    fails("filters", {.filters = kHuge});
    fails("filters", {.filters = kHuge - 15});
    fails("(0, 3)", {.filters = 4, .kernel = {0, 3}});
    fails("(3, -1)", {.filters = 4, .kernel = {3, -1}});
    fails("(2000, 3)", {.filters = 4, .kernel = {2000, 3}});
    fails("(9, 3)", {.filters = 4, .kernel = {9, 3}});
    fails("(0, 1)", {.filters = 4, .strides = {0, 1}});
    fails("(1, -2)", {.filters = 4, .strides = {1, -2}});
    for (const char* padding : {"valid", "same", "explicit"}) {
        fails("strides", {.filters = 4, .strides = {kHuge, 1}, .padding = padding});
        fails("strides", {.filters = 4, .strides = {1, kHuge}, .padding = padding});
    }
    fails("known: valid, same, explicit", {.filters = 4, .padding = "SAME"});
    fails("(-1, 0)", {.filters = 4, .padding = "explicit", .pad = {-1, 0}});
    fails("(0, 5000)", {.filters = 4, .padding = "explicit", .pad = {0, 5000}});
    fails("\"swish\"", {.filters = 4, .activation = "swish"});
}

TEST(bad_pools) {
    Builder flat({10}), builder({8, 9, 3});
    for (const bool max : {true, false}) {
        const auto add = [&](Builder& to, Extent window, Extent strides) {
            if (max) {
                to.add_max_pool2d("p", window, strides);
            } else {
                to.add_average_pool2d("p", window, strides);
            }
        };
        CHECK_THROWS(std::invalid_argument, "(10,)", add(flat, {2, 2}, {2, 2}));
        CHECK_THROWS(std::invalid_argument, "(0, 2)", add(builder, {0, 2}, {2, 2}));
        CHECK_THROWS(std::invalid_argument, "(9, 2)", add(builder, {9, 2}, {2, 2}));
        CHECK_THROWS(std::invalid_argument, "(2, 10)", add(builder, {2, 10}, {2, 2}));
        CHECK_THROWS(std::invalid_argument, "(2, 0)", add(builder, {2, 2}, {2, 0}));
        CHECK_THROWS(std::invalid_argument, "strides", add(builder, {2, 2}, {kHuge, 1}));
        CHECK_THROWS(std::invalid_argument, "strides", add(builder, {2, 2}, {1, kHuge}));
        CHECK_THROWS(std::invalid_argument, "(70000, 1)", add(builder, {70000, 1}, {1, 1}));
        const auto pad = [&](const Padding& padding) {
            if (max) {
                builder.add_max_pool2d("p", {3, 2}, {1, 1}, padding);
            } else {
                builder.add_average_pool2d("p", {3, 2}, {1, 1}, padding);
            }
        };
        CHECK_THROWS(std::invalid_argument, "smaller than the window (3, 2), got (3, 0)",
                     pad({"explicit", {1, 0}, {3, 0}}));
        CHECK_THROWS(std::invalid_argument, "got (0, 2)", pad({"explicit", {0, 2}, {0, 0}}));
        CHECK_THROWS(std::invalid_argument, "(-1, 0)", pad({"explicit", {0, 0}, {-1, 0}}));
        CHECK_THROWS(std::invalid_argument, "\"full\"", pad({"full"}));
    }
    CHECK_THROWS(std::invalid_argument, "(10,)", flat.add_global_average_pool2d("p"));
    CHECK(builder.architecture().layers.empty());
}

TEST(bad_normalizations) {
    const float nan = std::nanf(""), infinity = std::numeric_limits<float>::infinity();
    Builder builder({4, 5, 3});
    for (const float momentum : {-0.1f, 1.0f, 2.0f, nan, infinity})
        CHECK_THROWS(std::invalid_argument, "\"n\": momentum must be at least 0 and below 1",
                     builder.add_batch_normalization("n", momentum, 1e-3f));
    for (const float epsilon : {0.0f, -1e-3f, 1.0f, nan, infinity}) {
        CHECK_THROWS(std::invalid_argument, "\"n\": epsilon must be above 0 and below 1",
                     builder.add_batch_normalization("n", 0.9f, epsilon));
        CHECK_THROWS(std::invalid_argument, "\"n\": epsilon must be above 0 and below 1",
                     builder.add_layer_normalization("n", epsilon));
    }
    CHECK_THROWS(std::invalid_argument, "empty", builder.add_batch_normalization("", 0.9f, 1e-3f));
    CHECK_THROWS(std::invalid_argument, "empty", builder.add_layer_normalization("", 1e-3f));
    CHECK(builder.architecture().layers.empty());
    CHECK(builder.architecture().describe_stages().empty());
    builder.add_batch_normalization("n", 0.0f, 1e-3f);
    CHECK_THROWS(std::invalid_argument, "two layers are named \"n\"",
                 builder.add_layer_normalization("n", 1e-3f));
    const auto network = builder.build(1);
    CHECK_THROWS(std::logic_error, "built", builder.add_batch_normalization("m", 0.9f, 1e-3f));
    CHECK_THROWS(std::logic_error, "built", builder.add_layer_normalization("m", 1e-3f));
    // Parameters of too many channels, in all.
    Builder wide({1 << 29});
    wide.add_layer_normalization("n", 1e-3f);
    CHECK_THROWS(std::invalid_argument, "\"m\" has too many channels",
                 wide.add_batch_normalization("m", 0.9f, 1e-3f));
    wide.add_layer_normalization("o", 1e-3f);
    CHECK_THROWS(std::invalid_argument, "\"m\" has too many channels",
                 wide.add_layer_normalization("m", 1e-3f));
}

TEST(parameters_of_normalizations) {
    Builder builder({4, 5, 3});
    builder.add_batch_normalization("batch", 0.9f, 1e-3f);
    builder.add_layer_normalization("layer", 1e-3f);
    const auto network = builder.build(1);
    std::string names;
    for (const Parameter& parameter : network->parameters()) {
        names += parameter.name + (parameter.trainable ? " " : "* ");
        CHECK(parameter.shape == Shape{3});
        std::vector<float> values(3);
        network->read_parameter(parameter, values.data());
        const bool ones = parameter.name.ends_with("gamma") || parameter.name.ends_with("variance");
        CHECK(identical(values, std::vector<float>(3, ones ? 1.0f : 0.0f)));
    }
    CHECK_EQUAL(std::string("batch/gamma batch/beta batch/moving_mean* batch/moving_variance* "
                            "layer/gamma layer/beta "),
                names);
    CHECK_EQUAL(std::ptrdiff_t{18}, network->parameter_count());
}

TEST(bad_blocks) {
    Builder builder({8, 9, 3});
    CHECK_THROWS(std::logic_error, "no block to end", builder.end_block("relu"));
    CHECK_THROWS(std::logic_error, "needs a block", builder.next_branch());
    CHECK_THROWS(std::invalid_argument, "empty", builder.begin_block("", Join::sum));
    builder.begin_block("block", Join::sum);
    CHECK_THROWS(std::logic_error, "\"block\" has no end", builder.build(1));
    builder.add_conv2d("c", {.filters = 5, .kernel = {3, 3}, .padding = "same"});
    CHECK_THROWS(std::invalid_argument, "\"gelu\"", builder.end_block("gelu"));
    CHECK_THROWS(std::logic_error, "\"block\" needs at least two branches",
                 builder.end_block("relu"));
    builder.next_branch();
    // Twice: a block that could not be ended is still open, and all of it is known.
    for (int attempt = 0; attempt < 2; ++attempt)
        CHECK_THROWS(std::invalid_argument,
                     "\"block\": the branches give (8, 9, 5) and (8, 9, 3); they must be equal",
                     builder.end_block("relu"));
    builder.add_conv2d("d", {.filters = 5, .kernel = {3, 2}});
    CHECK_THROWS(std::invalid_argument, "(8, 9, 5) and (6, 8, 5)", builder.end_block("relu"));
    builder.add_conv2d("e", {.filters = 5, .kernel = {3, 2}, .padding = "explicit", .pad = {2, 1}});
    builder.begin_block("inner", Join::concatenation);
    CHECK_THROWS(std::logic_error, "\"inner\" has no end", builder.build(1));
    builder.next_branch();
    builder.add_average_pool2d("smaller", {1, 2}, {1, 1});
    CHECK_THROWS(std::invalid_argument, "(8, 9, 5) and (8, 8, 5); only the last size",
                 builder.end_block());
    builder.add_conv2d("f", {.filters = 5, .kernel = {1, 2}, .padding = "explicit", .pad = {0, 1}});
    builder.next_branch();
    builder.end_block();
    CHECK(builder.output_shape() == (Shape{8, 9, 15}));
    builder.begin_block("product", Join::product);
    builder.add_conv2d("g", {.filters = 3});
    builder.next_branch();
    CHECK_THROWS(std::invalid_argument, "(8, 9, 3) and (8, 9, 15); their sizes must be equal or 1",
                 builder.end_block());
    builder.add_global_average_pool2d("weights");
    builder.add_dense("h", 3, "sigmoid", true);
    builder.end_block();
    CHECK(builder.output_shape() == (Shape{8, 9, 3}));
    builder.add_conv2d("i", {.filters = 5});
    builder.end_block("relu");
    CHECK_THROWS(std::logic_error, "no block to end", builder.end_block("relu"));
    CHECK_THROWS(std::invalid_argument, "two layers are named \"block\"",
                 builder.begin_block("block", Join::sum));
    CHECK_EQUAL(std::string("block"), builder.architecture().layers.back().name);
    CHECK(builder.architecture().layers.back().output_shape == (Shape{8, 9, 5}));
    const auto network = builder.build(1);
    CHECK_THROWS(std::logic_error, "built", builder.begin_block("late", Join::sum));
    CHECK_THROWS(std::logic_error, "a block", builder.next_branch());
    CHECK_THROWS(std::logic_error, "no block", builder.end_block("relu"));
}

// An inner layer takes the name of its block.
TEST(names_within_blocks) {
    Builder builder({6});
    builder.begin_block("block", Join::sum);
    CHECK_THROWS(std::invalid_argument, "two layers are named \"block\"",
                 builder.add_dense("block", 6, "relu", true));
    CHECK_THROWS(std::invalid_argument, "two layers are named \"block\"",
                 builder.begin_block("block", Join::sum));
}

TEST(shapes_of_image_layers) {
    Builder builder({9, 8, 3});
    builder.add_conv2d("same",
                       {.filters = 5, .kernel = {3, 2}, .strides = {2, 3}, .padding = "same"});
    builder.add_conv2d("explicit",
                       {.filters = 6, .kernel = {3, 3}, .padding = "explicit", .pad = {2, 1}});
    builder.add_max_pool2d("max", {2, 2}, {2, 2});
    builder.add_average_pool2d("average", {2, 1}, {1, 1});
    builder.add_global_average_pool2d("global");
    const auto& layers = builder.architecture().layers;
    CHECK(layers[0].output_shape == (Shape{5, 3, 5}));
    CHECK(layers[1].output_shape == (Shape{7, 3, 6}));
    CHECK(layers[2].output_shape == (Shape{3, 1, 6}));
    CHECK(layers[3].output_shape == (Shape{2, 1, 6}));
    CHECK(layers[4].output_shape == Shape{6});
    const auto network = builder.build(0);
    CHECK(network->parameter("same/kernel").shape == (Shape{3, 2, 3, 5}));
    CHECK_EQUAL(std::ptrdiff_t{3 * 2 * 3 * 5 + 5 + 3 * 3 * 5 * 6 + 6}, network->parameter_count());
}

// No work is done for gradients that no weight depends on.
TEST(gradients_end_at_the_first_weights) {
    Builder builder({8, 8, 3});
    builder.add_rescaling("r", {2.0f}, {0.5f});
    builder.add_average_pool2d("p", {2, 2}, {2, 2});
    builder.add_conv2d("c", {.filters = 4, .kernel = {3, 3}});
    builder.add_activation("a", "gelu");
    builder.add_flatten("f");
    builder.add_dense("d", 2, "linear", true);
    const auto network = builder.build(0);
    std::string needed;
    for (const auto& stage : network->architecture().stages)
        needed += stage->describe().substr(0, 5) + (stage->needs_input_gradient ? "+ " : "- ");
    CHECK_EQUAL(std::string("resca- avera- conv - gelu+ dense+ "), needed);
}

TEST(bad_losses) {
    CHECK(loss_from_name("mse") == Loss::mse);
    CHECK(loss_from_name("sse") == Loss::sse);
    CHECK(loss_from_name("cross_entropy") == Loss::cross_entropy);
    CHECK_THROWS(std::invalid_argument, "known: mse, sse, cross_entropy", loss_from_name("hinge"));
    CHECK_THROWS(std::invalid_argument, "\"MSE\"", loss_from_name("MSE"));
}

TEST(build_comes_once_and_last) {
    Builder empty({10});
    CHECK_THROWS(std::logic_error, "no layer with weights", empty.build(0));
    empty.add_activation("only", "relu");
    CHECK_THROWS(std::logic_error, "no layer with weights", empty.build(0));
    Builder builder({10});
    builder.add_dense("d", 3, "relu", true);
    const auto network = builder.build(0);
    CHECK_THROWS(std::logic_error, "built already", builder.build(0));
    CHECK_THROWS(std::logic_error, "\"late\"", builder.add_dense("late", 3, "relu", true));
    CHECK_THROWS(std::logic_error, "\"late\"", builder.add_flatten("late"));
    CHECK_THROWS(std::logic_error, "\"late\"", builder.add_activation("late", "relu"));
}

TEST(bad_normalization) {
    Builder builder({2, 2, 3});
    builder.add_flatten("f");
    builder.add_dense("d", 2, "linear", true);
    const auto network = builder.build(0);
    const std::vector<float> three{0.5f, 0.5f, 0.5f}, two{0.5f, 0.5f};
    CHECK_THROWS(std::invalid_argument, "(3), got 2 and 2",
                 network->set_input_normalization(two, two));
    CHECK_THROWS(std::invalid_argument, "got 3 and 2",
                 network->set_input_normalization(three, two));
    CHECK_THROWS(std::invalid_argument, "got 0 and 3", network->set_input_normalization({}, three));
    const float nan = std::nanf(""), infinity = std::numeric_limits<float>::infinity();
    for (const float bad : {0.0f, -1.0f, nan, infinity})
        CHECK_THROWS(std::invalid_argument, "channel 1",
                     network->set_input_normalization(three, {1.0f, bad, 1.0f}));
    for (const float bad : {nan, infinity, -infinity})
        CHECK_THROWS(std::invalid_argument, "channel 2",
                     network->set_input_normalization({0.0f, 0.0f, bad}, three));
    network->set_input_normalization(three, three);
    network->set_input_normalization({}, {});
}

TEST(parameters_have_names_and_shapes) {
    Builder builder({10});
    builder.add_dense("first", 20, "relu", true);
    builder.add_activation("between", "tanh");
    builder.add_dense("second", 3, "softmax", false);
    const auto network = builder.build(1);
    const auto parameters = network->parameters();
    CHECK_EQUAL(std::size_t{3}, parameters.size());
    CHECK_EQUAL(std::string("first/kernel"), parameters[0].name);
    CHECK(parameters[0].shape == (Shape{10, 20}));
    CHECK_EQUAL(std::string("first/bias"), parameters[1].name);
    CHECK(parameters[1].shape == Shape{20});
    CHECK_EQUAL(std::string("second/kernel"), parameters[2].name);
    CHECK(parameters[2].shape == (Shape{20, 3}));
    CHECK_EQUAL(std::ptrdiff_t{10 * 20 + 20 + 20 * 3}, network->parameter_count());
    CHECK_EQUAL(std::string("second/kernel"), network->parameter("second/kernel").name);
    CHECK_THROWS(std::out_of_range, "first/kernel, first/bias, second/kernel",
                 network->parameter("second/bias"));
    CHECK_EQUAL(std::size_t{4}, network->architecture().describe_stages().size());
}

TEST(parameters_are_read_as_they_were_written) {
    for (const std::ptrdiff_t inputs : {1, 3, 16, 17})
        for (const std::ptrdiff_t units : {1, 2, 15, 16, 17, 33}) {
            Builder builder({inputs});
            builder.add_dense("a", units, "linear", true);
            builder.add_dense("b", 5, "linear", true);
            const auto network = builder.build(3);
            std::vector<float> weights(static_cast<std::size_t>(network->parameter_count()));
            for (std::size_t i = 0; i < weights.size(); ++i)
                weights[i] = static_cast<float>(i) + 0.5f;
            set_weights(*network, weights);
            CHECK(identical(weights, weights_of(*network)));
            float value = 1000.0f;
            for (const Parameter& parameter : network->parameters()) {
                std::vector<float> gradient(
                    static_cast<std::size_t>(element_count(parameter.shape)));
                for (float& g : gradient) g = value += 1.0f;
                network->write_gradient(parameter, gradient.data());
                std::vector<float> back(gradient.size());
                network->read_gradient(parameter, back.data());
                CHECK(identical(gradient, back));
            }
            // Gradients and parameters do not share memory.
            CHECK(identical(weights, weights_of(*network)));
        }
}

double limit_of(const Network& network, const std::string& name) {
    const Parameter& p = network.parameter(name);
    std::vector<float> values(static_cast<std::size_t>(element_count(p.shape)));
    network.read_parameter(p, values.data());
    double largest = 0;
    for (const float value : values)
        largest = std::max(largest, std::fabs(static_cast<double>(value)));
    return largest;
}

std::unique_ptr<Network> small_network(std::uint64_t seed) {
    Builder builder(Shape{50});
    builder.add_dense("relu", 40, "relu", true);
    builder.add_dense("tanh", 40, "tanh", true);
    return builder.build(seed);
}

TEST(first_weights) {
    const auto network = small_network(7);
    // Uniform: He's limit for relu, Glorot's for the others; 2,000 draws come close to it.
    const double he = std::sqrt(6.0 / 50), glorot = std::sqrt(6.0 / 80);
    CHECK(limit_of(*network, "relu/kernel") <= he);
    CHECK(limit_of(*network, "relu/kernel") > 0.99 * he);
    CHECK(limit_of(*network, "tanh/kernel") <= glorot);
    CHECK(limit_of(*network, "tanh/kernel") > 0.99 * glorot);
    CHECK_EQUAL(0.0, limit_of(*network, "relu/bias"));
    double sum = 0, squares = 0;
    const auto weights = weights_of(*network);
    for (std::size_t i = 0; i < 2000; ++i) {
        sum += static_cast<double>(weights[i]);
        squares += static_cast<double>(weights[i]) * static_cast<double>(weights[i]);
    }
    CHECK(std::fabs(sum / 2000) < 4 * he / std::sqrt(3.0 * 2000));
    CHECK(std::fabs(squares / 2000 / (he * he / 3) - 1) < 0.1);
    // The seed decides, and nothing else does.
    CHECK(identical(weights, weights_of(*small_network(7))));
    CHECK(!identical(weights, weights_of(*small_network(8))));
    CHECK(!identical(weights, weights_of(*small_network(7 + (std::uint64_t{1} << 32)))));
    // Two layers do not draw the same numbers.
    CHECK(std::fabs(static_cast<double>(weights[0]) / he -
                    static_cast<double>(weights[2040]) / glorot) > 1e-3);
}

// One layer of 50 inputs and 4000 outputs, or a convolution of as many weights.
std::vector<float> first_values(const std::string& initializer, const std::string& activation,
                                std::uint64_t seed = 7) {
    Builder builder(Shape{50});
    builder.add_dense("d", 4000, activation, false, {.initializer = initializer});
    const auto network = builder.build(seed);
    return weights_of(*network);
}

TEST(initializers) {
    const double he = 2.0 / 50, glorot = 2.0 / 4050;
    struct Case {
        const char* name;
        double variance;
        bool normal;
    };
    for (const Case& test :
         {Case{"he_uniform", he, false}, Case{"he_normal", he, true},
          Case{"glorot_uniform", glorot, false}, Case{"glorot_normal", glorot, true}}) {
        const auto values = first_values(test.name, "linear");
        const auto count = static_cast<double>(values.size());
        double sum = 0, squares = 0, fourth = 0, largest = 0;
        for (const float value : values) {
            const double v = static_cast<double>(value) / std::sqrt(test.variance);
            sum += v;
            squares += v * v;
            fourth += v * v * v * v;
            largest = std::max(largest, std::fabs(v));
        }
        // Standard errors of the mean and the mean square, for 200,000 draws.
        CHECK(std::fabs(sum) < 4 * std::sqrt(count));
        CHECK_THAT(std::fabs(squares / count - 1) < 4 * std::sqrt(1.3 / count), test.name);
        // The fourth moment tells a uniform distribution from a cut-off normal one.
        const double expected = test.normal ? 2.3656 : 1.8;
        CHECK_THAT(std::fabs(fourth / count - expected) < 0.03, test.name << " " << fourth / count);
        const double limit = test.normal ? 2 / 0.87962566103423978 : std::sqrt(3.0);
        CHECK_THAT(largest <= limit * (1 + 1e-6) && largest > 0.999 * limit,
                   test.name << " " << largest);
        CHECK(identical(values, first_values(test.name, "relu")));
        CHECK(!identical(values, first_values(test.name, "relu", 8)));
    }
    for (const float value : first_values("zeros", "relu")) CHECK_EQUAL(0.0f, value);
    // Without a name it follows the activation.
    for (const char* activation : {"relu", "relu6", "leaky_relu", "gelu", "silu", "hard_swish"})
        CHECK(identical(first_values("", activation), first_values("he_uniform", "linear")));
    for (const char* activation : {"linear", "sigmoid", "tanh", "softmax"})
        CHECK(identical(first_values("", activation), first_values("glorot_uniform", "linear")));
}

// The values of the normal distribution at the middle of its parts: against the distribution.
TEST(normal_values_follow_the_distribution) {
    auto values = first_values("he_normal", "linear");
    std::sort(values.begin(), values.end());
    const double deviation = std::sqrt(2.0 / 50) / 0.87962566103423978;
    double worst = 0;
    for (std::size_t i = 0; i < values.size(); ++i) {
        const double z = static_cast<double>(values[i]) / deviation;
        const double below =
            (std::erfc(-z * std::sqrt(0.5)) / 2 - 0.022750131948179195) / 0.95449973610364158;
        const double share = (static_cast<double>(i) + 0.5) / static_cast<double>(values.size());
        worst = std::max(worst, std::fabs(below - share));
    }
    // Kolmogorov and Smirnov: beyond 1.95 / sqrt(n) once in a thousand.
    CHECK_THAT(worst < 1.95 / std::sqrt(static_cast<double>(values.size())), worst);
}

TEST(first_weights_of_a_pooled_convolution) {
    const auto build = [](const std::string& initializer, bool pooled) {
        Builder builder(Shape{8, 8, 3});
        builder.add_conv2d("c", {.filters = 5,
                                 .kernel = {3, 3},
                                 .activation = "tanh",
                                 .kernel_settings = {initializer, {.l2 = 0.5}}});
        if (pooled) builder.add_max_pool2d("p", {2, 2}, {2, 2});
        const auto network = builder.build(1);
        CHECK(network->penalty() > 0);
        return weights_of(*network);
    };
    CHECK(identical(build("he_normal", true), build("he_normal", false)));
    CHECK(!identical(build("he_normal", true), build("", true)));
}

TEST(bad_kernel_settings) {
    Builder builder({10});
    const auto add = [&](const KernelSettings& settings) {
        builder.add_dense("d", 3, "relu", true, settings);
    };
    CHECK_THROWS(std::invalid_argument,
                 "unknown initializer \"ones\"; known: zeros, he_uniform, he_normal",
                 add({.initializer = "ones"}));
    CHECK_THROWS(std::invalid_argument, "d/kernel must be finite and not negative, got -1",
                 add({.penalty = {.l1 = -1.0}}));
    CHECK_THROWS(std::invalid_argument, "got inf", add({.penalty = {.l2 = HUGE_VAL}}));
    CHECK_THROWS(std::invalid_argument, "got nan", add({.penalty = {.l2 = std::nan("")}}));
    CHECK(builder.architecture().layers.empty());
    builder.add_dense("d", 3, "relu", true);
    const auto network = builder.build(1);
    CHECK_EQUAL(0.0, network->penalty());
}

TEST(bad_rescaling) {
    Builder builder({4, 5, 3});
    CHECK_THROWS(std::invalid_argument,
                 "\"r\": scale must have 1 value or one per channel (3), got 2",
                 builder.add_rescaling("r", {1.0f, 2.0f}, {0.0f}));
    CHECK_THROWS(std::invalid_argument, "offset must have 1 value or one per channel (3), got 0",
                 builder.add_rescaling("r", {1.0f}, {}));
    CHECK_THROWS(std::invalid_argument, "scale must be finite, got inf",
                 builder.add_rescaling("r", {1.0f, HUGE_VALF, 0.0f}, {0.0f}));
    CHECK(builder.architecture().layers.empty());
}

}  // namespace
