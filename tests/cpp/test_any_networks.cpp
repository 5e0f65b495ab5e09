// Networks drawn at random, of all kinds of layers, fused as it happens: every instruction set and
// any team give the reference's bits. Under AddressSanitizer there is a fence behind each place of
// a workspace (runtime/fences.h), so that no stage touches another one's. NNCORE_TEST_CALLS=2000 is
// the long form; NNCORE_TEST_SEED draws other networks.
#include <cmath>
#include <cstdlib>
#include <limits>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "check.h"
#include "kernels/dispatch.h"
#include "network/builder.h"
#include "network_data.h"
#include "reference_network.h"
#include "runtime/parallel.h"

using namespace nncore;
using network::Extent;
using network::Join;
using network::Loss;
using network::Optimizer;

namespace {

// What a step may cost, so that the reference computes many networks in a minute.
constexpr double kMostProducts = 2e6;  // for an image, forward

class Drawing {
 public:
    explicit Drawing(std::uint64_t seed) : random_(seed) {}

    NetworkSpec network() {
        layers_.clear();
        network::Shape image{side(), side(), one_of({1, 3, 16, 17, 32, 33, 40})};
        const bool expands = chance(3);
        // Large enough to be normalized from its inputs.
        if (expands) image = {14 + random_.below(6), 16 + random_.below(4), one_of({1, 3, 16, 17})};
        channels_ = image[2];
        if (chance(8)) layers_.push_back(rescaling({2.0f}, {-1.0f}));
        if (expands) expansion();
        for (std::ptrdiff_t more = 1 + random_.below(4); more > 0; --more) {
            if (chance(4))
                block();
            else
                some_layers();
        }
        if (chance(5)) layers_.push_back(layer_norm());
        layers_.push_back(chance(2) ? global_average_pool() : flatten());
        if (chance(2)) layers_.push_back({one_of({5, 16, 33}), activation()});
        if (chance(3)) layers_.push_back({0, "dropout", false, 0.4f});
        layers_.push_back({3, chance(2) ? "softmax" : "linear"});
        return image_network(image, layers_);
    }
    Optimizer optimizer() {
        if (chance(2)) return Optimizer{0.02f};
        return {.learning_rate = 0.01f, .method = network::Method::adam, .clipnorm = 1.0};
    }
    std::ptrdiff_t below(std::ptrdiff_t limit) { return random_.below(limit); }
    bool chance(std::ptrdiff_t in) { return random_.below(in) == 0; }

 private:
    std::ptrdiff_t one_of(const std::vector<std::ptrdiff_t>& values) {
        return values[static_cast<std::size_t>(random_.below(std::ssize(values)))];
    }
    std::ptrdiff_t side() { return 1 + random_.below(chance(3) ? 20 : 9); }
    std::string activation() {
        static constexpr const char* kNames[] = {"linear", "relu",      "relu6", "leaky_relu",
                                                 "tanh",   "sigmoid",   "silu",  "gelu",
                                                 "relu",   "hard_swish"};
        return kNames[random_.below(std::size(kNames))];
    }

