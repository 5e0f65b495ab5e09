#include "rescaling_stage.h"

namespace nncore::network {
namespace {

class RescalingStage final : public Stage {
 public:
    RescalingStage(const Shape& shape, const std::vector<float>& scale,
                   const std::vector<float>& offset) {
        input_shape = output_shape = shape;
        const auto count = static_cast<std::size_t>(element_count(shape));
        for (std::size_t i = 0; i < count; ++i) {
            scale_.push_back(scale[i % scale.size()]);
            offset_.push_back(offset[i % offset.size()]);
        }
    }
    std::string describe() const override { return "rescaling"; }

    void forward(const Pass& pass) const override {
        for_lines(pass, [&](const float* x, float* y, std::ptrdiff_t at, std::ptrdiff_t count) {
            pass.kernels.multiply_add(count, x, scale_.data() + at, offset_.data() + at, y);
        });
    }
    void backward_data(const BackwardPass& pass) const override {
        if (!needs_input_gradient) return;
        for_each(pass, pass.rows, [&](const BackwardPass&, std::ptrdiff_t r) {
            pass.kernels.multiply(element_count(input_shape), output_delta(pass).row(r),
                                  scale_.data(), input_delta(pass).row(r));
            multiply_by_input_derivative(pass, r);
        });
    }

 private:
    // Of each value of a sample: channels repeat, so that one loop does for every shape.
    std::vector<float> scale_, offset_;
};

}  // namespace

std::unique_ptr<Stage> make_rescaling_stage(const Shape& shape, const std::vector<float>& scale,
                                            const std::vector<float>& offset) {
    return std::make_unique<RescalingStage>(shape, scale, offset);
}

}  // namespace nncore::network
