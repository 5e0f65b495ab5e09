#include <algorithm>

#include "../runtime/philox.h"
#include "stage.h"

namespace nncore::network {
namespace {

using kernels::Activation;

const char* name_of(Activation activation) {
    switch (activation) {
        case Activation::relu:
            return "relu";
        case Activation::sigmoid:
            return "sigmoid";
        case Activation::tanh:
            return "tanh";
        case Activation::linear:
            break;
    }
    return "linear";
}

// y = activation(x W + b); W in panels of 16 outputs, rows of x one sample each.
class DenseStage final : public Stage {
 public:
    DenseStage(const std::string& name, std::ptrdiff_t inputs, std::ptrdiff_t units,
               Activation activation, bool use_bias, std::ptrdiff_t offset)
        : inputs_(inputs), units_(units), use_bias_(use_bias) {
        input_shape = {inputs};
        output_shape = {units};
        output_activation = activation;
        parameters.push_back({name + "/kernel",
                              {inputs, units},
                              Parameter::Layout::panels,
                              offset,
                              blocks_of(units) * inputs * kBlock});
        if (use_bias)
            parameters.push_back({name + "/bias",
                                  {units},
                                  Parameter::Layout::vector,
                                  offset + parameters[0].size,
                                  padded(units)});
    }

    std::string describe() const override {
        return "dense " + std::to_string(inputs_) + " -> " + std::to_string(units_) +
               (use_bias_ ? " + bias" : "") +
               (output_activation == Activation::linear
                    ? ""
                    : std::string(" + ") + name_of(output_activation));
    }
    double multiply_adds() const override {
        return static_cast<double>(inputs_) * static_cast<double>(units_);
    }
    std::ptrdiff_t transposed_floats() const override {
        return blocks_of(inputs_) * transposed_stride();
    }

    void forward(const Pass& pass) const override {
        const Rows& x = pass.workspace.activations[index];
        const Rows& y = pass.workspace.activations[index + 1];
        kernels::DenseProductArgs args{};
        args.K = inputs_;
        args.panels = pass.parameters + parameters[0].offset;
        args.panel_stride = parameters[0].panel_stride();
        args.bias = use_bias_ ? pass.parameters + parameters[1].offset : nullptr;
        args.activation = output_activation;
        product(pass, args, blocks_of(units_), x, y, nullptr);
    }

    void prepare_backward(const Pass& pass) const override {
        if (index == 0) return;
        const auto share = pass.member.share(blocks_of(inputs_));
        pass.kernels.transpose_panels(inputs_, blocks_of(units_),
                                      pass.parameters + parameters[0].offset,
                                      parameters[0].panel_stride(), share.first, share.last,
                                      pass.workspace.transposed[index], transposed_stride());
    }

    void backward_input(const Pass& pass) const override {
        kernels::DenseProductArgs args{};
        args.K = units_;
        args.panels = pass.workspace.transposed[index];
        args.panel_stride = transposed_stride();
        args.activation = input_activation;
        product(pass, args, blocks_of(inputs_), pass.workspace.deltas[index + 1],
                pass.workspace.deltas[index], &pass.workspace.activations[index]);
    }

    void backward_weights(const Pass& pass) const override {
        const Rows& x = pass.workspace.activations[index];
        const Rows& d = pass.workspace.deltas[index + 1];
        const bool update = pass.optimizer != nullptr;
        const auto share = pass.member.share(inputs_);
        kernels::DenseWeightGradientArgs args{};
        args.rows = pass.rows;
        args.input_begin = share.first;
        args.input_end = share.last;
        args.blocks = blocks_of(units_);
        args.x = x.data;
        args.x_row = x.stride;
        args.d = d.data;
        args.d_row = d.stride;
        args.panel_stride = parameters[0].panel_stride();
        if (update) {
            args.weights = pass.parameters + parameters[0].offset;
            args.learning_rate = pass.optimizer->learning_rate;
        } else {
            args.gradient = pass.gradients + parameters[0].offset;
        }
        pass.kernels.dense_weight_gradient(args);
        if (use_bias_ && pass.member.thread == 0) {
            float* gradient = pass.gradients + parameters[1].offset;
            pass.kernels.bias_gradient(pass.rows, padded(units_), d.data, d.stride, gradient);
            if (update)
                pass.kernels.sgd_update(padded(units_), pass.optimizer->learning_rate, gradient,
                                        pass.parameters + parameters[1].offset);
        }
    }

 private:
    std::ptrdiff_t transposed_stride() const { return padded(units_) * kBlock; }

    // One thread's share of y = epilogue(a panels): by pairs of blocks where there are enough of
    // them, else by rows.
    void product(const Pass& pass, kernels::DenseProductArgs args, std::ptrdiff_t blocks,
                 const Rows& a, const Rows& y, const Rows* activity) const {
        runtime::Member::Range block_range{0, blocks}, row_range{0, pass.rows};
        const std::ptrdiff_t pairs = (blocks + 1) / 2;
        if (pairs >= pass.member.threads) {
            const auto share = pass.member.share(pairs);
            block_range = {share.first * 2, std::min(blocks, share.last * 2)};
        } else {
            row_range = pass.member.share(pass.rows);
        }
        const std::ptrdiff_t column = block_range.first * kBlock;
        args.rows = row_range.last - row_range.first;
        args.blocks = block_range.last - block_range.first;
        args.a = a.row(row_range.first);
        args.a_row = a.stride;
        args.panels += block_range.first * args.panel_stride;
        if (args.bias != nullptr) args.bias += column;
        if (activity != nullptr) {
            args.input_activity = activity->row(row_range.first) + column;
            args.input_activity_row = activity->stride;
        }
        args.y = y.row(row_range.first) + column;
        args.y_row = y.stride;
        pass.kernels.dense_product(args);
    }

