// The input gradient of a convolution with a stride, as convolutions without one: the inputs of
// each phase, `stride` pixels apart, come from every stride-th row and column of the kernel alone.
#pragma once

#include <algorithm>

#include "conv_geometry.h"

namespace nncore::network {

// The output gradient, spread out into an image of its own (in pixels), in which a stride that is
// not gone through by phases leaves gaps of zeros; for the input gradient also with a border of
// zeros, so that it is a convolution of that image with the turned weights.
struct Spread {
    std::ptrdiff_t top = 0, left = 0;  // place of output pixel (0, 0)
    std::ptrdiff_t height = 0, width = 0;
};

// Along one axis. Without a stride, or with dilation, there is one phase, of all inputs.
struct ConvPhase {
    std::ptrdiff_t first, count;  // inputs: `count` of them from `first` on
    std::ptrdiff_t taps;          // of the kernel that they see, from the last to the first
    std::ptrdiff_t window;        // the line of the spread output gradient where the first begins

    // How many of these inputs are before input `end`, where there are so many phases.
    std::ptrdiff_t before(std::ptrdiff_t end, std::ptrdiff_t phases) const {
        return std::clamp<std::ptrdiff_t>((end - first + phases - 1) / phases, 0, count);
    }
};

struct ConvPhases {
    std::ptrdiff_t rows, columns;  // phases along each axis
    Spread spread;                 // with gaps only where dilation leaves one phase

    static ConvPhases of(const ConvGeometry& geometry, bool for_input_gradient);
    // From one output pixel to the next in the spread gradient.
    std::ptrdiff_t row_step(const ConvGeometry& g) const { return g.stride_rows / rows; }
    std::ptrdiff_t column_step(const ConvGeometry& g) const { return g.stride_columns / columns; }

    ConvPhase row(const ConvGeometry& geometry, std::ptrdiff_t phase) const;
    ConvPhase column(const ConvGeometry& geometry, std::ptrdiff_t phase) const;
    // The turned weights are kept phase by phase: which tap of a phase kernel row k and column l
    // are, counted over all phases.
    std::ptrdiff_t place(const ConvGeometry& geometry, std::ptrdiff_t k, std::ptrdiff_t l) const;
};

}  // namespace nncore::network
