#include "heat_map.h"

#include <algorithm>

namespace nncore::network {
namespace {

// Pixel i of `large` lies between `low` and `high` of `small`, a share of the way to the latter.
struct Between {
    std::ptrdiff_t low, high;
    double share;
};

Between between(std::ptrdiff_t i, std::ptrdiff_t large, std::ptrdiff_t small) {
    const double center =
        (static_cast<double>(i) + 0.5) * static_cast<double>(small) / static_cast<double>(large) -
        0.5;
    const double place = std::clamp(center, 0.0, static_cast<double>(small - 1));
    const auto low = static_cast<std::ptrdiff_t>(place);
    return {low, std::min(low + 1, small - 1), place - static_cast<double>(low)};
}

double mix(double a, double b, double share) { return a + (b - a) * share; }

}  // namespace

void enlarge(const float* small, std::ptrdiff_t height, std::ptrdiff_t width, std::ptrdiff_t rows,
             std::ptrdiff_t columns, float* map) {
    for (std::ptrdiff_t y = 0; y < rows; ++y) {
        const Between line = between(y, rows, height);
        const float* const above = small + line.low * width;
        const float* const below = small + line.high * width;
        for (std::ptrdiff_t x = 0; x < columns; ++x, ++map) {
            const Between pixel = between(x, columns, width);
            const auto of = [&](const float* from) {
                return mix(static_cast<double>(from[pixel.low]),
                           static_cast<double>(from[pixel.high]), pixel.share);
            };
            *map = static_cast<float>(mix(of(above), of(below), line.share));
        }
    }
}

void scale_to_one(std::ptrdiff_t count, float* map) {
    const float largest = *std::max_element(map, map + count);
    if (!(largest > 0.0f)) return;
    for (std::ptrdiff_t i = 0; i < count; ++i) map[i] /= largest;
}

}  // namespace nncore::network
