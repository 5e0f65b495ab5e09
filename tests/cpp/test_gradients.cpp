// Outputs, losses and gradients of networks against double arithmetic, at sizes that fit no tile.
//
// Errors are measured against the size of the gradient of the very same parameter, never of the
// weights: a step is learning rate * gradient, so a wrong gradient hides behind a large weight.
#include <cmath>
#include <string>
#include <vector>

#include "check.h"
#include "network_data.h"
#include "reference_network.h"
#include "runtime/parallel.h"

using namespace nncore;
using network::Join;
using network::Loss;
using network::Network;

namespace {

using Doubles = ReferenceNetwork::Doubles;

constexpr Loss kLosses[] = {Loss::mse, Loss::sse, Loss::cross_entropy};
const char* const kLossNames[] = {"mse", "sse", "cross_entropy"};
const char* const kActivations[] = {"linear", "relu",    "leaky_relu", "gelu",
                                    "silu",   "sigmoid", "tanh",       "softmax"};
// Those that are cut off; as inner ones.
const char* const kLimited[] = {"relu6", "hard_swish", "hard_sigmoid"};

Doubles doubles(const std::vector<float>& values) { return {values.begin(), values.end()}; }

// Root mean square.
double size_of(const Doubles& values) {
    double sum = 0;
    for (const double value : values) sum += value * value;
    return std::sqrt(sum / static_cast<double>(values.size()));
}

// The largest difference between a float tensor and its exact value, relative to the latter's size.
double relative_error(const std::vector<float>& actual, const Doubles& exact) {
    double worst = 0;
    for (std::size_t i = 0; i < exact.size(); ++i) {
        const double error = std::fabs(static_cast<double>(actual[i]) - exact[i]);
        worst = error <= worst ? worst : error;  // NaN stays
    }
    const double size = size_of(exact);
    return worst == 0 ? 0 : worst / size;
}

double largest_error = 0;  // over the whole program, to show how much of the bound is used

int draws_at_a_kink = 0;  // and were drawn again

constexpr double kGradientBound = 2e-5;

void check_network(const NetworkSpec& spec, std::ptrdiff_t batch, std::size_t loss, int targets,
                   std::uint64_t seed) {
    const auto network = spec.build(seed);
    const Data data(batch, spec.inputs, spec.outputs(), seed + 1);
    ReferenceNetwork reference(spec, *network);
    reference.forward(doubles(data.x));
    if (reference.margin() < 1e-6) {
        ++draws_at_a_kink;
        check_network(spec, batch, loss, targets, seed + 1000000);
        return;
    }
    const std::string what =
        spec.describe() + ", batch " + std::to_string(batch) + ", " + kLossNames[loss];
    const Doubles exact_targets = doubles(targets == 2 ? data.soft : data.one_hot);
    const double exact_loss = reference.loss(kLosses[loss], exact_targets);
    reference.backward(kLosses[loss], exact_targets);

    const double actual_loss = network->compute_gradients(data.images(),
                                                          targets == 0   ? data.label_targets()
                                                          : targets == 1 ? data.one_hot_targets()
                                                                         : data.soft_targets(),
                                                          kLosses[loss]);
    CHECK_THAT(std::fabs(actual_loss - exact_loss) <= 1e-5 * std::fabs(exact_loss) + 1e-7,
               what << ": loss " << actual_loss << ", exactly " << exact_loss);
    CHECK_EQUAL(batch, network->last_rows());

    for (std::size_t l = 0; l < spec.layers.size(); ++l) {
        const ReferenceNetwork::Layer& layer = reference.layers[l];
        if (layer.name.empty()) continue;
        std::vector<float> output(layer.output.size());
        network->read_layer_output(layer_named(*network, layer.name), network->last_rows(),
                                   output.data());
        const double output_error = relative_error(output, layer.output);
        CHECK_THAT(output_error <= 1e-5, what << ": output of layer " << l << " is off by "
                                              << output_error << " of its size");
        const auto check = [&](const std::string& name, const Doubles& exact) {
            std::vector<float> gradient(exact.size());
            network->read_gradient(network->parameter(layer.name + name), gradient.data());
            const double error = relative_error(gradient, exact);
            if (std::isfinite(error)) largest_error = std::max(largest_error, error);
            CHECK_THAT(error <= kGradientBound, what << ": gradient of " << layer.name << name
                                                     << " is off by " << error << " of its size");
        };
        if (layer.has_kernel) check(layer.kernel_name, layer.kernel_gradient);
        if (layer.has_bias) check(layer.bias_name, layer.bias_gradient);
    }
}

NetworkSpec dense_network(const std::vector<std::ptrdiff_t>& sizes, const char* inner,
                          const char* last) {
    NetworkSpec spec{sizes[0], {}};
    for (std::size_t i = 1; i < sizes.size(); ++i)
        spec.layers.push_back({sizes[i], i + 1 == sizes.size() ? last : inner, true});
    return spec;
}

// The oracle first: its gradients against central differences of its loss.
void check_reference(const NetworkSpec& spec, std::size_t loss, std::uint64_t seed) {
    const auto network = spec.build(seed);
    ReferenceNetwork reference(spec, *network);
    const Data data(4, 7, 3, seed);
    const Doubles x = doubles(data.x), targets = doubles(data.soft);
    reference.forward(x);
    reference.backward(kLosses[loss], targets);
    double worst = 0, size = 0;
    for (std::size_t l = 0; l < 2; ++l)
        for (const bool kernel : {true, false}) {
            ReferenceNetwork::Layer& layer = reference.layers[l];
            const Doubles gradient = kernel ? layer.kernel_gradient : layer.bias_gradient;
            Doubles& values = kernel ? layer.kernel : layer.bias;
            size = std::max(size, size_of(gradient));
            for (std::size_t i = 0; i < values.size(); ++i) {
                const double kept = values[i], step = 1e-5;
                values[i] = kept + step;
                reference.forward(x);
                const double above = reference.loss(kLosses[loss], targets);
                values[i] = kept - step;
                reference.forward(x);
                const double below = reference.loss(kLosses[loss], targets);
                values[i] = kept;
                worst = std::max(worst, std::fabs((above - below) / (2 * step) - gradient[i]));
            }
        }
    CHECK(size > 1e-4);
    CHECK_THAT(worst <= 1e-6 * size + 1e-9, spec.describe()
                                                << " " << kLossNames[loss] << ": off by " << worst
                                                << " at a size of " << size);
}

TEST(reference_gradients_are_finite_differences) {
    std::uint64_t seed = 1;
    for (std::size_t loss = 0; loss < 3; ++loss) {
        for (const char* inner : kActivations)
            for (const char* last : kActivations)
                check_reference(dense_network({7, 5, 3}, inner, last), loss, ++seed);
        for (const char* inner : kLimited)
            check_reference(dense_network({7, 5, 3}, inner, "linear"), loss, 900 + loss);
    }
}

// Every inner activation with every last one and every loss.
TEST(activations_and_losses) {
    std::uint64_t seed = 100;
    for (std::size_t loss = 0; loss < 3; ++loss)
        for (const char* inner : kActivations)
            for (const char* last : kActivations)
                for (int targets = 0; targets < 3; ++targets)
                    check_network(dense_network({7, 5, 3}, inner, last), 17, loss, targets, ++seed);
}

// Sizes beside the tiles (14 x 32 and smaller) and the blocks of 16, batches likewise.
TEST(odd_sizes) {
    std::uint64_t seed = 1000;
    std::size_t turn = 0;
    for (const auto& sizes : std::vector<std::vector<std::ptrdiff_t>>{
             {100, 84, 60, 10}, {7, 5, 3}, {784, 17, 10}, {16, 16, 16}, {33, 31, 2}, {3, 65, 5}})
        for (const std::ptrdiff_t batch : {1, 15, 16, 17, 33})
            for (std::size_t loss = 0; loss < 3; ++loss) {
                ++seed;
                const char* inner = kActivations[turn % 8];
                const char* last = kActivations[(turn / 8 + turn) % 8];
                check_network(dense_network(sizes, inner, last), batch, loss,
                              static_cast<int>(seed % 3), seed);
                turn += 3;
            }
    // One weight and one bias.
    for (const char* last : kActivations)
        for (std::size_t loss = 0; loss < 3; ++loss)
            for (const std::ptrdiff_t batch : {1, 16, 17})
                check_network(dense_network({1, 1}, "linear", last), batch, loss, 2, ++seed);
}

// The same with teams: above the threshold of work the batch is shared by 2, 3 or 8 threads.
TEST(odd_sizes_in_teams) {
    std::uint64_t seed = 2000;
    for (const int threads : {2, 3, 8}) {
        runtime::set_thread_limit(threads);
        for (const char* inner : {"relu", "tanh", "softmax"})
            check_network(dense_network({100, 84, 60, 10}, inner, "softmax"), 33, 2, 0, ++seed);
        check_network(dense_network({784, 17, 10}, "relu", "sigmoid"), 33, 0, 1, ++seed);
        check_network(dense_network({7, 5, 3}, "sigmoid", "softmax"), 7001, 1, 2, ++seed);
    }
    runtime::set_thread_limit(1);
}

// Layers that cannot be fused: activations behind activations, before the first weights, at the
// end.
TEST(separate_activations) {
    std::uint64_t seed = 3000;
    const std::vector<NetworkSpec> specs{
        {9, {{0, "tanh"}, {20, "relu"}, {5, "softmax"}}},
        {9, {{0, "softmax"}, {20, "linear"}, {5, "linear"}}},
        {9, {{20, "tanh"}, {0, "relu"}, {5, "linear"}}},
        {9, {{20, "sigmoid"}, {0, "tanh"}, {0, "softmax"}, {5, "tanh"}}},
        {9, {{20, "linear"}, {0, "relu"}, {5, "linear"}, {0, "sigmoid"}}},
        {9, {{20, "softmax"}, {0, "sigmoid"}, {5, "relu"}, {0, "softmax"}}},
        {9, {{20, "relu"}, {0, "softmax"}, {0, "softmax"}, {5, "softmax"}, {0, "softmax"}}},
        {9, {{20, "relu", false}, {5, "softmax", false}}},
        {9, {{20, "tanh", false}, {33, "sigmoid", true}, {5, "linear", false}}},
        {9, {{0, "gelu"}, {20, "silu"}, {0, "gelu"}, {5, "leaky_relu"}, {0, "silu"}}},
        {9, {{0, "silu"}, {20, "leaky_relu"}, {0, "gelu"}, {0, "silu"}, {5, "gelu"}}},
        {9, {{20, "leaky_relu"}, {0, "leaky_relu"}, {5, "silu"}, {0, "softmax"}}},
        {9, {{20, "linear"}, rescaling({9.0f}, {1.0f}), {0, "relu6"}, {5, "linear"}}},
        {9, {{20, "linear"}, rescaling({4.0f}, {0.0f}), {0, "hard_swish"}, {5, "softmax"}}},
        {9, {{20, "linear"}, rescaling({-4.0f}, {0.5f}), {0, "hard_sigmoid"}, {5, "tanh"}}},
        {9, {{20, "relu6"}, {7, "hard_swish"}, {5, "hard_sigmoid"}}},
        {9, {rescaling({3.0f}, {-1.0f}), {20, "tanh"}, rescaling({-0.5f}, {0.25f}), {5, "relu"}}},
        {3,
         {{5, "leaky_relu"},
          rescaling({3.0f, 0.0f, -1.0f, 0.5f, 2.0f}, {0.1f, 0.2f, 0.3f, 0.4f, 0.5f}),
          {4, "gelu"},
          rescaling({2.0f}, {0.0f})}},
    };
    for (const NetworkSpec& spec : specs)
        for (std::size_t loss = 0; loss < 3; ++loss)
            for (const std::ptrdiff_t batch : {1, 17}) check_network(spec, batch, loss, 1, ++seed);
}

// The penalties of kernels, in the loss and in its gradient; their rate is large enough to show.
TEST(penalties) {
    std::uint64_t seed = 4000;
    NetworkSpec dense = dense_network({100, 84, 60, 10}, "tanh", "softmax");
    dense.layers[0].penalty = {.l2 = 0.01};
    dense.layers[2].penalty = {.l1 = 0.003, .l2 = 0.001};
    NetworkSpec images = image_network({8, 9, 3}, {conv(17, {3, 3}, "relu", "same"),
                                                   max_pool({2, 2}, {2, 2}),
                                                   conv(5, {2, 2}, "gelu"),
                                                   flatten(),
                                                   {3, "linear"}});
    images.layers[0].penalty = {.l1 = 0.01};
    images.layers[2].penalty = {.l2 = 0.02};
    for (const int threads : {1, 3}) {
        runtime::set_thread_limit(threads);
        for (const NetworkSpec& spec : {dense, images})
            for (std::size_t loss = 0; loss < 3; ++loss)
                for (const std::ptrdiff_t batch : {1, 33}) {
                    check_network(spec, batch, loss, 1, ++seed);
                    const auto network = spec.build(seed);
                    const double exact = ReferenceNetwork(spec, *network).penalty();
                    CHECK(exact > 0.1);
                    CHECK_THAT(std::fabs(network->penalty() - exact) <= 1e-6 * exact,
                               spec.describe() << ": " << network->penalty() << ", not " << exact);
                }
    }
    runtime::set_thread_limit(1);
    CHECK_EQUAL(0.0, dense_network({7, 5, 3}, "relu", "softmax").build(1)->penalty());
}

// --- images ---------------------------------------------------------------------------------

// Convolutions of every kind: few and many channels (gathered and scattered input gradients, lanes
// that are full and not), all paddings, strides, kernels that are larger than the image, pools that
// are fused and pools that are not, borders on both sides of every kind of layer.
const NetworkSpec kImageNetworks[] = {
    image_network({7, 6, 1}, {conv(5, {3, 3}, "relu"), flatten(), {3, "softmax"}}),
    image_network({8, 9, 3}, {conv(6, {5, 5}, "tanh", "same"),
                              max_pool({2, 2}, {2, 2}),
                              conv(17, {3, 3}, "relu", "same"),
                              max_pool({2, 2}, {2, 2}),
                              flatten(),
                              {3, "softmax"}}),
    image_network({9, 7, 2}, {conv(16, {3, 2}, "relu", "same", {2, 2}),
                              conv(33, {2, 3}, "sigmoid", "explicit", {1, 2}, {1, 2}),
                              global_average_pool(),
                              {3, "linear"}}),
    image_network({6, 6, 17}, {conv(32, {3, 3}, "relu", "same"),
                               conv(48, {3, 3}, "relu", "valid"),
                               max_pool({2, 2}, {2, 2}),
                               flatten(),
                               {4, "softmax"}}),
    image_network({7, 7, 4}, {conv(5, {1, 1}, "linear"),
                              max_pool({3, 2}, {2, 1}),
                              {0, "tanh"},
                              conv(7, {3, 3}, "linear", "same"),
                              average_pool({2, 3}, {1, 2}),
                              flatten(),
                              {3, "sigmoid"}}),
    image_network(
        {5, 5, 3},
        {{0, "tanh"}, conv(8, {3, 3}, "relu", "same", {3, 3}), flatten(), {3, "softmax"}}),
    image_network({5, 4, 3}, {average_pool({2, 2}, {1, 1}),
                              conv(20, {2, 2}, "relu", "explicit", {1, 1}, {1, 1}),
                              max_pool({2, 2}, {2, 2}),
                              conv(6, {2, 2}, "tanh", "same"),
                              flatten(),
                              {3, "softmax"}}),
    image_network({3, 3, 2}, {conv(4, {5, 5}, "relu", "same"),
                              conv(3, {7, 7}, "tanh", "explicit", {2, 2}, {4, 4}),
                              flatten(),
                              {2, "linear"}}),
    image_network({6, 5, 1},
                  {conv(3, {2, 2}, "relu", "valid", {1, 1}, {0, 0}, false),
                   max_pool({2, 2}, {1, 1}), conv(2, {2, 2}, "linear", "valid"), flatten()}),
    // Behind gelu and silu the pool is a stage of its own; leaky_relu goes through a fused one.
    image_network({8, 9, 3}, {rescaling({2.0f, 1.0f, 0.5f}, {-1.0f, 0.0f, 0.5f}),
                              conv(6, {3, 3}, "gelu", "same"),
                              max_pool({2, 2}, {2, 2}),
                              conv(17, {3, 3}, "leaky_relu", "same"),
                              max_pool({2, 2}, {2, 2}),
                              rescaling({0.5f}, {1.0f}),
                              conv(5, {2, 2}, "silu", "same"),
                              flatten(),
                              {0, "gelu"},
                              {3, "softmax"}}),
    image_network({6, 6, 17}, {conv(32, {3, 3}, "leaky_relu", "same"),
                               conv(48, {3, 3}, "silu", "valid", {2, 2}),
                               conv(33, {2, 2}, "gelu"),
                               {0, "tanh"},
                               flatten(),
                               {4, "gelu"}}),
    image_network({9, 9, 6},
                  {conv(16, {5, 5}, "relu"), max_pool({2, 2}, {2, 2}), flatten(), {10, "softmax"}}),
    // Dilated: before and behind a pool, with a stride, one channel, a kernel larger than the
    // image.
    image_network({11, 9, 1}, {spaced(conv(7, {3, 2}, "relu"), {2, 3}),
                               max_pool({2, 2}, {2, 2}),
                               spaced(conv(17, {2, 2}, "tanh", "same", {2, 1}), {3, 2}),
                               flatten(),
                               {3, "softmax"}}),
    image_network({6, 7, 18}, {spaced(conv(33, {3, 3}, "relu", "explicit", {1, 2}, {3, 1}), {2, 2}),
                               spaced(conv(5, {3, 3}, "sigmoid", "same"), {4, 5}),
                               flatten(),
                               {2, "linear"}}),
    // In groups, one by one and with lanes over them; with one and several inputs and outputs each.
    image_network({7, 8, 4},
                  {spaced(conv(12, {3, 3}, "relu", "same"), {1, 1}, 2),
                   max_pool({2, 2}, {2, 2}),
                   spaced(conv(40, {2, 3}, "tanh", "explicit", {1, 1}, {1, 2}), {2, 1}, 2),
                   spaced(conv(6, {2, 2}, "relu", "valid", {2, 1}), {1, 1}, 2),
                   flatten(),
                   {3, "softmax"}}),
    image_network({6, 7, 3},
                  {spaced(conv(3, {3, 3}, "relu", "same"), {1, 1}, 3),
                   conv(19, {1, 1}, "sigmoid"),
                   spaced(conv(19, {3, 2}, "tanh", "same", {2, 1}), {1, 2}, 19),
                   spaced(conv(38, {2, 2}, "linear", "valid", {1, 1}, {0, 0}, false), {1, 1}, 19),
                   max_pool({2, 2}, {1, 1}),
                   flatten(),
                   {3, "softmax"}}),
    image_network({5, 6, 34},
                  {spaced(conv(51, {3, 2}, "relu", "same"), {1, 1}, 17),
                   spaced(conv(85, {2, 3}, "relu", "explicit", {1, 2}, {0, 1}), {2, 1}, 17),
                   global_average_pool(),
                   {3, "linear"}}),
    // By minimal filtering; odd sizes, and windows that see nothing of the image.
    image_network({7, 6, 33}, {conv(40, {3, 3}, "relu", "same"),
                               conv(35, {3, 3}, "tanh", "valid"),
                               conv(64, {3, 3}, "linear", "explicit", {1, 1}, {3, 0}, false),
                               {0, "gelu"},
                               flatten(),
                               {3, "softmax"}}),
};

TEST(images) {
    std::uint64_t seed = 5000;
    for (const NetworkSpec& spec : kImageNetworks)
        for (std::size_t loss = 0; loss < 3; ++loss)
            for (const std::ptrdiff_t batch : {1, 5, 17}) {
                ++seed;
                check_network(spec, batch, loss, static_cast<int>(seed % 3), seed);
            }
}

TEST(images_in_teams) {
    std::uint64_t seed = 6000;
    for (const int threads : {2, 3, 8}) {
        runtime::set_thread_limit(threads);
        for (const NetworkSpec& spec : kImageNetworks) check_network(spec, 33, 2, 0, ++seed);
    }
    runtime::set_thread_limit(1);
}

// Ten weights of each parameter: central differences of the reference's loss.
void check_differences(const NetworkSpec& spec, std::ptrdiff_t batch, std::uint64_t seed) {
    const auto network = spec.build(seed);
    ReferenceNetwork reference(spec, *network);
    const Data data(batch, spec.inputs, spec.outputs(), seed);
    const Doubles x = doubles(data.x), targets = doubles(data.soft);
    reference.forward(x);
    reference.backward(Loss::mse, targets);
    Random random(seed);
    double worst = 0, size = 0;
    const auto check = [&](Doubles& values, const Doubles gradient) {
        size = std::max(size, size_of(gradient));
        for (int draw = 0; draw < 10; ++draw) {
            const auto i = static_cast<std::size_t>(
                random.below(static_cast<std::ptrdiff_t>(gradient.size())));
            const double kept = values[i], step = 1e-6;
            values[i] = kept + step;
            reference.forward(x);
            const double above = reference.loss(Loss::mse, targets);
            values[i] = kept - step;
            reference.forward(x);
            const double below = reference.loss(Loss::mse, targets);
            values[i] = kept;
            worst = std::max(worst, std::fabs((above - below) / (2 * step) - gradient[i]));
        }
    };
    for (ReferenceNetwork::Layer& layer : reference.layers) {
        if (layer.has_kernel) check(layer.kernel, layer.kernel_gradient);
        if (layer.has_bias) check(layer.bias, layer.bias_gradient);
    }
    CHECK(size > 1e-5);
    CHECK_THAT(worst <= 1e-5 * size + 1e-8,
               spec.describe() << ": off by " << worst << " at a size of " << size);
}

TEST(reference_gradients_of_images_are_finite_differences) {
    std::uint64_t seed = 7000;
    for (const NetworkSpec& spec : kImageNetworks) check_differences(spec, 2, ++seed);
}

// --- normalization and residual blocks ------------------------------------------------------

LayerSpec unbiased(std::ptrdiff_t filters, network::Extent kernel, const std::string& padding,
                   network::Extent strides = {1, 1}) {
    return conv(filters, kernel, "linear", padding, strides, {0, 0}, false);
}

// Normalizations first, last, fused with an activation, not fused, before pools and borders; blocks
// with the identity, with a projection, with other borders on the two ways, nested, first, last,
// behind activations (whose derivative both ways must take), without any layer, of flat samples.
const NetworkSpec kNormalizedNetworks[] = {
    image_network({7, 6, 2}, {unbiased(5, {3, 3}, "same"),
                              batch_norm(),
                              {0, "relu"},
                              conv(4, {3, 3}, "tanh", "same"),
                              flatten(),
                              {3, "softmax"}}),
    image_network({6, 6, 3}, {batch_norm(),
                              conv(17, {3, 3}, "relu", "same"),
                              max_pool({2, 2}, {2, 2}),
                              batch_norm(0.5f, 1e-2f),
                              {0, "sigmoid"},
                              flatten(),
                              {0, "relu"},
                              {4, "linear"}}),
    {11, {{20, "linear", false}, batch_norm(), {0, "tanh"}, {5, "linear", false}, batch_norm()}},
    {9,
     {batch_norm(),
      {16, "relu"},
      layer_norm(),
      {7, "tanh"},
      batch_norm(),
      {5, "linear"},
      layer_norm(1e-2f),
      {0, "softmax"}}},
    image_network({5, 6, 7}, {layer_norm(),
                              conv(9, {3, 3}, "relu", "same"),
                              layer_norm(),
                              {0, "relu"},
                              average_pool({2, 2}, {2, 2}),
                              layer_norm(),
                              flatten(),
                              {3, "softmax"}}),
    image_network({6, 7, 4}, {conv(6, {3, 3}, "tanh", "same"),
                              begin(),
                              conv(8, {3, 3}, "sigmoid", "same"),
                              conv(6, {3, 3}, "linear", "same"),
                              end("relu"),
                              max_pool({2, 2}, {2, 2}),
                              flatten(),
                              {3, "softmax"}}),
    image_network({7, 7, 3}, {conv(5, {3, 3}, "relu", "same"),
                              begin(),
                              unbiased(18, {3, 3}, "same", {2, 2}),
                              batch_norm(),
                              {0, "relu"},
                              unbiased(18, {3, 3}, "same"),
                              batch_norm(),
                              shortcut(),
                              unbiased(18, {1, 1}, "valid", {2, 2}),
                              batch_norm(),
                              end("relu"),
                              begin(),
                              unbiased(18, {3, 3}, "same"),
                              batch_norm(),
                              end("relu"),
                              global_average_pool(),
                              {3, "softmax"}}),
    // Both ways want borders, and other ones.
    image_network({5, 5, 3}, {begin(),
                              conv(4, {5, 5}, "tanh", "same"),
                              shortcut(),
                              conv(4, {3, 3}, "sigmoid", "same"),
                              end("tanh"),
                              conv(3, {3, 3}, "relu", "same"),
                              flatten(),
                              {2, "linear"}}),
    image_network({4, 5, 6}, {{0, "tanh"},
                              begin(),
                              begin(),
                              conv(6, {3, 3}, "tanh", "same"),
                              begin(),
                              end("sigmoid"),
                              end(),
                              layer_norm(),
                              begin(),
                              conv(6, {1, 3}, "linear", "same"),
                              shortcut(),
                              begin(),
                              conv(6, {3, 1}, "linear", "same"),
                              end("tanh"),
                              end(),
                              end("relu"),
                              flatten(),
                              begin(),
                              {0, "tanh"},
                              end(),
                              {3, "softmax"}}),
    {12,
     {{10, "relu"},
      begin(),
      {14, "linear", false},
      batch_norm(),
      {0, "relu"},
      {10, "linear"},
      end("sigmoid"),
      begin(),
      {4, "tanh"},
      shortcut(),
      {4, "linear"},
      end("tanh")}},
    // Expansions before depthwise convolutions, normalized from their inputs: right behind the
    // images, behind an activation, with a stride, in a block.
    image_network({16, 17, 3}, {unbiased(16, {1, 1}, "valid"),
                                batch_norm(),
                                {0, "tanh"},
                                spaced(unbiased(16, {3, 3}, "same", {1, 1}), {1, 1}, 16),
                                batch_norm(),
                                {0, "tanh"},
                                average_pool({4, 4}, {4, 4}),
                                flatten(),
                                {3, "softmax"}}),
    image_network({17, 16, 2}, {conv(5, {3, 3}, "tanh", "same"),
                                begin(),
                                unbiased(16, {1, 1}, "valid"),
                                batch_norm(0.9f, 1e-2f),
                                {0, "tanh"},
                                spaced(unbiased(16, {5, 3}, "same", {1, 1}), {1, 1}, 16),
                                batch_norm(),
                                {0, "tanh"},
                                unbiased(5, {1, 1}, "valid"),
                                batch_norm(),
                                end("tanh"),
                                unbiased(16, {1, 1}, "valid"),
                                batch_norm(),
                                {0, "relu6"},
                                spaced(unbiased(16, {3, 3}, "same", {2, 2}), {1, 1}, 16),
                                {0, "tanh"},
                                average_pool({4, 4}, {4, 4}),
                                flatten(),
                                {3, "softmax"}}),
    // By minimal filtering.
    image_network({5, 6, 32}, {begin(),
                               conv(48, {3, 3}, "linear", "same", {1, 1}, {0, 0}, false),
                               batch_norm(),
                               {0, "relu"},
                               conv(32, {3, 3}, "linear", "same", {1, 1}, {0, 0}, false),
                               batch_norm(),
                               end("relu"),
                               global_average_pool(),
                               {3, "softmax"}}),
    // Three branches that are added, among them the input twice; branches that are concatenated,
    // with borders of their own, and the input among them, first or last; flat ones.
    image_network({5, 4, 3}, {begin(),
                              conv(3, {3, 3}, "tanh", "same"),
                              shortcut(),
                              shortcut(),
                              shortcut(),
                              conv(3, {5, 5}, "linear", "same"),
                              end("sigmoid"),
                              begin(Join::concatenation),
                              conv(5, {3, 3}, "tanh", "same"),
                              shortcut(),
                              batch_norm(),
                              shortcut(),
                              end(),
                              begin(Join::concatenation),
                              shortcut(),
                              conv(2, {1, 5}, "relu", "same"),
                              end("tanh"),
                              global_average_pool(),
                              begin(Join::concatenation),
                              {3, "tanh"},
                              shortcut(),
                              shortcut(),
                              {17, "linear"},
                              end(),
                              {3, "softmax"}}),
    // Products with the weights of channels, of pixels, and of equal shapes.
    image_network({4, 3, 3}, {conv(5, {3, 3}, "tanh", "same"),
                              begin(Join::product),
                              shortcut(),
                              global_average_pool(),
                              {4, "tanh"},
                              {5, "sigmoid"},
                              end(),
                              begin(Join::product),
                              conv(1, {3, 3}, "sigmoid", "same"),
                              shortcut(),
                              conv(5, {1, 1}, "tanh"),
                              shortcut(),
                              end("tanh"),
                              flatten(),
                              begin(Join::product),
                              {6, "tanh"},
                              shortcut(),
                              {6, "sigmoid"},
                              end(),
                              {3, "softmax"}}),
    // The shortcut is given, yet has no layer but a mark's; a flatten right before a block.
    image_network({3, 4, 2}, {conv(3, {2, 2}, "relu"),
                              begin(),
                              {0, "tanh"},
                              shortcut(),
                              end(),
                              flatten(),
                              begin(),
                              {18, "tanh"},
                              end("relu"),
                              {3, "softmax"}}),
};

// The reference takes long for those.
bool is_large(const NetworkSpec& spec) { return spec.inputs > 500; }

TEST(reference_gradients_of_normalizations_are_finite_differences) {
    std::uint64_t seed = 8000;
    for (const NetworkSpec& spec : kNormalizedNetworks) check_differences(spec, 6, ++seed);
}

// Batches that are no multiple of a chunk, and more than 16 chunks of 4.
TEST(normalization_and_residual_blocks) {
    std::uint64_t seed = 9000;
    for (const NetworkSpec& spec : kNormalizedNetworks)
        for (std::size_t loss = 0; loss < 3; ++loss)
            for (const std::ptrdiff_t batch : {6, 17, 70}) {
                ++seed;
                if (batch > 17 && is_large(spec)) continue;
                check_network(spec, batch, loss, static_cast<int>(seed % 3), seed);
            }
}

TEST(normalization_and_residual_blocks_in_teams) {
    std::uint64_t seed = 10000;
    for (const int threads : {2, 3, 8}) {
        runtime::set_thread_limit(threads);
        for (const NetworkSpec& spec : kNormalizedNetworks)
            check_network(spec, is_large(spec) ? 35 : 99, 2, 0, ++seed);
    }
    runtime::set_thread_limit(1);
}

// What a batch normalization takes away again has no gradient: a bias before it.
TEST(a_bias_before_batch_normalization_has_no_gradient) {
    const NetworkSpec spec = image_network(
        {6, 6, 2},
        {conv(5, {3, 3}, "linear", "same"), batch_norm(), {0, "tanh"}, flatten(), {3, "softmax"}});
    const auto network = spec.build(1);
    const Data data(20, spec.inputs, 3, 2);
    network->compute_gradients(data.images(), data.label_targets(), Loss::cross_entropy);
    std::vector<float> bias(5), beta(5);
    network->read_gradient(network->parameter("layer0/bias"), bias.data());
    network->read_gradient(network->parameter("layer1/beta"), beta.data());
    CHECK(size_of(doubles(beta)) > 1e-3);
    CHECK(size_of(doubles(bias)) < 1e-5 * size_of(doubles(beta)));
}

// Stands last: how much of the bound the tests above have used.
TEST(largest_error) {
    std::printf("%d networks stood at a kink and were drawn again\n", draws_at_a_kink);
    std::printf("largest error of a gradient: %.1e of its size (allowed %.0e)\n", largest_error,
                kGradientBound);
    CHECK(largest_error <= kGradientBound);
}

}  // namespace
