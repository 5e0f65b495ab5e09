#include "augment.h"

#include <algorithm>
#include <type_traits>

namespace nncore::kernels {
namespace {

constexpr int kPositionBits = 12;  // of a pixel, after rounding
constexpr std::uint32_t kPositions = 1u << kPositionBits;

// A value between two whole numbers, rounded and clipped, as a byte; floats as they are.
template <class T>
T from_double(double value) {
    if constexpr (std::is_same_v<T, float>) {
        return static_cast<float>(value);
    } else {
        return static_cast<T>(std::clamp(value, 0.0, 255.0) + 0.5);
    }
}

// Modulo 2^32, which loses nothing: the weights are 12 bits each, so the mixture of four bytes is
// below 2^32 whatever the differences are on the way.
std::uint8_t interpolate(std::uint8_t a, std::uint8_t b, std::uint8_t c, std::uint8_t d,
                         std::uint32_t x, std::uint32_t y) {
    const std::uint32_t upper = a * kPositions + (std::uint32_t{b} - a) * x;
    const std::uint32_t lower = c * kPositions + (std::uint32_t{d} - c) * x;
    constexpr std::uint32_t half = 1u << (2 * kPositionBits - 1);
    return static_cast<std::uint8_t>((upper * kPositions + (lower - upper) * y + half) >>
                                     (2 * kPositionBits));
}

// In this form equal neighbours give themselves, and x = y = 0 gives a.
float interpolate(float a, float b, float c, float d, std::uint32_t x, std::uint32_t y) {
    constexpr float unit = 1.0f / static_cast<float>(kPositions);
    const float right = static_cast<float>(x) * unit, down = static_cast<float>(y) * unit;
    const float upper = a + right * (b - a), lower = c + right * (d - c);
    return upper + down * (lower - upper);
}

// The place of an index that may lie outside 0..count - 1.
ptrdiff_t inside(Fill fill, std::int64_t index, ptrdiff_t count) {
    if (fill == Fill::edge) return std::clamp<std::int64_t>(index, 0, count - 1);
    const std::int64_t period = 2 * count;
    const std::int64_t place = (index % period + period) % period;
    return place < count ? place : period - 1 - place;
}

template <class T>
struct Source {
    const AugmentArgs& args;
    const T* data;
    T background;

