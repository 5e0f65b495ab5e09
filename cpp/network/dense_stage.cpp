#include "dense_stage.h"

#include <algorithm>

#include "activations.h"

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
    Sizes sizes(std::ptrdiff_t, bool backward) const override {
        // A pair of transposed panels, for the input gradient.
        return {.scratch = backward && needs_input_gradient ? 2 * transposed_stride() : 0};
    }

    void forward(const Pass& pass) const override {
        const Rows& x = input(pass);
        const Rows& y = output(pass);
        kernels::DenseProductArgs args{};
        args.K = inputs_;
        args.panels = values(pass) + parameters[0].offset;
        args.panel_stride = parameters[0].panel_stride();
        args.bias = bias(pass, use_bias_);
        args.activation = activation(pass);
        const Share own = share(pass, blocks_of(units_));
        args.panels += own.blocks.first * args.panel_stride;
        product(pass, args, own, x, y, nullptr);
    }

    // Pair by pair of input blocks: turn their weights, compute their input gradient, and while
    // those weights are in the cache, update them.
    void backward_data(const BackwardPass& pass) const override {
        if (!needs_input_gradient) return;
        const Share own = share(pass, blocks_of(inputs_));
        float* const turned = scratch(pass);
        const float* const panels = values(pass) + parameters[0].offset;
        kernels::DenseProductArgs args{};
        args.K = units_;
        args.panels = turned;
        args.panel_stride = transposed_stride();
        args.activation = input_activation;
        for (std::ptrdiff_t first = own.blocks.first; first < own.blocks.last; first += 2) {
            const std::ptrdiff_t last = std::min(first + 2, own.blocks.last);
            pass.kernels.transpose_panels(
                inputs_ - first * kBlock, blocks_of(units_), panels + first * kBlock * kBlock,
                parameters[0].panel_stride(), last - first, turned, transposed_stride());
            product(pass, args, {{first, last}, own.rows, own.has_all_rows}, output_delta(pass),
                    input_delta(pass), &input(pass));
            if (own.has_all_rows && trains)
                weight_gradient(pass, first * kBlock, std::min(last * kBlock, inputs_));
        }
    }

    void backward_weights(const BackwardPass& pass) const override {
        if (!needs_input_gradient || !share(pass, blocks_of(inputs_)).has_all_rows) {
            const auto inputs = pass.member.share(inputs_);
            weight_gradient(pass, inputs.first, inputs.last);
        }
        if (use_bias_ && pass.member.thread == 0) {
            const Rows& d = output_delta(pass);
            float* gradient = pass.gradients + parameters[1].offset;
            pass.kernels.bias_gradient(pass.rows, padded(units_), d.data, d.stride(), gradient);
            if (pass.learning_rate != nullptr)
                pass.kernels.sgd_update(padded(units_), *pass.learning_rate, gradient,
                                        pass.weights + parameters[1].offset);
        }
    }

 private:
    std::ptrdiff_t transposed_stride() const { return padded(units_) * kBlock; }

    // One thread's share of a product: pairs of blocks where there are enough of them, else rows.
    struct Share {
        runtime::Member::Range blocks, rows;
        bool has_all_rows;
    };
    static Share share(const Pass& pass, std::ptrdiff_t blocks) {
        const std::ptrdiff_t pairs = (blocks + 1) / 2;
        if (pairs < pass.member.threads) return {{0, blocks}, pass.member.share(pass.rows), false};
        const auto own = pass.member.share(pairs);
        return {{own.first * 2, std::min(blocks, own.last * 2)}, {0, pass.rows}, true};
    }

    // y = epilogue(a panels) for some rows and blocks of columns; the first panel is that of the
    // first block.
    static void product(const Pass& pass, kernels::DenseProductArgs args, const Share& part,
                        const Rows& a, const Rows& y, const Rows* activity) {
        const std::ptrdiff_t column = part.blocks.first * kBlock;
        args.rows = part.rows.last - part.rows.first;
        args.blocks = part.blocks.last - part.blocks.first;
        args.a = a.row(part.rows.first);
        args.a_row = a.stride();
        if (args.bias != nullptr) args.bias += column;
        if (activity != nullptr) {
            args.input_activity = activity->row(part.rows.first) + column;
            args.input_activity_row = activity->stride();
        }
        args.y = y.row(part.rows.first) + column;
        args.y_row = y.stride();
        pass.kernels.dense_product(args);
    }

    // And the update, for the inputs [first, last).
    void weight_gradient(const BackwardPass& pass, std::ptrdiff_t first,
                         std::ptrdiff_t last) const {
        const Rows& x = input(pass);
        const Rows& d = output_delta(pass);
        kernels::DenseWeightGradientArgs args{};
        args.rows = pass.rows;
        args.input_begin = first;
        args.input_end = last;
        args.blocks = blocks_of(units_);
        args.x = x.data;
        args.x_row = x.stride();
        args.d = d.data;
        args.d_row = d.stride();
        args.panel_stride = parameters[0].panel_stride();
        if (pass.learning_rate != nullptr) {
            args.weights = pass.weights + parameters[0].offset;
            args.learning_rate = *pass.learning_rate;
        } else {
            args.gradient = pass.gradients + parameters[0].offset;
        }
        pass.kernels.dense_weight_gradient(args);
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