    // A convolution, of any kind or one that Winograd's filtering suits, and what mostly follows
    // it.
    void convolution(std::ptrdiff_t filters, bool keeps_the_size) {
        const bool any = chance(2);
        if (!any && filters < 32) filters += 32;
        const bool same = keeps_the_size || chance(2);
        LayerSpec layer =
            any ? conv(filters, {1 + random_.below(5), 1 + random_.below(5)}, "linear")
                : conv(filters, {3, 3}, "linear");
        if (same) layer.padding = "same";
        layer.bias = chance(2);
        if (!keeps_the_size && chance(4)) layer.strides = {1 + random_.below(3), 2};
        if (any && chance(5)) layer.dilation = {1 + random_.below(2), 2};
        if (any && chance(4)) layer.groups = channels_;
        if (layer.groups > 1) layer.units = filters = channels_ * (1 + random_.below(2));
        const std::string after = activation();
        const bool normalized = !chance(3);
        if (!normalized) layer.activation = after;
        layers_.push_back(layer);
        if (normalized) {
            layers_.push_back(batch_norm());
            if (!chance(3)) layers_.push_back({0, after});
        }
        channels_ = filters;
    }
    // A convolution of single pixels, perhaps to whole blocks of channels, a depthwise one and
    // another of single pixels, with what stands behind each in such networks.
    void expansion() {
        const bool normalized = chance(2);
        const auto behind = [&](LayerSpec layer, bool active) {
            layer.bias = !normalized || chance(4);
            const std::string after = active ? activation() : "linear";
            if (!normalized) layer.activation = after;
            layers_.push_back(layer);
            if (normalized) layers_.push_back(batch_norm());
            if (normalized && after != "linear") layers_.push_back({0, after});
        };
        const std::ptrdiff_t width = one_of({16, 32, 32, 48, 17});
        behind(conv(width, {1, 1}, "linear"), true);
        const Extent kernel = chance(2) ? Extent{3, 3} : Extent{1 + random_.below(5), 2};
        const Extent strides{1 + random_.below(2), 1 + random_.below(2)};
        behind(spaced(conv(width, kernel, "linear", "same", strides), {1, 1}, width), !chance(3));
        channels_ = one_of({3, 16, 24});
        behind(conv(channels_, {1, 1}, "linear"), chance(3));
    }
    void some_layers() {
        switch (random_.below(8)) {
            case 0:
                layers_.push_back(max_pool({2, 2}, {2, 2}));
                break;
            case 1:
                layers_.push_back(chance(2) ? max_pool({3, 2}, {2, 1})
                                            : average_pool({2, 2}, {2, 2}));
                break;
            case 2:
                layers_.push_back(batch_norm());
                break;
            default:
                convolution(one_of({3, 8, 16, 17, 32, 33, 48}), false);
                if (chance(4)) layers_.push_back(max_pool({2, 2}, {2, 2}));
        }
    }
    void block() {
        const std::ptrdiff_t inputs = channels_;
        const auto join = static_cast<Join>(random_.below(3));
        layers_.push_back(begin(join));
        if (chance(2)) convolution(one_of({8, 32, 40}), true);
        convolution(inputs, true);
        const std::ptrdiff_t first = channels_;
        const bool projected = first != inputs || chance(3);
        if (projected) {
            layers_.push_back(shortcut());
            layers_.push_back(conv(first, {1, 1}, "linear"));
            if (chance(2)) layers_.push_back(batch_norm());
        }
        layers_.push_back(end(activation()));
        channels_ = join == Join::concatenation ? first + (projected ? first : inputs) : first;
    }

