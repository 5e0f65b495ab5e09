// What is looked at by a Probe.
#pragma once

#include "stage.h"

namespace nncore::network {

// The identity, behind a layer whose values and their gradient are asked for. As a stage of its own
// it stands apart from whatever else would be fused into that layer's stage, and the gradient is
// that by the layer's output, activation included.
class ProbeStage final : public Stage {
 public:
    explicit ProbeStage(const Shape& shape) { input_shape = output_shape = shape; }
    std::string describe() const override { return "probe"; }
    Sizes sizes(std::ptrdiff_t, bool) const override {
        return {.scratch = padded(output_shape.back())};
    }
    void forward(const Pass& pass) const override;
    void backward_data(const BackwardPass&) const override {}

    // Grad-CAM (Selvaraju et al., 2017) of one row, once the gradient of its score is there:
    //   map[y, x] = max(0, sum over c of weight[c] * values[y, x, c])
    // with the sum of gradients[y, x, c] over all pixels as the weight of channel c. (The paper
    // takes the mean, which is the same map but for one factor.)
    void grad_cam(const Pass& pass, std::ptrdiff_t r, float* map) const;
};

}  // namespace nncore::network
