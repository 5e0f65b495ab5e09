#include "probe_stage.h"

#include <algorithm>

namespace nncore::network {

void ProbeStage::forward(const Pass& pass) const {
    for_lines(pass, [](const float* x, float* y, auto, std::ptrdiff_t count) {
        std::copy_n(x, count, y);
    });
}

void ProbeStage::grad_cam(const Pass& pass, std::ptrdiff_t r, float* map) const {
    const std::ptrdiff_t channels = output_shape[2], columns = output_shape[1];
    float* const weights = scratch(pass);
    pass.kernels.bias_gradient(output_shape[0] * columns, channels, output_delta(pass).row(r),
                               channels, true, weights);
    const Rows& values = output(pass);
    for (std::ptrdiff_t line = 0; line < output_shape[0]; ++line)
        for (std::ptrdiff_t x = 0; x < columns; ++x, ++map) {
            const float* const pixel = values.line(r, line) + x * channels;
            double sum = 0;
            for (std::ptrdiff_t c = 0; c < channels; ++c)
                sum += static_cast<double>(weights[c]) * static_cast<double>(pixel[c]);
            // What is no number stays: the caller tells that by it.
            *map = sum < 0 ? 0.0f : static_cast<float>(sum);
        }
}

}  // namespace nncore::network
