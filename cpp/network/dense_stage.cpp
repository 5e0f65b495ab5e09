#include <algorithm>

#include "stage.h"

namespace nncore::network {
namespace {

using kernels::Activation;

// y = activation(x W + b); W in panels of 16 outputs, rows of x one sample each.
class DenseStage final : public Stage {
 public:
    DenseStage(const std::string& name, std::ptrdiff_t inputs, std::ptrdiff_t units,
               Activation activation, bool use_bias, std::ptrdiff_t offset)
        : inputs_(inputs), units_(units), use_bias_(use_bias) {
        input_shape = {inputs};
        output_shape = {units};
        output_activation = activation;
        parameters.push_back(
            {name + "/kernel", {inputs, units}, Parameter::Layout::panels, offset});
        if (use_bias)
            parameters.push_back({name + "/bias",
                                  {units},
                                  Parameter::Layout::vector,
                                  offset + parameters[0].size()});
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
    Sizes sizes(std::ptrdiff_t, bool training) const override {
        // The transposed weights, for the input gradient.
        return {.shared = training && index > 0 ? blocks_of(inputs_) * transposed_stride() : 0};
    }

    void forward(const Pass& pass) const override {
        const Rows& x = input(pass);
        const Rows& y = output(pass);
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
                                      pass.workspace.shared[index], transposed_stride());
    }

    void backward_data(const Pass& pass) const override {
        if (index == 0) return;
        kernels::DenseProductArgs args{};
        args.K = units_;
        args.panels = pass.workspace.shared[index];
        args.panel_stride = transposed_stride();
        args.activation = input_activation;
        product(pass, args, blocks_of(inputs_), output_delta(pass), input_delta(pass),
                &input(pass));
    }

    void backward_weights(const Pass& pass) const override {
        const Rows& x = input(pass);
        const Rows& d = output_delta(pass);
        const bool update = pass.optimizer != nullptr;
        const auto share = pass.member.share(inputs_);
        kernels::DenseWeightGradientArgs args{};
        args.rows = pass.rows;
        args.input_begin = share.first;
        args.input_end = share.last;
        args.blocks = blocks_of(units_);
        args.x = x.data;
        args.x_row = x.stride();
        args.d = d.data;
        args.d_row = d.stride();
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
            pass.kernels.bias_gradient(pass.rows, padded(units_), d.data, d.stride(), gradient);
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
        args.a_row = a.stride();
        args.panels += block_range.first * args.panel_stride;
        if (args.bias != nullptr) args.bias += column;
        if (activity != nullptr) {
            args.input_activity = activity->row(row_range.first) + column;
            args.input_activity_row = activity->stride();
        }
        args.y = y.row(row_range.first) + column;
        args.y_row = y.stride();
        pass.kernels.dense_product(args);
    }

    std::ptrdiff_t inputs_, units_;
    bool use_bias_;
};

}  // namespace

std::unique_ptr<Stage> make_dense_stage(const std::string& name, std::ptrdiff_t inputs,
                                        std::ptrdiff_t units, Activation activation, bool use_bias,
                                        std::ptrdiff_t parameter_offset) {
    return std::make_unique<DenseStage>(name, inputs, units, activation, use_bias,
                                        parameter_offset);
}

}  // namespace nncore::network
