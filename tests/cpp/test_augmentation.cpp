// Augmentation in training: the copies that are drawn, and that a step sees these and no others.
#include <cmath>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "check.h"
#include "kernels/dispatch.h"
#include "network/augmentation.h"
#include "network_data.h"
#include "reference_network.h"
#include "runtime/parallel.h"

using namespace nncore;
using network::Augmentation;
using network::Images;
using network::Loss;
using network::Optimizer;
using network::Randomness;

namespace {

// Enough work in a step of seven images for a team of threads.
const network::Shape kShape{33, 31, 3};
constexpr std::ptrdiff_t kPixels = 33 * 31 * 3;
const NetworkSpec kSpec = image_network(
    kShape, {conv(4, {3, 3}, "relu", "same"), max_pool({2, 2}, {2, 2}), flatten(), {5, "softmax"}});
const Augmentation kEverything{.shift = 0.2,
                               .rotation = 25,
                               .scale = 0.2,
                               .horizontal_flip = true,
                               .vertical_flip = true,
                               .brightness = 0.3,
                               .contrast = 0.4,
                               .crop_padding = 1,
                               .erase = 0.5,
                               .fill = kernels::Fill::reflect,
                               .fill_value = 0.0f};

// One epoch over all images, in their shuffled order, augmented by the engine.
std::vector<float> trained(const Data& data, bool bytes, std::ptrdiff_t batch,
                           const Randomness& randomness, const Augmentation* augmentation) {
    const auto network = kSpec.build(3);
    Images images = bytes ? data.byte_images() : data.images();
    images.augmentation = augmentation;
    network->train_steps(images, data.label_targets(), data.order.data(), data.count, batch,
                         Loss::cross_entropy, Optimizer{0.1f}, randomness);
    return weights_of(*network);
}

TEST(a_step_sees_the_copies_that_are_drawn) {
    const Data data(21, kPixels, 5, 1);
    const Randomness randomness{.seed = 0x123456789abcdef0u, .epoch = 7};
    Data copies = data;
    const std::size_t size = kPixels;
    for (std::uint32_t i = 0; i < 21; ++i) {
        const auto args = network::draw_augmentation(kEverything, kShape, randomness, i);
        kernels::augment(args, data.x.data() + i * size, copies.x.data() + i * size);
        kernels::augment(args, data.bytes.data() + i * size, copies.bytes.data() + i * size);
    }
    CHECK(!identical(data.x, copies.x) && !identical(data.bytes, copies.bytes));
    for (const bool bytes : {false, true}) {
        kernels::select_isa("reference");
        runtime::set_thread_limit(1);
        const auto expected = trained(copies, bytes, 7, randomness, nullptr);
        CHECK(!identical(expected, trained(data, bytes, 7, randomness, nullptr)));
        for (const std::string& isa : kernels::available_isas())
            for (const int threads : {1, 2, 3}) {
                kernels::select_isa(isa);
                runtime::set_thread_limit(threads);
                CHECK_THAT(identical(expected, trained(data, bytes, 7, randomness, &kEverything)),
                           isa << ", " << threads << " threads, bytes " << bytes);
            }
    }
    kernels::select_isa(kernels::available_isas().front());
    runtime::set_thread_limit(1);
}

TEST(nothing_else_is_augmented) {
    const Data data(12, kPixels, 5, 2);
    const auto network = kSpec.build(4);
    Images changed = data.byte_images();
    changed.augmentation = &kEverything;
    std::vector<float> plain(60), outputs(60);
    network->forward(data.byte_images(), plain.data());
    network->forward(changed, outputs.data());
    CHECK(identical(plain, outputs));
    const double loss =
        network->compute_gradients(data.byte_images(), data.label_targets(), Loss::mse);
    CHECK_EQUAL(loss, network->compute_gradients(changed, data.label_targets(), Loss::mse));
}

TEST(no_change_is_the_image_itself) {
    const Data data(8, kPixels, 5, 3);
    const Augmentation nothing{};
    for (const bool bytes : {false, true})
        CHECK(
            identical(trained(data, bytes, 3, {}, nullptr), trained(data, bytes, 3, {}, &nothing)));
}

TEST(draws_depend_on_seed_epoch_and_image) {
    const auto draw = [](std::uint64_t seed, std::uint32_t epoch, std::uint32_t image) {
        const auto args = network::draw_augmentation(kEverything, kShape, {seed, epoch}, image);
        return std::vector<double>{static_cast<double>(args.x_column),
                                   static_cast<double>(args.y_column), args.brightness,
                                   args.contrast};
    };
    const auto one = draw(5, 6, 7);
    CHECK(one == draw(5, 6, 7));
    for (const auto& other :
         {draw(4, 6, 7), draw(5 + (std::uint64_t{1} << 40), 6, 7), draw(5, 5, 7), draw(5, 6, 8)})
        for (std::size_t i = 0; i < one.size(); ++i) CHECK(one[i] != other[i]);
}

// The matrix is a rotation by an angle of the asked range, over a zoom of the asked range.
TEST(turns_and_zooms_are_those_asked_for) {
    const Augmentation settings{.rotation = 180, .scale = 0.5};
    double least_angle = 9, largest_angle = -9, least_zoom = 9, largest_zoom = 0;
    for (std::uint32_t image = 0; image < 2000; ++image) {
        const auto args = network::draw_augmentation(settings, {31, 20, 1}, {}, image);
        const double one = static_cast<double>(kernels::kWarpOne);
        const double cosine = static_cast<double>(args.x_column) / one;
        const double sine = static_cast<double>(args.y_column) / one;
        CHECK_EQUAL(args.x_column, args.y_row);
        CHECK_EQUAL(args.y_column, -args.x_row);
        const double zoom = 1 / std::hypot(cosine, sine), angle = std::atan2(sine, cosine);
        least_angle = std::min(least_angle, angle), largest_angle = std::max(largest_angle, angle);
        least_zoom = std::min(least_zoom, zoom), largest_zoom = std::max(largest_zoom, zoom);
        // The middle, (9.5, 15), stays where it is.
        const double x = static_cast<double>(args.x_origin) / one + 9.5 * cosine - 15 * sine;
        const double y = static_cast<double>(args.y_origin) / one + 9.5 * sine + 15 * cosine;
        CHECK(std::fabs(x - 9.5) < 1e-7 && std::fabs(y - 15) < 1e-7);
    }
    CHECK(least_angle < -3.12 && largest_angle > 3.12);
    CHECK(least_zoom >= 0.5 - 1e-9 && least_zoom < 0.505);
    CHECK(largest_zoom <= 1.5 + 1e-9 && largest_zoom > 1.495);
}

TEST(flat_samples_and_bad_settings_are_refused) {
    const NetworkSpec flat{12, {{5, "softmax"}}};
    const Data data(4, 12, 5, 4);
    const auto network = flat.build(1);
    Images images = data.images();
    images.augmentation = &kEverything;
    CHECK_THROWS(std::invalid_argument, "(12,)",
                 network->train_steps(images, data.label_targets(), data.order.data(), 4, 2,
                                      Loss::mse, Optimizer{0.1f}, {}));
    Augmentation settings{};
    settings.scale = 0.95;
    CHECK_THROWS(std::invalid_argument, "scale must be from 0", settings.validate());
    settings.scale = std::nan("");
    CHECK_THROWS(std::invalid_argument, "got nan", settings.validate());
    settings = {.crop_padding = -1};
    CHECK_THROWS(std::invalid_argument, "crop_padding", settings.validate());
}

}  // namespace
