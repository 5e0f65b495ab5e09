#include "stage.h"

namespace nncore::network {

void Stage::update(const BackwardPass& pass, const Parameter& parameter, std::ptrdiff_t first,
                   std::ptrdiff_t count) {
    if (pass.learning_rate == nullptr) return;
    const std::ptrdiff_t at = parameter.offset + first;
    pass.kernels.sgd_update(count, *pass.learning_rate, pass.gradients + at, pass.weights + at);
}

const float* Stage::bias(const Pass& pass, bool has_bias) const {
    if (is_folded(pass)) return values(pass) + folded->bias;
    return has_bias ? pass.parameters + parameters[1].offset : nullptr;
}

kernels::Activation Stage::activation(const Pass& pass) const {
    return is_folded(pass) ? folded->activation : output_activation;
}

void Stage::multiply_by_input_derivative(const Pass& pass, std::ptrdiff_t row) const {
    if (input_activation == kernels::Activation::linear) return;
    const Rows& x = input(pass);
    float* dx = input_delta(pass).row(row);
    for (std::ptrdiff_t y = 0; y < x.layout.height; ++y, dx += x.layout.run)
        pass.kernels.activation_gradient(input_activation, x.layout.run, x.line(row, y), dx, dx);
}

}  // namespace nncore::network
