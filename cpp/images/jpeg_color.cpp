// Rounding, and what happens at the edges, is as in libjpeg's jdsample.c and jdcolor.c.
#include "jpeg_color.h"

#include <algorithm>
#include <array>

namespace nncore::images {
namespace {

constexpr int kFraction = 16;

constexpr int fixed(double value) { return static_cast<int>(value * (1 << kFraction) + 0.5); }

// JFIF's matrix, by the chroma sample.
struct Tables {
    std::array<int, 256> red, blue, green_of_cr, green_of_cb;
};

constexpr Tables kTables = [] {
    Tables tables{};
    constexpr int half = 1 << (kFraction - 1);
    for (int i = 0; i < 256; ++i) {
        const auto at = static_cast<std::size_t>(i);
        const int chroma = i - 128;
        tables.red[at] = (fixed(1.40200) * chroma + half) >> kFraction;
        tables.blue[at] = (fixed(1.77200) * chroma + half) >> kFraction;
        tables.green_of_cr[at] = -fixed(0.71414) * chroma;
        tables.green_of_cb[at] = -fixed(0.34414) * chroma + half;
    }
    return tables;
}();

std::uint8_t clamped(int value) { return static_cast<std::uint8_t>(std::clamp(value, 0, 255)); }

void convert_line(const std::uint8_t* luma, const std::uint8_t* cb, const std::uint8_t* cr,
                  std::ptrdiff_t width, std::uint8_t* rgb) {
    for (std::ptrdiff_t x = 0; x < width; ++x) {
        const int y = luma[x];
        rgb[3 * x] = clamped(y + kTables.red[cr[x]]);
        rgb[3 * x + 1] =
            clamped(y + ((kTables.green_of_cb[cb[x]] + kTables.green_of_cr[cr[x]]) >> kFraction));
        rgb[3 * x + 2] = clamped(y + kTables.blue[cb[x]]);
    }
}

void repeat_line(const std::uint8_t* in, std::ptrdiff_t width, std::uint8_t* out) {
    for (std::ptrdiff_t x = 0; x < width; ++x) out[2 * x] = out[2 * x + 1] = in[x];
}

// Each pair lies a quarter of a sample beside the middle: 3/4 of the nearer, 1/4 of the next one.
// `in` are samples times `scale`; halves are rounded up on the right and down on the left.
template <int scale, class Sample>
void widen_line(const Sample* in, std::ptrdiff_t width, std::uint8_t* out) {
    constexpr int left = scale == 1 ? 1 : 8, right = scale == 1 ? 2 : 7;
    constexpr int bits = scale == 1 ? 2 : 4;
    const auto put = [&](std::ptrdiff_t x, int value) {
        out[x] = static_cast<std::uint8_t>(value >> bits);
    };
    put(0, 4 * in[0] + left);
    put(1, 3 * in[0] + in[1] + right);
    for (std::ptrdiff_t x = 1; x < width - 1; ++x) {
        put(2 * x, 3 * in[x] + in[x - 1] + left);
        put(2 * x + 1, 3 * in[x] + in[x + 1] + right);
    }
    put(2 * width - 2, 3 * in[width - 1] + in[width - 2] + left);
    put(2 * width - 1, 4 * in[width - 1] + right);
}

// Makes lines of a chroma plane as wide as luma.
class Enlarger {
 public:
    Enlarger(const Plane& plane, Enlargement by, bool smooth)
        // Where there are two columns at most, libjpeg repeats.
        : plane_(plane), by_(by), smooth_(smooth && plane.width > 2) {
        if (by.across == 2) line_.resize(static_cast<std::size_t>(2 * plane.width));
        if (by.down == 2 && smooth_) sums_.resize(static_cast<std::size_t>(plane.width));
    }

    const std::uint8_t* line(std::ptrdiff_t y) {
        const std::uint8_t* const near = plane_.samples.data() + y / by_.down * plane_.stride;
        if (by_.across == 1) return near;
        if (!smooth_) {
            repeat_line(near, plane_.width, line_.data());
        } else if (by_.down == 1) {
            widen_line<1>(near, plane_.width, line_.data());
        } else {
            const std::ptrdiff_t next =
                std::clamp<std::ptrdiff_t>(y / 2 + (y % 2 == 0 ? -1 : 1), 0, plane_.height - 1);
            const std::uint8_t* const far = plane_.samples.data() + next * plane_.stride;
            for (std::ptrdiff_t x = 0; x < plane_.width; ++x)
                sums_[static_cast<std::size_t>(x)] =
                    static_cast<std::int16_t>(3 * near[x] + far[x]);
            widen_line<4>(sums_.data(), plane_.width, line_.data());
        }
        return line_.data();
    }

 private:
    const Plane& plane_;
    Enlargement by_;
    bool smooth_;
    std::vector<std::uint8_t> line_;
    std::vector<std::int16_t> sums_;
};

}  // namespace

void to_rgb(const Plane (&planes)[3], Enlargement chroma, bool smooth, Pixels& pixels) {
    Enlarger cb(planes[1], chroma, smooth), cr(planes[2], chroma, smooth);
    for (std::ptrdiff_t y = 0; y < pixels.height; ++y)
        convert_line(planes[0].samples.data() + y * planes[0].stride, cb.line(y), cr.line(y),
                     pixels.width, pixels.values.data() + 3 * y * pixels.width);
}

}  // namespace nncore::images
