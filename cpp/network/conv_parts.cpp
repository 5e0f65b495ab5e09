#include "conv_parts.h"

#include <algorithm>

namespace nncore::network {
void add_bias_gradient(const kernels::Kernels& kernels, const SamplePart& part,
                       std::ptrdiff_t channels, const float* d, std::ptrdiff_t d_pixel, bool first,
                       float* own, float* total) {
    kernels.bias_gradient(part.pixels, channels, d, d_pixel, part.begins, first ? total : own);
    if (part.ends && !first)
        for (std::ptrdiff_t c = 0; c < channels; ++c) total[c] += own[c];
}

std::vector<Parameter> conv_parameters(const std::string& name, const ConvGeometry& g,
                                       Parameter::Layout layout, bool use_bias,
                                       std::ptrdiff_t offset) {
    std::vector<Parameter> parameters;
    parameters.push_back({name + "/kernel",
                          {g.kernel_height, g.kernel_width, g.channels / g.groups, g.out_channels},
                          layout,
                          offset});
    parameters[0].groups = g.groups;
    if (use_bias)
        parameters.push_back({name + "/bias",
                              {g.out_channels},
                              Parameter::Layout::vector,
                              offset + parameters[0].size()});
    return parameters;
}

kernels::WinogradWeightsArgs winograd_weights(const ConvGeometry& g, const float* weights,
                                              float* transformed) {
    kernels::WinogradWeightsArgs args{};
    args.inputs = g.channels;
    args.blocks = blocks_of(g.out_channels);
    args.weights = weights;
    args.weights_row = padded(g.out_channels);
    args.weights_tap = g.channels * args.weights_row;
    args.transformed = transformed;
    return args;
}

const float* transformed_weights(const Pass& all, const ConvGeometry& g, const float* weights,
                                 std::ptrdiff_t offset) {
    if (all.prepared != nullptr) return all.prepared + offset;
    const kernels::WinogradWeightsArgs args = winograd_weights(g, weights, all.workspace.prepared);
    for_each(all, args.blocks, [&](const Pass& pass, std::ptrdiff_t block) {
        kernels::WinogradWeightsArgs own = args;
        own.weights += block * kBlock;
        own.blocks = 1;
        own.transformed += block * kernels::kWinogradPlaces * own.inputs * kBlock;
        pass.kernels.winograd_weights(own);
    });
    return all.workspace.prepared;
}

std::string describe_conv(const ConvGeometry& g, kernels::Activation activation, bool use_bias) {
    const auto pair = [](std::ptrdiff_t a, std::ptrdiff_t b) {
        return std::to_string(a) + "x" + std::to_string(b);
    };
    std::string text = "conv " + pair(g.kernel_height, g.kernel_width) + " " +
                       std::to_string(g.channels) + " -> " + std::to_string(g.out_channels);
    if (g.stride_rows != 1 || g.stride_columns != 1)
        text += " stride " + pair(g.stride_rows, g.stride_columns);
    if (g.dilation_rows != 1 || g.dilation_columns != 1)
        text += " dilation " + pair(g.dilation_rows, g.dilation_columns);
    if (g.groups != 1) text += " in " + std::to_string(g.groups) + " groups";
    if (use_bias) text += " + bias";
    if (activation != kernels::Activation::linear) text += std::string(" + ") + name_of(activation);
    return text;
}

}  // namespace nncore::network
