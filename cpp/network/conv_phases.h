// The input gradient of a convolution with a stride, as convolutions without one: the inputs of
// each phase, `stride` pixels apart, come from every stride-th row and column of the kernel alone.
#pragma once

#include "conv_geometry.h"
#include "conv_parts.h"

namespace nncore::network {

// Along one axis. Without a stride, or with dilation, there is one phase, of all inputs.
struct ConvPhase {
    std::ptrdiff_t first, count;  // inputs: `count` of them from `first` on
    std::ptrdiff_t taps;          // of the kernel that they see, from the last to the first
    std::ptrdiff_t window;        // the line of the spread output gradient where the first begins
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
