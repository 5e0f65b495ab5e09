// What a layer gives and the gradient of a score by it: independent of batch, team and instruction
// set, of who else looks and of which layers are fused. That the numbers are right is tested
// against NumPy in tests/network/test_probes.py.
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
using network::Join;
using network::Network;
using network::Probe;

namespace {

const NetworkSpec kNetworks[] = {
    image_network({12, 9, 3}, {conv(17, {3, 3}, "relu", "same"),
                               max_pool({2, 2}, {2, 2}),
                               conv(6, {2, 2}, "linear"),
                               batch_norm(),
                               {0, "relu6"},
                               average_pool({2, 2}, {1, 1}),
                               layer_norm(),
                               flatten(),
                               {11, "tanh"},
                               {0, "dropout", true, 0.5f},
                               {5, "softmax"}}),
    image_network({9, 8, 4}, {conv(8, {3, 3}, "silu", "same"),
                              begin(Join::product),
                              spaced(conv(8, {3, 3}, "linear", "same"), {1, 1}, 8),
                              batch_norm(),
                              shortcut(),
                              global_average_pool(),
                              {8, "sigmoid"},
                              end("relu"),
                              begin(Join::concatenation),
                              conv(5, {3, 3}, "tanh", "same"),
                              shortcut(),
                              max_pool({1, 1}, {1, 1}),
                              end(),
                              max_pool({3, 3}, {2, 2}),
                              global_average_pool(),
                              {4, "linear"}}),
};

struct Seen {
    std::vector<float> values, gradients, maps;

    bool operator==(const Seen& other) const {
        return identical(values, other.values) && identical(gradients, other.gradients) &&
               identical(maps, other.maps);
    }
};

Seen look(const Network& network, const Probe& probe, const Images& images,
          const std::int32_t* classes) {
    const auto floats =
        static_cast<std::size_t>(images.count * network::element_count(probe.shape()));
    const auto pixels = static_cast<std::size_t>(images.count * network.input_shape()[0] *
                                                 network.input_shape()[1]);
    Seen seen{std::vector<float>(floats), std::vector<float>(floats), std::vector<float>(pixels)};
    network.look(probe, images, classes, seen.values.data(), seen.gradients.data());
    network.explain(probe, images, classes, seen.maps.data());
    return seen;
}

std::vector<std::string> image_layers(const Network& network) {
    std::vector<std::string> names;
    for (const auto& layer : network.layers())
        if (layer.output_shape.size() == 3) names.push_back(layer.name);
    return names;
}

TEST(rows_do_not_depend_on_their_company) {
    const std::ptrdiff_t most = 37;
    for (const NetworkSpec& spec : kNetworks) {
        const Data data(most, spec.inputs, spec.outputs(), 1);
        const auto network = spec.build(1);
        for (const std::string& layer : image_layers(*network)) {
            const auto probe = spec.build_probe(layer);
            kernels::select_isa("reference");
            Seen expected;
            for (std::ptrdiff_t i = 0; i < most; ++i) {
                const Seen one =
                    look(*network, *probe, {nullptr, data.x.data() + i * spec.inputs, 1},
                         data.labels.data() + i);
                for (const auto part : {&Seen::values, &Seen::gradients, &Seen::maps})
                    (expected.*part)
                        .insert((expected.*part).end(), (one.*part).begin(), (one.*part).end());
            }
            for (const std::string& isa : kernels::available_isas())
                for (const int threads : {1, 3}) {
                    kernels::select_isa(isa);
                    runtime::set_thread_limit(threads);
                    const Seen found = look(*network, *probe, data.images(), data.labels.data());
                    CHECK_THAT(found == expected, spec.describe() << ", " << layer << ", " << isa
                                                                  << ", " << threads << " threads");
                }
        }
    }
    kernels::select_isa(kernels::available_isas().front());
    runtime::set_thread_limit(1);
}

// All threads work on the lines of one large image.
TEST(few_large_images) {
    const NetworkSpec spec = image_network({96, 96, 16}, {conv(16, {3, 3}, "relu", "same"),
                                                          conv(16, {3, 3}, "relu", "same"),
                                                          max_pool({2, 2}, {2, 2}),
                                                          conv(16, {3, 3}, "relu", "same"),
                                                          global_average_pool(),
                                                          {3, "linear"}});
    const Data data(2, spec.inputs, spec.outputs(), 2);
    const auto network = spec.build(2);
    const auto probe = spec.build_probe(layer_name(0));
    const Seen alone = look(*network, *probe, data.byte_images(), data.labels.data());
    runtime::set_thread_limit(3);
    CHECK(look(*network, *probe, data.byte_images(), data.labels.data()) == alone);
    runtime::set_thread_limit(1);
}

TEST(several_look_and_predict_at_a_time) {
    runtime::set_thread_limit(2);
    const NetworkSpec& spec = kNetworks[1];
    const Data data(30, spec.inputs, spec.outputs(), 3);
    const auto network = spec.build(3);
    const auto probe = spec.build_probe(layer_name(0));
    const Seen expected = look(*network, *probe, data.images(), data.labels.data());
    std::vector<std::thread> callers;
    for (int caller = 0; caller < 4; ++caller)
        callers.emplace_back([&, caller] {
            for (int round = 0; round < 5; ++round) {
                if (caller == 0) {
                    std::vector<float> y(static_cast<std::size_t>(30 * spec.outputs()));
                    network->forward(data.images(), y.data());
                    continue;
                }
                CHECK(look(*network, *probe, data.images(), data.labels.data()) == expected);
            }
        });
    for (auto& caller : callers) caller.join();
    runtime::set_thread_limit(1);
}

TEST(no_images) {
    const auto network = kNetworks[0].build(4);
    float values = 7.0f, gradients = 7.0f;
    const auto probe = kNetworks[0].build_probe(layer_name(0));
    network->look(*probe, {nullptr, &values, 0}, nullptr, &values, &gradients);
    network->explain(*probe, {nullptr, &values, 0}, nullptr, &values);
    CHECK_EQUAL(7.0f, values);
    CHECK_EQUAL(7.0f, gradients);
}

TEST(what_cannot_be_looked_at) {
    CHECK_THROWS(std::invalid_argument, "no layer \"nose\"; known: layer0,",
                 kNetworks[0].build_probe("nose"));
    CHECK_THROWS(std::invalid_argument, "gives (5,)", kNetworks[0].build_probe(layer_name(10)));
    const auto network = kNetworks[0].build(5);
    const auto other = kNetworks[1].build_probe(layer_name(0));
    float place = 0;
    const std::int32_t label = 0;
    CHECK_THROWS(std::invalid_argument, "is not one of this network",
                 network->explain(*other, {nullptr, &place, 1}, &label, &place));
}

}  // namespace
