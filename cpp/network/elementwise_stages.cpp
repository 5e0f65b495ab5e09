#include "elementwise_stages.h"

#include <algorithm>

#include "../runtime/philox.h"
#include "activations.h"

namespace nncore::network {
namespace {

using kernels::Activation;

// An activation that could not be fused into the stage before it.
class ActivationStage final : public Stage {
 public:
    ActivationStage(const Shape& shape, Activation activation) {
        input_shape = output_shape = shape;
        output_activation = activation;
    }
    std::string describe() const override { return name_of(output_activation); }

    void forward(const Pass& pass) const override {
        for_lines(pass, [&](const float* x, float* y, auto, std::ptrdiff_t count) {
            pass.kernels.activation(output_activation, count, x, y);
        });
    }
    void backward_data(const BackwardPass& pass) const override {
        if (!needs_input_gradient) return;
        // The delta of the output buffer is already taken before this activation.
        for_each(pass, pass.rows, [&](const BackwardPass&, std::ptrdiff_t r) {
            std::copy_n(output_delta(pass).row(r), element_count(input_shape),
                        input_delta(pass).row(r));
            multiply_by_input_derivative(pass, r);
        });
    }
};

// Over the features of a flat sample.
class SoftmaxStage final : public Stage {
 public:
    explicit SoftmaxStage(const Shape& shape) { input_shape = output_shape = shape; }
    std::string describe() const override { return "softmax"; }

    void forward(const Pass& pass) const override {
        const Rows& x = input(pass);
        const Rows& y = output(pass);
        for_ranges(pass, pass.rows, kRows,
                   [&](const Pass& own, std::ptrdiff_t first, std::ptrdiff_t last) {
                       pass.kernels.softmax(last - first, element_count(input_shape), x.row(first),
                                            x.stride(), y.row(first), y.stride(), scratch(own));
                   });
    }
    void backward_data(const BackwardPass& pass) const override {
        if (!needs_input_gradient) return;
        const Rows& y = output(pass);
        const Rows& dy = output_delta(pass);
        const Rows& dx = input_delta(pass);
        for_ranges(pass, pass.rows, kRows,
                   [&](const BackwardPass& own, std::ptrdiff_t first, std::ptrdiff_t last) {
                       pass.kernels.softmax_gradient(
                           last - first, element_count(input_shape), y.row(first), y.stride(),
                           dy.row(first), dy.stride(), dx.row(first), dx.stride(), scratch(own));
                       for (std::ptrdiff_t r = first; r < last; ++r)
                           multiply_by_input_derivative(pass, r);
                   });
    }

 private:
    static constexpr std::ptrdiff_t kRows = kBlock;  // that the kernels take together
    static float* scratch(const Pass& pass) {
        return pass.workspace.rowwise_scratch[static_cast<std::size_t>(pass.thread)];
    }
};

// Training: y = x * mask, mask 0 with probability `rate` and 1 / (1 - rate) otherwise, drawn anew
// for each (seed, epoch, image, element). Inference: the identity.
class DropoutStage final : public Stage {
 public:
    DropoutStage(const Shape& shape, float rate, std::uint32_t number)
        : rate_(rate), number_(number) {
        input_shape = output_shape = shape;
    }
    bool varies_in_training() const override { return true; }
    std::string describe() const override { return "dropout " + std::to_string(rate_); }
    Sizes sizes(std::ptrdiff_t, bool backward) const override {
        return {.saved = backward ? element_count(input_shape) : 0};
    }

    void forward(const Pass& pass) const override {
        if (!drops(pass)) {
            for_lines(pass, [](const float* x, float* y, auto, std::ptrdiff_t count) {
                std::copy_n(x, count, y);
            });
            return;
        }
        for_each(pass, pass.rows, [&](const Pass&, std::ptrdiff_t r) {
            draw_mask(pass, r);
            const float* const mask = pass.workspace.saved[index].row(r);
            for_lines_of(pass, r, 0, output(pass).layout.height,
                         [&](const float* x, float* y, std::ptrdiff_t at, std::ptrdiff_t count) {
                             pass.kernels.multiply(count, x, mask + at, y);
                         });
        });
    }
    void backward_data(const BackwardPass& pass) const override {
        if (!needs_input_gradient) return;
        const std::ptrdiff_t count = element_count(input_shape);
        for_each(pass, pass.rows, [&](const BackwardPass&, std::ptrdiff_t r) {
            const float* dy = output_delta(pass).row(r);
            float* dx = input_delta(pass).row(r);
            if (drops(pass)) {
                pass.kernels.multiply(count, dy, pass.workspace.saved[index].row(r), dx);
            } else {
                std::copy_n(dy, count, dx);
            }
            multiply_by_input_derivative(pass, r);
        });
    }

 private:
    static bool drops(const Pass& pass) { return pass.purpose == Purpose::training; }

    void draw_mask(const Pass& pass, std::ptrdiff_t row) const {
        const std::ptrdiff_t image = pass.samples != nullptr ? pass.samples[row] : row;
        const kernels::RandomKey key{
            .seed_low = static_cast<std::uint32_t>(pass.randomness.seed),
            .seed_high = static_cast<std::uint32_t>(pass.randomness.seed >> 32),
            .sample = static_cast<std::uint32_t>(image),
            .stream = pass.randomness.epoch,
            .purpose = static_cast<std::uint32_t>(runtime::Purpose::dropout) | number_ << 8};
        pass.kernels.dropout_mask(element_count(input_shape), key,
                                  static_cast<std::uint32_t>(rate_ * 65536.0f),
                                  1.0f / (1.0f - rate_), pass.workspace.saved[index].row(row));
    }

    float rate_;
    std::uint32_t number_;
};

}  // namespace

std::unique_ptr<Stage> make_activation_stage(const Shape& shape, Activation activation) {
    return std::make_unique<ActivationStage>(shape, activation);
}

std::unique_ptr<Stage> make_softmax_stage(const Shape& shape) {
    return std::make_unique<SoftmaxStage>(shape);
}

std::unique_ptr<Stage> make_dropout_stage(const Shape& shape, float rate, std::uint32_t number) {
    return std::make_unique<DropoutStage>(shape, rate, number);
}

}  // namespace nncore::network
