#include "workspace.h"

#include <algorithm>

#include "parameter.h"

namespace nncore::network {
namespace {

// Rows that are a multiple of 1 KiB apart fall into few sets of the first cache and push each other
// out, though a register tile reads a dozen of them side by side.
std::ptrdiff_t spread_over_sets(std::ptrdiff_t stride) {
    return stride % 256 == 0 ? stride + kBlock : stride;
}

}  // namespace

Layout Layout::of(const Shape& shape, const Border& border) {
    Layout layout;
    if (shape.size() == 1) {
        layout.run = layout.line = shape[0];
        layout.stride = spread_over_sets(padded(shape[0]));
        return layout;
    }
    const std::ptrdiff_t channels = shape[2];
    layout.height = shape[0];
    layout.run = shape[1] * channels;
    layout.line = (border.left + shape[1] + border.right) * channels;
    layout.origin = border.top * layout.line + border.left * channels;
    layout.stride = spread_over_sets(padded((border.top + shape[0] + border.bottom) * layout.line));
    return layout;
}

void clear_border(const Rows& rows, std::ptrdiff_t r) {
    const Layout& layout = rows.layout;
    float* from = rows.data + r * layout.stride;
    float* const end = from + layout.stride;
    for (std::ptrdiff_t y = 0; y < layout.height; ++y) {
        float* const line = rows.line(r, y);
        std::fill(from, line, 0.0f);
        from = line + layout.run;
    }
    std::fill(from, end, 0.0f);
}

}  // namespace nncore::network
