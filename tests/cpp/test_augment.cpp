// The changed copy of one image, against the same in double arithmetic.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "check.h"
#include "guarded.h"
#include "kernels/augment.h"
#include "random.h"

using namespace nncore::kernels;

namespace {

struct Size {
    ptrdiff_t height, width, channels;
};
constexpr Size kSizes[] = {{1, 1, 1}, {1, 7, 3},   {5, 1, 1},   {2, 2, 4}, {7, 13, 1},
                           {9, 5, 3}, {28, 28, 1}, {17, 19, 4}, {6, 6, 2}};
constexpr Fill kFills[] = {Fill::constant, Fill::edge, Fill::reflect};

AugmentArgs unchanged(const Size& size, Fill fill = Fill::constant, float value = 0.0f) {
    AugmentArgs args{};
    args.height = size.height, args.width = size.width, args.channels = size.channels;
    args.fill = fill, args.fill_value = value;
    args.x_column = args.y_row = kWarpOne;
    args.brightness = args.contrast = 1.0;
    return args;
}

std::int64_t fixed(double pixels) { return std::llround(pixels * static_cast<double>(kWarpOne)); }
double pixels(std::int64_t position) {
    return static_cast<double>(position) / static_cast<double>(kWarpOne);
}

// Where the mirrored or repeated image has its pixel `index`, by walking.
ptrdiff_t walk(Fill fill, ptrdiff_t index, ptrdiff_t count) {
    while (index < 0 || index >= count) {
        if (fill == Fill::edge) return index < 0 ? 0 : count - 1;
        index = index < 0 ? -1 - index : 2 * count - 1 - index;
    }
    return index;
}

template <class T>
double look_up(const AugmentArgs& args, const T* x, ptrdiff_t row, ptrdiff_t column, ptrdiff_t k) {
    const bool inside = row >= 0 && row < args.height && column >= 0 && column < args.width;
    if (!inside && args.fill == Fill::constant) return static_cast<double>(args.fill_value);
    row = walk(args.fill, row, args.height);
    column = walk(args.fill, column, args.width);
    return static_cast<double>(x[(row * args.width + column) * args.channels + k]);
}

// Bilinear interpolation at the exact position.
template <class T>
double sample(const AugmentArgs& args, const T* x, double row, double column, ptrdiff_t k) {
    const double r = std::floor(row), c = std::floor(column);
    const auto i = static_cast<ptrdiff_t>(r), j = static_cast<ptrdiff_t>(c);
    const auto upper =
        (1 - column + c) * look_up(args, x, i, j, k) + (column - c) * look_up(args, x, i, j + 1, k);
    const auto lower = (1 - column + c) * look_up(args, x, i + 1, j, k) +
                       (column - c) * look_up(args, x, i + 1, j + 1, k);
    return (1 - row + r) * upper + (row - r) * lower;
}

template <class T>
std::vector<double> expected_copy(const AugmentArgs& args, const T* x) {
    std::vector<double> y;
    for (ptrdiff_t r = 0; r < args.height; ++r)
        for (ptrdiff_t c = 0; c < args.width; ++c)
            for (ptrdiff_t k = 0; k < args.channels; ++k)
                y.push_back(sample(args, x,
                                   pixels(args.y_origin + r * args.y_row + c * args.y_column),
                                   pixels(args.x_origin + r * args.x_row + c * args.x_column), k));
    double sum = 0;
    for (const double value : y) sum += value;
    const double mean = sum / static_cast<double>(y.size());
    constexpr bool bytes = std::is_same_v<T, std::uint8_t>;
    for (double& value : y) {
        value = args.brightness * (mean + args.contrast * (value - mean));
        if (bytes) value = std::clamp(value, 0.0, 255.0);
    }
    double blot =
        args.fill == Fill::constant ? static_cast<double>(args.fill_value) : args.brightness * mean;
    if (bytes) blot = std::clamp(blot, 0.0, 255.0);
    for (ptrdiff_t r = 0; r < args.erase_height; ++r)
        for (ptrdiff_t c = 0; c < args.erase_width * args.channels; ++c)
            y[static_cast<std::size_t>(
                ((args.erase_top + r) * args.width + args.erase_left) * args.channels + c)] = blot;
    return y;
}

template <class T>
GuardedArray<T> random_image(Random& random, const Size& size) {
    GuardedArray<T> image(size.height * size.width * size.channels, 3);
    for (T& value : image) {
        if constexpr (std::is_same_v<T, float>)
            value = random.uniform(-1.0f, 2.0f);
        else
            value = static_cast<T>(random.below(256));
    }
    return image;
}

// Turned, scaled and moved by any amount; the fill far outside, too.
AugmentArgs random_change(Random& random, const Size& size, Fill fill, float fill_value) {
    AugmentArgs args = unchanged(size, fill, fill_value);
    const auto number = [&](double low, double high) {
        return low + (high - low) * static_cast<double>(random.uniform(0.0f, 1.0f));
    };
    args.x_column = fixed(number(-1.5, 1.5)), args.x_row = fixed(number(-1, 1));
    args.y_column = fixed(number(-1, 1)), args.y_row = fixed(number(-1.5, 1.5));
    const auto width = static_cast<double>(size.width), height = static_cast<double>(size.height);
    args.x_origin = fixed(number(-width, 2 * width));
    args.y_origin = fixed(number(-height, 2 * height));
    args.brightness = random.below(3) == 0 ? 1.0 : number(0, 2);
    args.contrast = random.below(3) == 0 ? 1.0 : number(0, 2);
    args.erase_height = random.below(size.height + 1);
    args.erase_width = random.below(size.width + 1);
    args.erase_top = random.below(size.height - args.erase_height + 1);
    args.erase_left = random.below(size.width - args.erase_width + 1);
    return args;
}

// The error of a position is at most 1/8192 pixel in each direction.
template <class T>
void check_random_changes(double range, float fill_value, double rounding) {
    Random random(1);
    double largest = 0;
    for (const Size& size : kSizes)
        for (const Fill fill : kFills)
            for (int repetition = 0; repetition < 20; ++repetition) {
                const AugmentArgs args = random_change(random, size, fill, fill_value);
                const auto x = random_image<T>(random, size);
                GuardedArray<T> y(x.size(), 1);
                augment(args, x.data(), y.data());
                CHECK_INTACT(y, "augment");
                const auto exact = expected_copy(args, x.data());
                // Brightness and contrast stretch the errors of the moved image and of its mean.
                const double stretch = std::max(1.0, args.brightness) *
                                       std::max(1.0, args.contrast + std::fabs(1 - args.contrast));
                const double bound = stretch * (range * 2 / 8192 + rounding) + rounding;
                for (ptrdiff_t i = 0; i < y.size(); ++i) {
                    const double error =
                        std::fabs(static_cast<double>(y[i]) - exact[static_cast<std::size_t>(i)]);
                    largest = std::max(largest, error / bound);
                    CHECK_THAT(error <= bound, "value " << i << " of " << size.height << "x"
                                                        << size.width << "x" << size.channels
                                                        << " is off by " << error << ", bound "
                                                        << bound);
                }
            }
    CHECK_THAT(largest > 0.1, "the bound is far too wide: only " << largest << " of it was used");
}

TEST(bytes_are_those_of_double_arithmetic) {
    check_random_changes<std::uint8_t>(255.0, 77.0f, 0.51);
}

TEST(floats_are_those_of_double_arithmetic) { check_random_changes<float>(3.0, -0.5f, 4e-6); }

// Flips and moves by whole pixels give the very pixels, whether or not they go the short way.
template <class T>
void check_whole_pixels() {
    Random random(2);
    for (const Size& size : kSizes)
        for (const Fill fill : kFills)
            for (const int flips : {0, 1, 2, 3})
                for (int repetition = 0; repetition < 6; ++repetition) {
                    AugmentArgs args = unchanged(size, fill, 9.0f);
                    const ptrdiff_t right = random.below(2 * size.width + 3) - size.width - 1;
                    const ptrdiff_t down = random.below(2 * size.height + 3) - size.height - 1;
                    args.x_column = (flips & 1) != 0 ? -kWarpOne : kWarpOne;
                    args.y_row = (flips & 2) != 0 ? -kWarpOne : kWarpOne;
                    args.x_origin = ((flips & 1) != 0 ? size.width - 1 + right : -right) * kWarpOne;
                    args.y_origin = ((flips & 2) != 0 ? size.height - 1 + down : -down) * kWarpOne;
                    const auto x = random_image<T>(random, size);
                    GuardedArray<T> expected(x.size(), 2), copied(x.size(), 2), warped(x.size(), 2);
                    const auto exact = expected_copy(args, x.data());
                    for (ptrdiff_t i = 0; i < x.size(); ++i)
                        expected[i] = static_cast<T>(exact[static_cast<std::size_t>(i)]);
                    augment(args, x.data(), copied.data());
                    CHECK_SAME(expected, copied, "whole pixels");
                    for (const int off : {-1, 2}) {  // 2^-32 pixel: interpolated, to the same
                        args.x_origin += off;
                        args.y_origin -= off;
                        augment(args, x.data(), warped.data());
                        CHECK_SAME(expected, warped, "interpolated at whole pixels");
                    }
                }
}

TEST(whole_pixels_are_exact) {
    check_whole_pixels<std::uint8_t>();
    check_whole_pixels<float>();
}

// No mixture of equal values is another one, and the largest byte does not overflow.
TEST(an_even_image_stays_even) {
    for (const int value : {0, 1, 128, 255})
        for (const Fill fill : {Fill::edge, Fill::reflect}) {
            const Size size{11, 7, 3};
            Random random(3);
            AugmentArgs args = random_change(random, size, fill, 0.0f);
            args.brightness = args.contrast = 1.0;
            args.erase_height = 0;
            GuardedArray<std::uint8_t> bytes(11 * 7 * 3), byte_copy(bytes.size());
            GuardedArray<float> floats(bytes.size()), float_copy(bytes.size());
            std::fill(bytes.begin(), bytes.end(), static_cast<std::uint8_t>(value));
            std::fill(floats.begin(), floats.end(), static_cast<float>(value) / 7.0f);
            augment(args, bytes.data(), byte_copy.data());
            augment(args, floats.data(), float_copy.data());
            CHECK_SAME(bytes, byte_copy, "bytes");
            CHECK_SAME(floats, float_copy, "floats");
        }
}

}  // namespace