    T at(std::int64_t row, std::int64_t column, ptrdiff_t channel) const {
        if (row < 0 || row >= args.height || column < 0 || column >= args.width) {
            if (args.fill == Fill::constant) return background;
            row = inside(args.fill, row, args.height);
            column = inside(args.fill, column, args.width);
        }
        return data[(row * args.width + column) * args.channels + channel];
    }
};

bool is_whole(std::int64_t value) { return value % kWarpOne == 0; }

// Flips and moves by whole pixels: a line of the result is one of the source, in either direction.
bool is_copy(const AugmentArgs& args) {
    return args.x_row == 0 && args.y_column == 0 && is_whole(args.x_origin) &&
           is_whole(args.y_origin) && (args.x_column == kWarpOne || args.x_column == -kWarpOne) &&
           (args.y_row == kWarpOne || args.y_row == -kWarpOne);
}

template <class T>
void copy(const AugmentArgs& args, const Source<T>& source, T* y) {
    const ptrdiff_t channels = args.channels, width = args.width;
    const bool forward = args.x_column > 0;
    const std::int64_t start = args.x_origin / kWarpOne;
    // The columns whose source lies inside: 0 <= start + c < width, or 0 <= start - c < width.
    const std::int64_t low = forward ? -start : start - width + 1;
    const ptrdiff_t first = std::clamp<std::int64_t>(low, 0, width);
    const ptrdiff_t last = std::clamp<std::int64_t>(low + width, first, width);
    for (ptrdiff_t r = 0; r < args.height; ++r, y += width * channels) {
        const std::int64_t row = (args.y_origin + r * args.y_row) / kWarpOne;
        const bool outside = row < 0 || row >= args.height;
        const auto column = [&](ptrdiff_t c) { return forward ? start + c : start - c; };
        const auto look_up = [&](ptrdiff_t from, ptrdiff_t to) {
            for (ptrdiff_t c = from; c < to; ++c)
                for (ptrdiff_t k = 0; k < channels; ++k)
                    y[c * channels + k] = source.at(row, column(c), k);
        };
        if (outside || first == last) {
            look_up(0, width);
            continue;
        }
        look_up(0, first);
        const T* line = source.data + row * width * channels;
        if (forward) {
            std::copy_n(line + column(first) * channels, (last - first) * channels,
                        y + first * channels);
        } else if (channels == 1) {
            std::reverse_copy(line + column(last - 1), line + column(first) + 1, y + first);
        } else {
            for (ptrdiff_t c = first; c < last; ++c)
                for (ptrdiff_t k = 0; k < channels; ++k)
                    y[c * channels + k] = line[column(c) * channels + k];
        }
        look_up(last, width);
    }
}

// kChannels: known to the compiler for the common images, or 0.
template <int kChannels, class T>
void warp(const AugmentArgs& args, const Source<T>& source, T* y) {
    const ptrdiff_t channels = kChannels > 0 ? kChannels : args.channels;
    const ptrdiff_t line = args.width * channels;
    constexpr int drop = 32 - kPositionBits;
    constexpr std::int64_t half = std::int64_t{1} << (drop - 1);
    const auto whole_columns = static_cast<std::uint64_t>(args.width - 1);
    const auto whole_rows = static_cast<std::uint64_t>(args.height - 1);
    for (ptrdiff_t r = 0; r < args.height; ++r) {
        std::int64_t source_x = args.x_origin + r * args.x_row + half;
        std::int64_t source_y = args.y_origin + r * args.y_row + half;
        for (ptrdiff_t c = 0; c < args.width; ++c, y += channels) {
            const std::int64_t column = source_x >> 32, row = source_y >> 32;
            const auto x = static_cast<std::uint32_t>(source_x) >> drop;
            const auto down = static_cast<std::uint32_t>(source_y) >> drop;
            source_x += args.x_column;
            source_y += args.y_column;
            if (static_cast<std::uint64_t>(column) < whole_columns &&
                static_cast<std::uint64_t>(row) < whole_rows) {
                const T* p = source.data + row * line + column * channels;
                for (ptrdiff_t k = 0; k < channels; ++k)
                    y[k] = interpolate(p[k], p[k + channels], p[k + line], p[k + line + channels],
                                       x, down);
            } else {
                for (ptrdiff_t k = 0; k < channels; ++k)
                    y[k] = interpolate(source.at(row, column, k), source.at(row, column + 1, k),
                                       source.at(row + 1, column, k),
                                       source.at(row + 1, column + 1, k), x, down);
            }
        }
    }
}

double mean(ptrdiff_t count, const std::uint8_t* x) {
    std::uint64_t sum = 0;
    for (ptrdiff_t i = 0; i < count; ++i) sum += x[i];
    return static_cast<double>(sum) / static_cast<double>(count);
}

// Sixteen chains, of every sixteenth value each, added in order.
double mean(ptrdiff_t count, const float* x) {
    constexpr ptrdiff_t kChains = 16;
    double chains[kChains] = {};
    ptrdiff_t i = 0;
    for (; i + kChains <= count; i += kChains)
        for (ptrdiff_t k = 0; k < kChains; ++k) chains[k] += static_cast<double>(x[i + k]);
    for (ptrdiff_t k = 0; i + k < count; ++k) chains[k] += static_cast<double>(x[i + k]);
    double sum = 0;
    for (const double chain : chains) sum += chain;
    return sum / static_cast<double>(count);
}

void scale_and_add(ptrdiff_t count, double scale, double offset, std::uint8_t* y) {
    // 16 bits behind the point: at most 4 * 255 * 2^16 in size, and the offset no more.
    const auto factor = static_cast<std::int32_t>(scale * 65536.0 + 0.5);
    const auto summand = static_cast<std::int32_t>(offset * 65536.0 + 32768.0);
    for (ptrdiff_t i = 0; i < count; ++i) {
        const std::int32_t value = (y[i] * factor + summand) >> 16;
        y[i] = static_cast<std::uint8_t>(std::clamp<std::int32_t>(value, 0, 255));
    }
}

void scale_and_add(ptrdiff_t count, double scale, double offset, float* y) {
    const auto factor = static_cast<float>(scale), summand = static_cast<float>(offset);
    for (ptrdiff_t i = 0; i < count; ++i) y[i] = y[i] * factor + summand;
}

template <class T>
void erase(const AugmentArgs& args, T value, T* y) {
    for (ptrdiff_t r = 0; r < args.erase_height; ++r)
        std::fill_n(y + ((args.erase_top + r) * args.width + args.erase_left) * args.channels,
                    args.erase_width * args.channels, value);
}

template <class T>
void augment_image(const AugmentArgs& args, const T* x, T* y) {
    const ptrdiff_t count = args.height * args.width * args.channels;
    const Source<T> source{args, x, from_double<T>(static_cast<double>(args.fill_value))};
    if (is_copy(args)) {
        copy(args, source, y);
    } else if (args.channels == 1) {
        warp<1>(args, source, y);
    } else if (args.channels == 3) {
        warp<3>(args, source, y);
    } else {
        warp<0>(args, source, y);
    }
    const bool erases = args.erase_height > 0 && args.erase_width > 0;
    const bool needs_mean = args.contrast != 1.0 || (erases && args.fill != Fill::constant);
    const double average = needs_mean ? args.brightness * mean(count, y) : 0.0;
    if (args.brightness != 1.0 || args.contrast != 1.0)
        scale_and_add(count, args.brightness * args.contrast, average * (1.0 - args.contrast), y);
    if (erases)
        erase(args, args.fill == Fill::constant ? source.background : from_double<T>(average), y);
}

}  // namespace

void augment(const AugmentArgs& args, const std::uint8_t* x, std::uint8_t* y) {
    augment_image(args, x, y);
}

void augment(const AugmentArgs& args, const float* x, float* y) { augment_image(args, x, y); }

}  // namespace nncore::kernels
