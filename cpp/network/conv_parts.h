// What the stages of convolutions have in common: their parameters, transformed weights, and the
// text that describes one.
#pragma once

#include <string>
#include <vector>

#include "activations.h"
#include "conv_geometry.h"
#include "stage.h"
#include "workspace.h"

namespace nncore::network {

// The kernel of a convolution, and its bias behind it, from `offset` on.
std::vector<Parameter> conv_parameters(const std::string& name, const ConvGeometry& geometry,
                                       Parameter::Layout layout, bool use_bias,
                                       std::ptrdiff_t offset);

// The upper left input of output pixel (0, 0) of one sample, in the border where there is one.
inline const float* corner(const ConvGeometry& geometry, const Rows& x, std::ptrdiff_t row) {
    return x.row(row) - geometry.padding.top * x.layout.line -
           geometry.padding.left * geometry.channels;
}

// So many pixels of a sample; the parts of one follow each other.
struct SamplePart {
    std::ptrdiff_t pixels;
    bool begins = true, ends = true;
};
// Adds one sample's gradient of the bias, from the gradient `d` of all its pixels, so many floats
// apart, part by part, to `total`, or begins the sum with it. own: scratch of `channels` floats,
// padded, which stays from part to part.
void add_bias_gradient(const kernels::Kernels& kernels, const SamplePart& part,
                       std::ptrdiff_t channels, const float* d, std::ptrdiff_t d_pixel, bool first,
                       float* own, float* total);

// How the weights of the convolution, [tap][input][padded outputs], are transformed for Winograd's
// minimal filtering, into winograd_floats.
kernels::WinogradWeightsArgs winograd_weights(const ConvGeometry& geometry, const float* weights,
                                              float* transformed);
inline std::ptrdiff_t winograd_floats(const ConvGeometry& geometry) {
    return kernels::kWinogradPlaces * geometry.channels * padded(geometry.out_channels);
}
// Those that a pass forward reads: as inference has prepared them from `offset` on, or, where the
// weights change at each step, made now by the team, block by block of outputs.
const float* transformed_weights(const Pass& pass, const ConvGeometry& geometry,
                                 const float* weights, std::ptrdiff_t offset);

// "conv 3x3 16 -> 32 stride 2x2 dilation 2x2 in 4 groups + bias + relu", what is usual left out.
std::string describe_conv(const ConvGeometry& geometry, kernels::Activation activation,
                          bool use_bias);

}  // namespace nncore::network
