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
        // A pair of transposed panels, for the input gradient; what each sample adds to the weight
        // gradient is the product of its inputs and output gradients.
        return {.scratch = backward && needs_input_gradient ? 2 * transposed_stride() : 0,
                .gathered = trains ? padded(inputs_) + padded(units_) : 0};
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
        const std::ptrdiff_t blocks = blocks_of(units_), parts = row_parts(pass, blocks);
        for_pairs(pass, blocks, parts, [&](const Pass&, const Piece& piece) {
            kernels::DenseProductArgs own = args;
            own.panels += piece.first * args.panel_stride;
            product(pass, own, piece, x, y, nullptr);
        });
    }

    // Pair by pair of input blocks: turn their weights, compute their input gradient, and while
    // those weights are in the cache, update them.
    void backward_data(const BackwardPass& pass) const override {
        if (!needs_input_gradient) return;
        const std::ptrdiff_t blocks = blocks_of(inputs_), parts = row_parts(pass, blocks);
        const float* const panels = values(pass) + parameters[0].offset;
        for_pairs(pass, blocks, parts, [&](const BackwardPass& own, const Piece& range) {
            float* const turned = scratch(own);
            kernels::DenseProductArgs args{};
            args.K = units_;
            args.panels = turned;
            args.panel_stride = transposed_stride();
            args.activation = input_activation;
            const bool at_once = gradients_at_once(pass, parts);
            if (at_once && range.first == 0) bias_gradient(own, from_pass(own));
            Piece pair = range;
            for (; pair.first < range.last; pair.first += 2) {
                const std::ptrdiff_t first = pair.first;
                pair.last = std::min(first + 2, range.last);
                pass.kernels.transpose_panels(
                    inputs_ - first * kBlock, blocks_of(units_), panels + first * kBlock * kBlock,
                    parameters[0].panel_stride(), pair.last - first, turned, transposed_stride());
                product(pass, args, pair, output_delta(pass), input_delta(pass), &input(pass));
                if (at_once)
                    weight_gradient(pass, from_pass(pass), first * kBlock,
                                    std::min(pair.last * kBlock, inputs_));
            }
        });
    }

    void backward_weights(const BackwardPass& pass) const override {
        if (needs_input_gradient && gradients_at_once(pass, row_parts(pass, blocks_of(inputs_))))
            return;
        if (pass.shared == nullptr) return whole_gradients(pass, from_pass(pass));
        const Rows to = gathered(pass);
        const std::ptrdiff_t first = pass.share().first_row();
        for_each(pass, pass.rows, [&](const BackwardPass&, std::ptrdiff_t r) {
            float* const row = to.row(first + r);
            std::copy_n(input(pass).row(r), inputs_, row);
            std::copy_n(output_delta(pass).row(r), units_, row + padded(inputs_));
        });
    }
    // Each gradient is one chain over all samples, which ends in the update where one process has
    // them all; where several have, each computes it whole: that is less than sending it would be.
    bool adds_up() const override { return false; }
    void whole_batch_weights(const BackwardPass& pass) const override {
        const Rows all = gathered(pass);
        whole_gradients(
            pass, {pass.batch(), all.data, all.data + padded(inputs_), all.stride(), all.stride()});
    }

 private:
    static constexpr std::ptrdiff_t kPieces = 4;         // for each thread
    static constexpr std::ptrdiff_t kFewestInputs = 24;  // worth a piece
    static constexpr std::ptrdiff_t kFewestRows = 8;

    // Whether the pass to the inputs also computes the gradients, in so many parts of the rows.
    bool gradients_at_once(const Pass& pass, std::ptrdiff_t parts) const {
        return trains && parts == 1 && pass.shared == nullptr;
    }
    std::ptrdiff_t transposed_stride() const { return padded(units_) * kBlock; }

    // Products are cut into pairs of blocks of columns, and where there are fewer of them than
    // threads, also into so many parts of the rows.
    static std::ptrdiff_t row_parts(const Pass& pass, std::ptrdiff_t blocks) {
        const std::ptrdiff_t pairs = (blocks + 1) / 2, threads = pass.team.used();
        if (pairs >= threads) return 1;
        return std::clamp<std::ptrdiff_t>(pass.rows / kFewestRows, 1,
                                          (threads + pairs - 1) / pairs);
    }
    struct Piece {
        std::ptrdiff_t first, last;  // blocks
        std::ptrdiff_t first_row, last_row;
    };
    template <class AnyPass, class Body>
    static void for_pairs(const AnyPass& pass, std::ptrdiff_t blocks, std::ptrdiff_t parts,
                          const Body& body) {
        const std::ptrdiff_t pairs = (blocks + 1) / 2;
        for_ranges(
            pass, pairs * parts, 1,
            [&](const AnyPass& own, std::ptrdiff_t first, std::ptrdiff_t last) {
                if (parts == 1)
                    return body(own, Piece{2 * first, std::min(blocks, 2 * last), 0, pass.rows});
                for (std::ptrdiff_t i = first; i < last; ++i) {
                    const std::ptrdiff_t pair = i / parts, part = i % parts;
                    body(own, Piece{2 * pair, std::min(blocks, 2 * pair + 2),
                                    pass.rows * part / parts, pass.rows * (part + 1) / parts});
                }
            });
    }

    // y = epilogue(a panels) for some rows and blocks of columns; the first panel is that of the
    // first block.
    static void product(const Pass& pass, kernels::DenseProductArgs args, const Piece& piece,
                        const Rows& a, const Rows& y, const Rows* activity) {
        const std::ptrdiff_t column = piece.first * kBlock;
        args.rows = piece.last_row - piece.first_row;
        args.blocks = piece.last - piece.first;
        args.a = a.row(piece.first_row);
        args.a_row = a.stride();
        if (args.bias != nullptr) args.bias += column;
        if (activity != nullptr) {
            args.input_activity = activity->row(piece.first_row) + column;
            args.input_activity_row = activity->stride();
        }
        args.y = y.row(piece.first_row) + column;
        args.y_row = y.stride();
        pass.kernels.dense_product(args);
    }

    // Inputs and output gradients, of this pass's samples or of the whole batch.
    struct Samples {
        std::ptrdiff_t rows;
        const float *x, *d;
        std::ptrdiff_t x_row, d_row;
    };
    Samples from_pass(const Pass& pass) const {
        const Rows &x = input(pass), &d = output_delta(pass);
        return {pass.rows, x.data, d.data, x.stride(), d.stride()};
    }

    void whole_gradients(const BackwardPass& pass, const Samples& samples) const {
        // The bias is one more piece, and the first.
        const std::ptrdiff_t pieces =
            std::clamp<std::ptrdiff_t>(inputs_ / kFewestInputs, 1, kPieces * pass.team.used());
        for_each(pass, pieces + 1, [&](const BackwardPass&, std::ptrdiff_t i) {
            if (i == 0) return bias_gradient(pass, samples);
            weight_gradient(pass, samples, inputs_ * (i - 1) / pieces, inputs_ * i / pieces);
        });
    }

    void bias_gradient(const BackwardPass& pass, const Samples& samples) const {
        if (!use_bias_) return;
        float* const gradient = pass.gradients + parameters[1].offset;
        pass.kernels.bias_gradient(samples.rows, padded(units_), samples.d, samples.d_row, true,
                                   gradient);
        update(pass, parameters[1], 0, padded(units_));
    }

    // And the update, for the inputs [first, last).
    void weight_gradient(const BackwardPass& pass, const Samples& samples, std::ptrdiff_t first,
                         std::ptrdiff_t last) const {
        kernels::DenseWeightGradientArgs args{};
        args.rows = samples.rows;
        args.input_begin = first;
        args.input_end = last;
        args.blocks = blocks_of(units_);
        args.x = samples.x;
        args.x_row = samples.x_row;
        args.d = samples.d;
        args.d_row = samples.d_row;
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
