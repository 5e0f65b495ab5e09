#include "conv_phases.h"

#include <algorithm>

namespace nncore::network {
namespace {

// Kernel rows of one phase of so many.
std::ptrdiff_t taps_of(std::ptrdiff_t kernel, std::ptrdiff_t phases, std::ptrdiff_t phase) {
    return std::max<std::ptrdiff_t>((kernel - phase + phases - 1) / phases, 0);
}

// Input i sees kernel row k through output (i + before - k) / phases, where that is whole: the
// phase of k is that of i + before.
ConvPhase phase_of(std::ptrdiff_t inputs, std::ptrdiff_t kernel, std::ptrdiff_t dilation,
                   std::ptrdiff_t before, std::ptrdiff_t phases, std::ptrdiff_t phase,
                   std::ptrdiff_t border) {
    ConvPhase p{};
    p.first = (phase - before % phases + phases) % phases;
    p.count = std::max<std::ptrdiff_t>((inputs - p.first + phases - 1) / phases, 0);
    p.taps = taps_of(kernel, phases, phase);
    const std::ptrdiff_t last_tap = phase + (p.taps - 1) * phases;
    p.window = p.taps == 0 ? 0 : border + (p.first + before - last_tap * dilation) / phases;
    return p;
}

// Extends the spread gradient along one axis to all windows; it begins as the outputs alone.
template <class Phase>
void extend(std::ptrdiff_t phases, std::ptrdiff_t dilation, const Phase& phase,
            std::ptrdiff_t& border, std::ptrdiff_t& size) {
    std::ptrdiff_t begin = 0, end = size;
    for (std::ptrdiff_t i = 0; i < phases; ++i) {
        const ConvPhase p = phase(i);
        if (p.taps == 0 || p.count == 0) continue;
        begin = std::min(begin, p.window);
        end = std::max(end, p.window + p.count + (p.taps - 1) * dilation);
    }
    border = -begin;
    size = end - begin;
}

}  // namespace

ConvPhases ConvPhases::of(const ConvGeometry& g, bool for_input_gradient) {
    const bool dilated = g.dilation_rows != 1 || g.dilation_columns != 1;
    ConvPhases p{dilated ? 1 : g.stride_rows, dilated ? 1 : g.stride_columns, {}};
    p.spread.height = (g.out_height - 1) * p.row_step(g) + 1;
    p.spread.width = (g.out_width - 1) * p.column_step(g) + 1;
    if (!for_input_gradient) return p;
    extend(
        p.rows, g.dilation_rows, [&](std::ptrdiff_t i) { return p.row(g, i); }, p.spread.top,
        p.spread.height);
    extend(
        p.columns, g.dilation_columns, [&](std::ptrdiff_t i) { return p.column(g, i); },
        p.spread.left, p.spread.width);
    return p;
}

ConvPhase ConvPhases::row(const ConvGeometry& g, std::ptrdiff_t phase) const {
    return phase_of(g.height, g.kernel_height, g.dilation_rows, g.padding.top, rows, phase,
                    spread.top);
}
ConvPhase ConvPhases::column(const ConvGeometry& g, std::ptrdiff_t phase) const {
    return phase_of(g.width, g.kernel_width, g.dilation_columns, g.padding.left, columns, phase,
                    spread.left);
}

std::ptrdiff_t ConvPhases::place(const ConvGeometry& g, std::ptrdiff_t k, std::ptrdiff_t l) const {
    const auto before = [](std::ptrdiff_t kernel, std::ptrdiff_t phases, std::ptrdiff_t phase) {
        std::ptrdiff_t taps = 0;
        for (std::ptrdiff_t i = 0; i < phase; ++i) taps += taps_of(kernel, phases, i);
        return taps;
    };
    const std::ptrdiff_t a = k % rows, b = l % columns;
    const std::ptrdiff_t down = taps_of(g.kernel_height, rows, a);
    const std::ptrdiff_t across = taps_of(g.kernel_width, columns, b);
    return before(g.kernel_height, rows, a) * g.kernel_width +
           down * before(g.kernel_width, columns, b) + (down - 1 - k / rows) * across +
           (across - 1 - l / columns);
}

}  // namespace nncore::network
