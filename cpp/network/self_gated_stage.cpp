// gelu, silu and hard_swish. Their derivative cannot be told from their output, so no stage takes
// them in: each is a stage of its own, whose input buffer is what backward needs, and whose output
// counts as linear.
#include "self_gated_stage.h"

#include <algorithm>

#include "activations.h"

namespace nncore::network {
namespace {

using kernels::SelfGated;

class SelfGatedStage final : public Stage {
 public:
    SelfGatedStage(const Shape& shape, SelfGated kind) : kind_(kind) {
        input_shape = output_shape = shape;
    }
    std::string describe() const override { return name_of(kind_); }

    void forward(const Pass& pass) const override {
        for_lines(pass, [&](const float* x, float* y, auto, std::ptrdiff_t count) {
            pass.kernels.self_gated(kind_, count, x, y);
        });
    }
    void backward_data(const BackwardPass& pass) const override {
        if (!needs_input_gradient) return;
        for_each(pass, pass.rows, [&](const BackwardPass&, std::ptrdiff_t r) {
            pass.kernels.self_gated_gradient(kind_, element_count(input_shape), input(pass).row(r),
                                             output_delta(pass).row(r), input_delta(pass).row(r));
            multiply_by_input_derivative(pass, r);
        });
    }

 private:
    SelfGated kind_;
};

}  // namespace

std::unique_ptr<Stage> make_self_gated_stage(const Shape& shape, SelfGated kind) {
    return std::make_unique<SelfGatedStage>(shape, kind);
}

}  // namespace nncore::network
