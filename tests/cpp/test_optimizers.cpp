// Optimizers in the network: the same bits whoever computes them, state that goes on, averages.
#include <algorithm>
#include <bit>
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "check.h"
#include "kernels/dispatch.h"
#include "network_data.h"
#include "reference_network.h"
#include "runtime/parallel.h"

using namespace nncore;
using network::Loss;
using network::Method;
using network::Network;
using network::Optimizer;
using network::Slot;
using network::StepResults;

namespace {

// More than one chunk of 4096 gradients in the first layer, a partial block in all.
const NetworkSpec kSpec{100, {{84, "relu"}, {60, "tanh"}, {10, "softmax"}}};
const NetworkSpec kImages = image_network({16, 16, 1}, {conv(6, {5, 5}, "relu", "same"),
                                                        max_pool({2, 2}, {2, 2}),
                                                        conv(16, {5, 5}, "tanh"),
                                                        max_pool({2, 2}, {2, 2}),
                                                        flatten(),
                                                        {10, "softmax"}});

// The same with penalties, whose gradient must be there before it is clipped.
const NetworkSpec kPenalties = [] {
    NetworkSpec spec = kSpec;
    spec.layers[0].penalty = {.l1 = 0.001, .l2 = 0.01};
    spec.layers[2].penalty = {.l2 = 0.02};
    return spec;
}();

const std::vector<Optimizer>& optimizers() {
    static const std::vector<Optimizer> all{
        {.learning_rate = 0.02f, .momentum = 0.9},
        {.learning_rate = 0.02f, .momentum = 0.9, .nesterov = true, .weight_decay = 0.01},
        {.learning_rate = 0.05f, .weight_decay = 0.01},
        {.learning_rate = 0.002f, .method = Method::rmsprop},
        {.learning_rate = 0.002f, .method = Method::rmsprop, .momentum = 0.5, .use_ema = true},
        {.learning_rate = 0.003f, .method = Method::adam},
        {.learning_rate = 0.003f, .method = Method::adam, .weight_decay = 0.004, .use_ema = true},
        {.learning_rate = 0.1f, .clipnorm = 0.05},
        {.learning_rate = 0.1f, .momentum = 0.5, .global_clipnorm = 0.1},
        {.learning_rate = 0.1f, .use_ema = true, .ema_momentum = 0.9},
    };
    return all;
}

StepResults train(Network& network, const Data& data, std::ptrdiff_t first, std::ptrdiff_t count,
                  std::ptrdiff_t batch, const Optimizer& optimizer, const double* rates = nullptr) {
    return network.train_steps(data.images(), data.label_targets(), data.order.data() + first,
                               count, batch, Loss::cross_entropy, optimizer,
                               {.seed = 1, .epoch = 2}, rates);
}

// Weights and whatever state there is.
std::vector<float> all_of(const Network& network) {
    std::vector<float> all = weights_of(network);
    for (const Slot slot : network.optimizer_slots())
        for (const auto& parameter : network.parameters()) {
            std::vector<float> values(
                static_cast<std::size_t>(network::element_count(parameter.shape)));
            network.read_optimizer_slot(slot, parameter, values.data());
            all.insert(all.end(), values.begin(), values.end());
        }
    return all;
}

TEST(same_bits_for_all_instruction_sets_and_teams) {
    for (const NetworkSpec& spec : {kSpec, kImages, kPenalties})
        for (std::size_t o = 0; o < optimizers().size(); ++o) {
            const Data data(33 * 3 + 5, spec.inputs, spec.outputs(), 5);
            std::vector<float> expected;
            for (const std::string& isa : kernels::available_isas())
                for (const int threads : {1, 2, 3}) {
                    if (isa == "reference" && threads == 2) continue;  // slow
                    kernels::select_isa(isa);
                    runtime::set_thread_limit(threads);
                    const auto network = spec.build(6);
                    const std::vector<float> start = weights_of(*network);
                    train(*network, data, 0, data.count, 33, optimizers()[o]);
                    const std::vector<float> all = all_of(*network);
                    if (expected.empty()) {
                        expected = all;
                        CHECK(!identical(start, weights_of(*network)));
                        for (const float value : all) CHECK(std::isfinite(value));
                    }
                    CHECK_THAT(identical(expected, all),
                               "optimizer " << o << ", " << isa << ", " << threads << " threads");
                }
        }
    kernels::select_isa(kernels::available_isas().front());
    runtime::set_thread_limit(1);
}

// A step of a block equals compute_gradients and apply_gradients, and a block equals its steps.
TEST(blocks_are_steps_are_gradients_and_updates) {
    for (const NetworkSpec& spec : {kSpec, kPenalties})
        for (std::size_t o = 0; o < optimizers().size(); ++o) {
            const Optimizer& optimizer = optimizers()[o];
            Data data(40, 100, 10, 7);
            for (std::size_t i = 0; i < data.order.size(); ++i)
                data.order[i] = static_cast<std::int32_t>(i);
            const auto whole = spec.build(1), stepwise = spec.build(1), apart = spec.build(1);
            train(*whole, data, 0, 40, 8, optimizer);
            for (std::ptrdiff_t first = 0; first < 40; first += 8) {
                train(*stepwise, data, first, 8, 8, optimizer);
                apart->compute_gradients({nullptr, data.x.data() + first * 100, 8},
                                         {data.labels.data() + first, nullptr},
                                         Loss::cross_entropy);
                apart->apply_gradients(optimizer);
            }
            CHECK_THAT(identical(all_of(*whole), all_of(*stepwise)), "optimizer " << o);
            CHECK_THAT(identical(all_of(*whole), all_of(*apart)), "optimizer " << o);
            CHECK_EQUAL(std::int64_t{5}, whole->optimizer_steps());
            CHECK_EQUAL(std::int64_t{5}, apart->optimizer_steps());
        }
}

TEST(one_learning_rate_per_step) {
    const Data data(24, 100, 10, 8);
    const double rates[] = {0.1, 0.0, 0.02};
    for (const Method method : {Method::sgd, Method::adam}) {
        const auto block = kSpec.build(1), steps = kSpec.build(1);
        Optimizer optimizer{.learning_rate = 9.0f, .method = method};
        train(*block, data, 0, 24, 8, optimizer, rates);
        for (int i = 0; i < 3; ++i) {
            optimizer.learning_rate = static_cast<float>(rates[i]);
            const std::vector<float> before = weights_of(*steps);
            train(*steps, data, 8 * i, 8, 8, optimizer);
            CHECK_EQUAL(i == 1, identical(before, weights_of(*steps)));
        }
        CHECK(identical(all_of(*block), all_of(*steps)));
    }
}

// The state of one method goes on; another method begins afresh.
TEST(state_of_another_method_is_dropped) {
    const Data data(16, 100, 10, 9);
    const auto network = kSpec.build(2);
    const Optimizer adam{.learning_rate = 0.01f, .method = Method::adam};
    train(*network, data, 0, 16, 8, adam);
    CHECK(network->optimizer_slots() == (std::vector<Slot>{Slot::mean, Slot::mean_square}));
    CHECK_EQUAL(std::int64_t{2}, network->optimizer_steps());
    train(*network, data, 0, 8, 8, Optimizer{0.1f});
    CHECK(network->optimizer_slots().empty());
    CHECK_EQUAL(std::int64_t{1}, network->optimizer_steps());
    // Adam's second beginning is that of a new network with these weights.
    const auto fresh = kSpec.build(3);
    set_weights(*fresh, weights_of(*network));
    train(*fresh, data, 0, 16, 8, adam);
    train(*network, data, 0, 16, 8, adam);
    CHECK(identical(all_of(*fresh), all_of(*network)));
}

TEST(clipping_bounds_the_step) {
    const Data data(33, 100, 10, 10);
    for (const bool global : {false, true}) {
        const auto network = kSpec.build(4);
        std::vector<double> moved;  // squares, per parameter
        const auto before = weights_of(*network);
        Optimizer optimizer{.learning_rate = 1.0f};
        (global ? optimizer.global_clipnorm : optimizer.clipnorm) = 0.01;
        train(*network, data, 0, 33, 33, optimizer);
        const auto after = weights_of(*network);
        std::size_t i = 0;
        double all = 0;
        for (const auto& parameter : network->parameters()) {
            double squares = 0;
            for (std::ptrdiff_t n = network::element_count(parameter.shape); n > 0; --n, ++i) {
                const double step = static_cast<double>(after[i]) - static_cast<double>(before[i]);
                squares += step * step;
            }
            all += squares;
            if (!global) CHECK(std::fabs(std::sqrt(squares) - 0.01) < 1e-5);
        }
        if (global) CHECK(std::fabs(std::sqrt(all) - 0.01) < 1e-5);
        // A generous limit changes nothing.
        const auto free = kSpec.build(4), bounded = kSpec.build(4);
        (global ? optimizer.global_clipnorm : optimizer.clipnorm) = 1e6;
        train(*free, data, 0, 33, 33, Optimizer{1.0f});
        train(*bounded, data, 0, 33, 33, optimizer);
        CHECK(identical(weights_of(*free), weights_of(*bounded)));
    }
}

// The average is shown and hidden again; training does not notice.
TEST(average_of_the_weights) {
    const Data data(40, 100, 10, 11);
    const Optimizer plain{0.1f};
    Optimizer averaging = plain;
    averaging.use_ema = true;
    averaging.ema_momentum = 0.75;
    const auto network = kSpec.build(5), twin = kSpec.build(5);
    std::vector<double> average;
    network->show_average(true);
    CHECK(!network->shows_average());  // there is none yet
    for (std::ptrdiff_t first = 0; first < 40; first += 8) {
        train(*network, data, first, 8, 8, averaging);
        train(*twin, data, first, 8, 8, plain);
        const auto weights = weights_of(*twin);
        CHECK(identical(weights, weights_of(*network)));
        if (first == 0) average.assign(weights.begin(), weights.end());
        for (std::size_t i = 0; i < average.size(); ++i)
            average[i] = 0.75 * average[i] + 0.25 * static_cast<double>(weights[i]);
        network->show_average(true);
        CHECK(network->shows_average());
        const auto shown = weights_of(*network);
        for (std::size_t i = 0; i < average.size(); ++i)
            CHECK(std::fabs(static_cast<double>(shown[i]) - average[i]) <=
                  std::ldexp(16.0, -24) * (std::fabs(average[i]) + 0.1));
        if (first == 16) {
            network->show_average(false);
            CHECK(identical(weights, weights_of(*network)));
        }
    }
    // Set weights are the truth, and a new average begins from them.
    network->show_average(true);
    set_weights(*network, weights_of(*twin));
    CHECK(!network->shows_average());
    train(*network, data, 0, 8, 8, averaging);
    train(*twin, data, 0, 8, 8, plain);
    CHECK(identical(weights_of(*twin), weights_of(*network)));
    network->show_average(true);
    CHECK(identical(weights_of(*twin), weights_of(*network)));
}

TEST(state_can_be_copied) {
    const Data data(48, 100, 10, 12);
    for (const Optimizer& optimizer : optimizers()) {
        const auto one = kSpec.build(1), other = kSpec.build(2);
        train(*one, data, 0, 24, 8, optimizer);
        one->show_average(true);
        set_weights(*other, weights_of(*one));
        other->restart_optimizer(one->optimizer_method(), one->optimizer_slots(),
                                 one->optimizer_steps(), one->shows_average());
        for (const Slot slot : one->optimizer_slots())
            for (const auto& parameter : one->parameters()) {
                std::vector<float> values(
                    static_cast<std::size_t>(network::element_count(parameter.shape)));
                one->read_optimizer_slot(slot, parameter, values.data());
                other->write_optimizer_slot(slot, parameter, values.data());
            }
        train(*one, data, 24, 24, 8, optimizer);
        train(*other, data, 24, 24, 8, optimizer);
        CHECK(identical(all_of(*one), all_of(*other)));
    }
    const auto network = kSpec.build(1);
    std::vector<float> values(100000);
    CHECK_THROWS(std::invalid_argument, "no slot \"mean\"",
                 network->read_optimizer_slot(Slot::mean, network->parameters()[0], values.data()));
    CHECK_THROWS(std::invalid_argument, "-1",
                 network->restart_optimizer(Method::adam, {}, -1, false));
    CHECK_THROWS(std::invalid_argument, "average",
                 network->restart_optimizer(Method::adam, {}, 1, true));
    CHECK_THROWS(std::invalid_argument, "known: sgd, rmsprop, adam",
                 network::method_from_name("adagrad"));
    CHECK_THROWS(std::invalid_argument, "known: velocity", network::slot_from_name("speed"));
}

// The contract goes beyond one machine; see test_training.cpp.
TEST(same_bits_as_ever) {
    std::vector<std::uint64_t> hashes;
    for (const Optimizer& optimizer : optimizers()) {
        const Data data(100, kImages.inputs, kImages.outputs(), 18);
        const auto network = kImages.build(0x0123456789abcdefu);
        train(*network, data, 0, 100, 32, optimizer);
        hashes.push_back(hash_of(all_of(*network)));
    }
    const std::vector<std::uint64_t> expected{
        0x9c925e7d0d927fa1, 0xdd3c362109aefe26, 0xa0532b21a89fa6cd, 0x06f50e773253dae3,
        0xd3341a7588945a8d, 0x5c96a7532ad09953, 0x2183f19fe18213cd, 0x92790bb3c6cd85af,
        0x2e65bd051d25d06f, 0x6ac2f0c1a16f8083};
    for (std::size_t i = 0; i < hashes.size(); ++i)
        CHECK_THAT(hashes[i] == expected[i], "optimizer " << i << ": 0x" << std::hex << hashes[i]);
}

}  // namespace
