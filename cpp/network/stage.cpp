#include "stage.h"

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

const char* name_of(kernels::Activation activation) {
    switch (activation) {
        case kernels::Activation::relu:
            return "relu";
        case kernels::Activation::leaky_relu:
            return "leaky_relu";
        case kernels::Activation::sigmoid:
            return "sigmoid";
        case kernels::Activation::tanh:
            return "tanh";
        case kernels::Activation::linear:
            break;
    }
    return "linear";
}

void Stage::update(const BackwardPass& pass, const Parameter& parameter) const {
    if (pass.learning_rate == nullptr) return;
    const auto share = pass.member.share(parameter.size() / kBlock);
    const std::ptrdiff_t first = parameter.offset + share.first * kBlock;
    pass.kernels.sgd_update((share.last - share.first) * kBlock, *pass.learning_rate,
                            pass.gradients + first, pass.weights + first);
}

const float* Stage::bias(const Pass& pass, bool has_bias) const {
    if (folded && pass.purpose == Purpose::inference) return pass.parameters + folded->bias;
    return has_bias ? pass.parameters + parameters[1].offset : nullptr;
}

kernels::Activation Stage::activation(const Pass& pass) const {
    return folded && pass.purpose == Purpose::inference ? folded->activation : output_activation;
}

void Stage::multiply_by_input_derivative(const Pass& pass, std::ptrdiff_t row) const {
    if (input_activation == kernels::Activation::linear) return;
    const Rows& x = input(pass);
    float* dx = input_delta(pass).row(row);
    for (std::ptrdiff_t y = 0; y < x.layout.height; ++y, dx += x.layout.run)
        pass.kernels.activation_gradient(input_activation, x.layout.run, x.line(row, y), dx, dx);
}

}  // namespace nncore::network
