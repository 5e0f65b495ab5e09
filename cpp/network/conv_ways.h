// Which of its ways a convolution computes its output and its gradients in.
#pragma once

#include "conv_geometry.h"

namespace nncore::network {

// All give the gradient; they differ in where the vector lanes run and in what they skip. The
// choice depends on the geometry alone: it may change the order of sums, and so the bits, and must
// be the same on every machine.
struct ConvWays {
    enum class Weights {
        pixels,  // every pixel of the output gradient; lanes over the output channels
        winners  // only the pixels that won in the pool behind; lanes over a kernel row's inputs
    };
    enum class Input {
        gathered,   // a convolution with the turned weights; lanes over the input channels
        scattered,  // each output pixel onto the inputs that it came from; lanes over a kernel row
        winners     // the same of the pool's winners alone
    };

    Weights weights;
    Input input;

    bool operator==(const ConvWays&) const = default;
};

// pooled: a 2x2 max pool (stride 2) is fused into the stage.
ConvWays choose_conv_ways(const ConvGeometry& geometry, bool pooled);

// Whether Winograd's minimal filtering computes it, and its gradients, with enough fewer
// multiplications to be worth its transforms.
bool suits_winograd(const ConvGeometry& geometry);

}  // namespace nncore::network
