#include "augmentation.h"

#include <cmath>
#include <stdexcept>

#include "../runtime/philox.h"

namespace nncore::network {
namespace {

using kernels::kWarpOne;

constexpr double kPi = 3.14159265358979323846;

void require(bool holds, const char* name, double low, double high, double value) {
    if (!holds)
        throw std::invalid_argument("augmentation: " + std::string(name) + " must be from " +
                                    std::to_string(low) + " to " + std::to_string(high) + ", got " +
                                    std::to_string(value));
}

// Each draw has words of its own, so that one setting does not change what another one draws.
struct Draws {
    runtime::PhiloxBlock blocks[4];

    // In [-1, 1], symmetric.
    double symmetric(int block, std::size_t word) const {
        return (static_cast<double>(blocks[block][word]) - 2147483647.5) / 2147483647.5;
    }
    // 0 to count - 1; the bias is below count * 2^-32.
    std::ptrdiff_t below(int block, std::size_t word, std::ptrdiff_t count) const {
        return static_cast<std::ptrdiff_t>(
            (std::uint64_t{blocks[block][word]} * static_cast<std::uint64_t>(count)) >> 32);
    }
    std::ptrdiff_t between(int block, std::size_t word, std::ptrdiff_t limit) const {
        return below(block, word, 2 * limit + 1) - limit;
    }
};

// sine and cosine of an angle in [-pi, pi] by their Taylor series, whose bits no libm decides. The
// first term that is left out is below 1e-11, a hundredth of the unit in which positions are kept
// even at the rim of a large image.
double sine(double angle) {
    double term = angle, sum = angle;
    for (int n = 2; n <= 22; n += 2) {
        term *= -angle * angle / static_cast<double>(n * (n + 1));
        sum += term;
    }
    return sum;
}

double cosine(double angle) {
    double term = 1.0, sum = 1.0;
    for (int n = 1; n <= 23; n += 2) {
        term *= -angle * angle / static_cast<double>(n * (n + 1));
        sum += term;
    }
    return sum;
}

std::ptrdiff_t pixels(double share, std::ptrdiff_t side) {
    return static_cast<std::ptrdiff_t>(share * static_cast<double>(side) + 0.5);
}

std::int64_t fixed_point(double pixels) {
    return std::llround(pixels * static_cast<double>(kWarpOne));
}

}  // namespace

void Augmentation::validate() const {
    const auto within = [](double value, double high) { return value >= 0.0 && value <= high; };
    require(within(shift, 1.0), "shift", 0, 1, shift);
    require(within(rotation, 180.0), "rotation", 0, 180, rotation);
    require(within(scale, 0.9), "scale", 0, 0.9, scale);
    require(within(brightness, 1.0), "brightness", 0, 1, brightness);
    require(within(contrast, 1.0), "contrast", 0, 1, contrast);
    require(within(erase, 1.0), "erase", 0, 1, erase);
    require(crop_padding >= 0 && crop_padding <= 16384, "crop_padding", 0, 16384,
            static_cast<double>(crop_padding));
    if (!std::isfinite(fill_value))
        throw std::invalid_argument("augmentation: the fill value must be finite, got " +
                                    std::to_string(fill_value));
}

kernels::AugmentArgs draw_augmentation(const Augmentation& settings, const Shape& shape,
                                       const Randomness& randomness, std::uint32_t sample) {
    Draws draws;
    for (std::uint64_t block = 0; block < 4; ++block)
        draws.blocks[block] = runtime::random_block(randomness.seed, runtime::Purpose::augmentation,
                                                    randomness.epoch, block << 32 | sample);
    const std::ptrdiff_t height = shape[0], width = shape[1];
    kernels::AugmentArgs args{};
    args.height = height, args.width = width, args.channels = shape[2];
    args.fill = settings.fill, args.fill_value = settings.fill_value;

    // The content is flipped, then scaled and turned about the middle, then moved by whole pixels;
    // the map from the result back to the source undoes it in reverse.
    const std::uint32_t coins = draws.blocks[0][0];
    const double right = settings.horizontal_flip && (coins & 1u) != 0 ? -1.0 : 1.0;
    const double down = settings.vertical_flip && (coins & 2u) != 0 ? -1.0 : 1.0;
    const std::ptrdiff_t moved_down = draws.between(0, 1, pixels(settings.shift, height)) +
                                      draws.between(1, 3, settings.crop_padding);
    const std::ptrdiff_t moved_right = draws.between(0, 2, pixels(settings.shift, width)) +
                                       draws.between(2, 0, settings.crop_padding);
    const double angle = draws.symmetric(0, 3) * settings.rotation * kPi / 180.0;
    const double zoom = 1.0 + draws.symmetric(1, 0) * settings.scale;
    const double turn_x = cosine(angle) / zoom, turn_y = sine(angle) / zoom;
    const double middle_x = static_cast<double>(width - 1) / 2.0;
    const double middle_y = static_cast<double>(height - 1) / 2.0;
    const double from_x = middle_x + static_cast<double>(moved_right);
    const double from_y = middle_y + static_cast<double>(moved_down);
    args.x_column = fixed_point(right * turn_x);
    args.x_row = fixed_point(right * -turn_y);
    args.x_origin = fixed_point(middle_x - right * (turn_x * from_x - turn_y * from_y));
    args.y_column = fixed_point(down * turn_y);
    args.y_row = fixed_point(down * turn_x);
    args.y_origin = fixed_point(middle_y - down * (turn_y * from_x + turn_x * from_y));

    args.brightness = 1.0 + draws.symmetric(1, 1) * settings.brightness;
    args.contrast = 1.0 + draws.symmetric(1, 2) * settings.contrast;

    args.erase_height = draws.below(2, 1, pixels(settings.erase, height) + 1);
    args.erase_width = draws.below(2, 2, pixels(settings.erase, width) + 1);
    args.erase_top = draws.below(2, 3, height - args.erase_height + 1);
    args.erase_left = draws.below(3, 0, width - args.erase_width + 1);
    return args;
}

}  // namespace nncore::network