    Random random_;
    std::ptrdiff_t channels_ = 0;
    std::vector<LayerSpec> layers_;
};

// A network that can be built and does not cost much.
NetworkSpec draw(Drawing& drawing) {
    for (;;) {
        NetworkSpec spec = drawing.network();
        try {
            const auto network = spec.build(1);
            double products = 0;
            for (const auto& stage : network->architecture().stages)
                products += stage->multiply_adds();
            if (products <= kMostProducts) return spec;
        } catch (const std::invalid_argument&) {  // a window that is larger than its image
        }
    }
}

long number_of(const char* variable, long otherwise) {
    const char* const asked = std::getenv(variable);
    return asked == nullptr ? otherwise : std::atol(asked);
}

struct Outcome {
    std::vector<float> outputs, gradients, weights, later_outputs;
};

// What people do with a network, on one instruction set with one team.
Outcome used(const NetworkSpec& spec, const Data& data, std::ptrdiff_t batch, Loss loss,
             const Optimizer& optimizer) {
    const auto network = spec.build(7);
    const auto inferred = [&] {
        std::vector<float> outputs(static_cast<std::size_t>(data.count * spec.outputs()));
        network->forward(data.images(), outputs.data());
        return outputs;
    };
    Outcome outcome;
    outcome.outputs = inferred();
    network->train_steps(data.images(), data.label_targets(), data.order.data(), data.count, batch,
                         loss, optimizer, {.seed = 1, .epoch = 2});
    network->compute_gradients(data.images(), data.label_targets(), loss);
    outcome.gradients = gradients_of(*network);
    outcome.weights = weights_of(*network);
    outcome.later_outputs = inferred();
    // Some of these trainings diverge. Which sign a NaN has is nobody's promise.
    for (std::vector<float>* const values :
         {&outcome.outputs, &outcome.gradients, &outcome.weights, &outcome.later_outputs})
        for (float& value : *values)
            if (std::isnan(value)) value = std::numeric_limits<float>::quiet_NaN();
    return outcome;
}

// Each hands its gradient on in the place where it found it.
TEST(normalizations_right_behind_each_other) {
    const NetworkSpec spec = image_network({8, 9, 5}, {conv(17, {3, 3}, "tanh"),
                                                       max_pool({2, 2}, {2, 2}),
                                                       batch_norm(),
                                                       batch_norm(),
                                                       batch_norm(),
                                                       flatten(),
                                                       {3, "softmax"}});
    const Data data(9, spec.inputs, spec.outputs(), 1);
    for (const std::string& isa : kernels::available_isas()) {
        kernels::select_isa(isa);
        const Outcome outcome = used(spec, data, 4, Loss::cross_entropy, Optimizer{0.02f});
        kernels::select_isa("reference");
        const Outcome expected = used(spec, data, 4, Loss::cross_entropy, Optimizer{0.02f});
        CHECK_THAT(identical(expected.weights, outcome.weights), isa);
    }
    kernels::select_isa(kernels::available_isas().front());
}

TEST(any_network_has_the_same_bits_everywhere) {
    const long calls = number_of("NNCORE_TEST_CALLS", 40);
    const auto seed = static_cast<std::uint64_t>(number_of("NNCORE_TEST_SEED", 0));
    const std::vector<std::string> isas = kernels::available_isas();
    long by_winograd = 0, left = 0, handed = 0, measured = 0;
    for (long call = 0; call < calls; ++call) {
        Drawing drawing(seed * 0x100000001b3u + static_cast<std::uint64_t>(call));
        const NetworkSpec spec = draw(drawing);
        const std::ptrdiff_t images = 1 + drawing.below(11), batch = 1 + drawing.below(9);
        const Data data(images, spec.inputs, spec.outputs(), seed + 3);
        const Loss loss = drawing.chance(2) ? Loss::cross_entropy : Loss::mse;
        const Optimizer optimizer = drawing.optimizer();
        const auto network = spec.build(1);
        for (const auto& stage : network->architecture().stages) {
            by_winograd += stage->describe().find("Winograd") != std::string::npos;
            left += stage->is_left || stage->leaves_in_training;
            handed += stage->takes_gradient || stage->backward_is_left;
            measured += stage->measured_by != nullptr;
        }
        std::optional<Outcome> expected;
        // The last is the reference: it has the say of what is right.
        for (std::size_t i = isas.size(); i-- > 0;) {
            const int threads = i + 1 == isas.size() ? 1 : 1 + static_cast<int>(drawing.below(3));
            kernels::select_isa(isas[i]);
            runtime::set_thread_limit(threads);
            const Outcome outcome = used(spec, data, batch, loss, optimizer);
            if (!expected) expected = outcome;
            CHECK_THAT(identical(expected->outputs, outcome.outputs) &&
                           identical(expected->gradients, outcome.gradients) &&
                           identical(expected->weights, outcome.weights) &&
                           identical(expected->later_outputs, outcome.later_outputs),
                       "call " << call << " on " << isas[i] << ", " << threads << " threads, "
                               << images << " images by " << batch << ": " << spec.describe());
        }
    }
    kernels::select_isa(isas.front());
    runtime::set_thread_limit(1);
    // What was fused lately is among them.
    CHECK_THAT(by_winograd * 10 > calls, by_winograd);
    CHECK_THAT(left * 10 > calls, left);
    CHECK_THAT(handed * 10 > calls, handed);
    CHECK_THAT(measured * 40 >= calls, measured);
}

}  // namespace