    std::ptrdiff_t inputs_, units_;
    bool use_bias_;
};

// An activation that could not be fused into the stage before it.
class ActivationStage final : public Stage {
 public:
    ActivationStage(const Shape& shape, Activation activation) {
        input_shape = output_shape = shape;
        output_activation = activation;
    }
    std::string describe() const override { return name_of(output_activation); }

    void forward(const Pass& pass) const override {
        const auto share = pass.member.share(pass.rows);
        for (std::ptrdiff_t r = share.first; r < share.last; ++r)
            pass.kernels.activation(output_activation, element_count(input_shape),
                                    pass.workspace.activations[index].row(r),
                                    pass.workspace.activations[index + 1].row(r));
    }
    void backward_input(const Pass& pass) const override {
        // The delta of the output buffer is already taken before this activation.
        const auto share = pass.member.share(pass.rows);
        for (std::ptrdiff_t r = share.first; r < share.last; ++r)
            pass.kernels.activation_gradient(input_activation, element_count(input_shape),
                                             pass.workspace.activations[index].row(r),
                                             pass.workspace.deltas[index + 1].row(r),
                                             pass.workspace.deltas[index].row(r));
    }
};

class SoftmaxStage final : public Stage {
 public:
    explicit SoftmaxStage(const Shape& shape) { input_shape = output_shape = shape; }
    std::string describe() const override { return "softmax"; }

    void forward(const Pass& pass) const override {
        const Rows& x = pass.workspace.activations[index];
        const Rows& y = pass.workspace.activations[index + 1];
        const auto share = pass.member.share(pass.rows);
        pass.kernels.softmax(share.last - share.first, element_count(input_shape),
                             x.row(share.first), x.stride, y.row(share.first), y.stride,
                             scratch(pass));
    }
    void backward_input(const Pass& pass) const override {
        const Rows& y = pass.workspace.activations[index + 1];
        const Rows& dy = pass.workspace.deltas[index + 1];
        const Rows& dx = pass.workspace.deltas[index];
        const auto share = pass.member.share(pass.rows);
        pass.kernels.softmax_gradient(share.last - share.first, element_count(input_shape),
                                      y.row(share.first), y.stride, dy.row(share.first), dy.stride,
                                      dx.row(share.first), dx.stride, scratch(pass));
        if (input_activation == Activation::linear) return;
        for (std::ptrdiff_t r = share.first; r < share.last; ++r)
            pass.kernels.activation_gradient(input_activation, element_count(input_shape),
                                             pass.workspace.activations[index].row(r), dx.row(r),
                                             dx.row(r));
    }

 private:
    static float* scratch(const Pass& pass) {
        return pass.workspace.rowwise_scratch[static_cast<std::size_t>(pass.member.thread)];
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
    std::string describe() const override { return "dropout " + std::to_string(rate_); }
    std::ptrdiff_t saved_floats() const override { return element_count(input_shape); }

    void forward(const Pass& pass) const override {
        const Rows& x = pass.workspace.activations[index];
        const Rows& y = pass.workspace.activations[index + 1];
        const std::ptrdiff_t count = element_count(input_shape);
        const auto share = pass.member.share(pass.rows);
        for (std::ptrdiff_t r = share.first; r < share.last; ++r) {
            if (!pass.training) {
                std::copy_n(x.row(r), count, y.row(r));
                continue;
            }
            const std::ptrdiff_t image = pass.samples != nullptr ? pass.samples[r] : r;
            const kernels::DropoutKey key{
                static_cast<std::uint32_t>(pass.randomness.seed),
                static_cast<std::uint32_t>(pass.randomness.seed >> 32),
                static_cast<std::uint32_t>(image), pass.randomness.epoch,
                static_cast<std::uint32_t>(runtime::Purpose::dropout) | number_ << 8};
            pass.kernels.dropout(count, key, static_cast<std::uint32_t>(rate_ * 65536.0f),
                                 1.0f / (1.0f - rate_), x.row(r),
                                 pass.workspace.saved[index].row(r), y.row(r));
        }
    }
    void backward_input(const Pass& pass) const override {
        const std::ptrdiff_t count = element_count(input_shape);
        const Rows& dx = pass.workspace.deltas[index];
        const auto share = pass.member.share(pass.rows);
        for (std::ptrdiff_t r = share.first; r < share.last; ++r) {
            const float* dy = pass.workspace.deltas[index + 1].row(r);
            if (pass.training) {
                pass.kernels.multiply(count, dy, pass.workspace.saved[index].row(r), dx.row(r));
                dy = dx.row(r);
            }
            pass.kernels.activation_gradient(
                input_activation, count, pass.workspace.activations[index].row(r), dy, dx.row(r));
        }
    }

 private:
    float rate_;
    std::uint32_t number_;
};

}  // namespace

std::unique_ptr<Stage> make_dense_stage(const std::string& name, std::ptrdiff_t inputs,
                                        std::ptrdiff_t units, Activation activation, bool use_bias,
                                        std::ptrdiff_t parameter_offset) {
    return std::make_unique<DenseStage>(name, inputs, units, activation, use_bias,
                                        parameter_offset);
}

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
