#include "png_filters.h"

#include <algorithm>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <vector>

namespace nncore::images {
namespace {

enum Filter : std::uint8_t { none, sub, up, average, paeth };

// Whichever of left, above and above-left is nearest to left + above - above_left.
int paeth_predictor(int left, int above, int above_left) {
    const int estimate = left + above - above_left;
    const int to_left = std::abs(estimate - left);
    const int to_above = std::abs(estimate - above);
    const int to_above_left = std::abs(estimate - above_left);
    if (to_left <= to_above && to_left <= to_above_left) return left;
    return to_above <= to_above_left ? above : above_left;
}

std::uint8_t byte_sum(int filtered, int prediction) {
    return static_cast<std::uint8_t>(filtered + prediction);  // modulo 256
}

}  // namespace

void undo_png_filters(const std::uint8_t* lines, std::ptrdiff_t height, std::ptrdiff_t line_bytes,
                      std::ptrdiff_t pixel_bytes, std::uint8_t* pixels) {
    const std::vector<std::uint8_t> zeros(static_cast<std::size_t>(line_bytes));
    const std::uint8_t* above = zeros.data();  // what the first line finds above it
    for (std::ptrdiff_t y = 0; y < height; ++y) {
        const std::uint8_t filter = lines[y * (line_bytes + 1)];
        const std::uint8_t* const in = lines + y * (line_bytes + 1) + 1;
        std::uint8_t* const out = pixels + y * line_bytes;
        // The first pixel has nothing to its left, which counts as 0.
        const std::ptrdiff_t first = std::min(pixel_bytes, line_bytes);
        switch (filter) {
            case none:
                std::copy_n(in, line_bytes, out);
                break;
            case sub:
                std::copy_n(in, first, out);
                for (std::ptrdiff_t x = first; x < line_bytes; ++x)
                    out[x] = byte_sum(in[x], out[x - pixel_bytes]);
                break;
            case up:
                for (std::ptrdiff_t x = 0; x < line_bytes; ++x) out[x] = byte_sum(in[x], above[x]);
                break;
            case average:
                for (std::ptrdiff_t x = 0; x < first; ++x) out[x] = byte_sum(in[x], above[x] / 2);
                for (std::ptrdiff_t x = first; x < line_bytes; ++x)
                    out[x] = byte_sum(in[x], (out[x - pixel_bytes] + above[x]) / 2);
                break;
            case paeth:
                for (std::ptrdiff_t x = 0; x < first; ++x) out[x] = byte_sum(in[x], above[x]);
                for (std::ptrdiff_t x = first; x < line_bytes; ++x)
                    out[x] = byte_sum(in[x], paeth_predictor(out[x - pixel_bytes], above[x],
                                                             above[x - pixel_bytes]));
                break;
            default:
                throw std::invalid_argument("line " + std::to_string(y) + " has filter type " +
                                            std::to_string(filter) + "; known: 0 to 4");
        }
        above = out;
    }
}

}  // namespace nncore::images
