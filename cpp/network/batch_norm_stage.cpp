// Batch normalization (Ioffe and Szegedy, 2015): each channel (each feature of a flat sample)
//   y = gamma * (x - mean) / sqrt(variance + epsilon) + beta
// with the mean and the variance over all pixels of the batch in training, and with their moving
// averages in inference. The variance is that of the batch (divided by its size), as in Keras.
//
// One whose layer is not trainable uses the moving averages in training, too.
//
// Directly behind a linear convolution or Dense layer, inference folds all that into the weights of
// that stage (`fold_into`), and this one does nothing. So does training where it is not trainable;
// and between an expansion and a depthwise convolution, with the batch's statistics
// (expansion_norm.h).
#include "batch_norm_stage.h"

#include <algorithm>
#include <cmath>

#include "activations.h"
#include "expansion_norm.h"

namespace nncore::network {
namespace {

using kernels::Activation;

class BatchNormStage final : public Stage {
 public:
    BatchNormStage(const std::string& name, const Shape& shape, float momentum, float epsilon,
                   bool folds, bool fixed, std::ptrdiff_t offset)
        : channels_(shape.back()),
          pixels_(element_count(shape) / shape.back()),
          stride_(padded(shape.back())),
          momentum_(momentum),
          epsilon_(epsilon),
          folds_(folds),
          fixed_(fixed) {
        input_shape = output_shape = shape;
        const auto add = [&](const char* kind, bool trainable, Initializer initializer) {
            parameters.push_back({.name = name + "/" + kind,
                                  .shape = {channels_},
                                  .layout = Parameter::Layout::vector,
                                  .offset = offset,
                                  .trainable = trainable,
                                  .initializer = initializer});
            offset += parameters.back().size();
        };
        add("gamma", true, Initializer::ones);
        add("beta", true, Initializer::zeros);
        add("moving_mean", false, Initializer::zeros);
        add("moving_variance", false, Initializer::ones);
    }

    std::string describe() const override {
        std::string text = "batch normalization";
        if (is_fused()) text += std::string(" + ") + name_of(output_activation);
        if (!folds_) return text;
        return text + (folds_in_training() ? "; part" : "; in inference part") +
               " of the stage before";
    }
    std::optional<std::size_t> shown_buffer(bool backward) const override {
        if (folds_in_training() || (folds_ && !backward)) return index;
        return {};
    }
    bool varies_in_training() const override { return !fixed_; }
    bool folds() const override { return folds_; }
    bool folds_in_training() const override { return folds_ && (fixed_ || expansion_); }
    bool leaves_last_step() const override { return folds_ && !folds_in_training(); }
    bool measures_inputs_of(const Stage& before) const override {
        return folds_ && !fixed_ && trains && before.trains && ExpansionNorm::suits(before);
    }
    void measure_inputs_of(const Stage& before) override {
        expansion_.emplace(before, epsilon_);
        expanding_ = &before;
    }
    bool leaves_output_to(const Stage& next, bool in_training) const override {
        return in_training && next.takes_output() && !folds_in_training() && !fixed_;
    }
    bool shares_delta() const override { return true; }
    std::vector<std::size_t> deltas_written() const override {
        return is_left ? std::vector<std::size_t>{} : Stage::deltas_written();
    }
    void fold_scales(const Stage& before, const float* values, float* scales) const override {
        const Parameter& kernel = before.parameters[0];
        std::vector<float> natural(static_cast<std::size_t>(element_count(kernel.shape)));
        for (std::size_t i = 0; i < natural.size(); ++i)
            natural[i] = factor(values, static_cast<std::ptrdiff_t>(i) % channels_);
        kernel.pack(natural.data(), scales);
        if (before.parameters.size() > 1)
            for (std::ptrdiff_t c = 0; c < channels_; ++c)
                scales[before.parameters[1].offset + c] = factor(values, c);
    }
    void fold_bias(const Stage& before, const float* values, float* folded_values) const override {
        for (std::ptrdiff_t c = 0; c < channels_; ++c) {
            const float bias =
                before.parameters.size() > 1 ? values[before.parameters[1].offset + c] : 0.0f;
            folded_values[parameters[kBeta].offset + c] =
                std::fma(bias - values[parameters[kMovingMean].offset + c], factor(values, c),
                         values[parameters[kBeta].offset + c]);
        }
    }
    // kernel * scale and (bias - mean) * scale + beta, the latter in the place of beta.
    void fold_into(const Stage& before, const float* values, float* folded_values) const override {
        const Parameter& kernel = before.parameters[0];
        fold_bias(before, values, folded_values);
        std::vector<float> natural(static_cast<std::size_t>(element_count(kernel.shape)));
        kernel.unpack(values, natural.data());
        for (std::size_t i = 0; i < natural.size(); ++i)
            natural[i] *= factor(values, static_cast<std::ptrdiff_t>(i) % channels_);
        kernel.pack(natural.data(), folded_values);
    }
    Sizes sizes(std::ptrdiff_t largest, bool backward) const override {
        if (backward && expansion_)
            return {.shared = kSharedRows * stride_ + expansion_->shared_floats(),
                    .scratch = kScratchRows * stride_ + expansion_->scratch_floats(),
                    .inner = is_fused() ? element_count(output_shape) : 0,
                    .image = expansion_->image_floats(),
                    .moments = expansion_->moment_floats()};
        if (!backward || folds_in_training())
            return {.scratch = kScratchRows * stride_,
                    .inner = backward && is_fused() ? element_count(output_shape) : 0};
        return {.shared = kSharedRows * stride_ + chunk_count(largest) * 2 * stride_,
                .scratch = (kScratchRows + 2 * kernels::kNormalizeChains) * stride_,
                .inner = is_fused() ? element_count(output_shape) : 0,
                .moments = 2 * stride_};
    }

    void forward(const Pass& pass) const override {
        const bool inference = pass.purpose == Purpose::inference;
        if (folds_ && inference) return;
        if (folds_in_training()) {
            if (is_fused() && pass.purpose == Purpose::gradients) keep_linear(pass);
            return;
        }
        float* const scale = scratch(pass, 0);
        const float* mean = value(pass, kMovingMean);
        if (!inference && !fixed_) {
            measure_output(pass);
            mean = shared(pass, kMean);
            set_scale(pass, shared(pass, kVariance), scale);
            if (leaves_output(pass)) {
                std::copy_n(scale, stride_, shared(pass, kScale));
                return;
            }
        } else {
            set_scale(pass, value(pass, kMovingVariance), scale);
        }
        const kernels::NormalizeArgs args{pixels_, channels_, mean, scale, value(pass, kBeta)};
        for_lines(pass, [&](const float* x, float* y, auto, std::ptrdiff_t count) {
            kernels::NormalizeArgs line = args;
            line.pixels = count / channels_;
            pass.kernels.normalize(line, output_activation, x, y);
        });
        if (is_fused() && pass.purpose == Purpose::gradients)
            for_each(pass, pass.rows, [&](const Pass&, std::ptrdiff_t r) {
                pass.kernels.normalize(args, Activation::linear, input(pass).row(r),
                                       pass.workspace.inner[index].row(r));
            });
    }

    // The statistics of the batch, and what they make of the weights before.
    void measure(const Pass& pass) const override {
        const Rows& moments = pass.workspace.moments[index];
        const std::ptrdiff_t first = pass.share().first_row();
        expansion_->begin(expansion_place(pass).shared);
        for_each(pass, pass.rows, [&](const Pass& own, std::ptrdiff_t r) {
            use_image(own);
            expansion_->take_sample(own, expansion_place(own), r, moments.row(first + r));
        });
        if (pass.shared != nullptr) pass.shared->gather(moments.data, moments.stride());
        const Parameter& kernel = expanding_->parameters[0];
        const float* const weights = pass.parameters + kernel.offset;
        float* const scale = shared(pass, kScale);
        expansion_->project(weights, moments, pass.batch(), expansion_place(pass).shared,
                            shared(pass, kMean), shared(pass, kVariance));
        set_scale(pass, shared(pass, kVariance), scale);
        expansion_->fold(weights, shared(pass, kMean), scale, value(pass, kBeta),
                         pass.folded + kernel.offset, pass.folded + parameters[kBeta].offset);
    }

    void center_inputs(const Pass& pass, const float* x, std::ptrdiff_t pixels,
                       float* centered) const override {
        expansion_->center(pass, expansion_place(pass).shared, x, pixels, centered);
    }

    void output_lines(const Pass& pass, std::ptrdiff_t row, std::ptrdiff_t first,
                      std::ptrdiff_t last, float* values, std::ptrdiff_t line) const override {
        const std::ptrdiff_t columns = pixels_ / output_shape[0], floats = columns * channels_;
        const std::ptrdiff_t together = line == floats ? last - first : 1;
        const kernels::NormalizeArgs args{together * columns, channels_, shared(pass, kMean),
                                          shared(pass, kScale), value(pass, kBeta)};
        for (; first < last; first += together, values += line)
            pass.kernels.normalize(args, output_activation, input(pass).row(row) + first * floats,
                                   values);
    }

    // The mean of each channel, and the sum of the squares around it.
    void take_sample(const Pass& pass, std::ptrdiff_t row) const override {
        float* const means = pass.workspace.moments[index].row(pass.share().first_row() + row);
        pass.kernels.channel_moments(pixels_, channels_, input(pass).row(row), means,
                                     means + stride_);
    }

    // With n = (x - mean) / deviation, over the N pixels of the batch:
    //   dx = gamma / deviation * (dy - sum of dy / N - n * sum of dy n / N)
    // With fixed statistics, only dx = gamma / deviation * dy.
    void backward_data(const BackwardPass& pass) const override {
        if (expansion_) {
            finish_expansion(pass);
            return;
        }
        if (folds_in_training()) return;  // the delta is that of the stage before
        if (!fixed_) sum_gradients(pass);
        if (!needs_input_gradient) return;
        const float* const variance =
            fixed_ ? value(pass, kMovingVariance) : shared(pass, kVariance);
        const float* const shift = scratch(pass, 0);    // sum of dy
        const float* const product = scratch(pass, 1);  // sum of dy * (x - mean)
        float* const of_gradient = shared(pass, kOfGradient);
        float* const of_input = shared(pass, kOfInput);
        float* const constant = shared(pass, kConstant);
        const float* const gamma = value(pass, kGamma);
        const float count = static_cast<float>(pass.batch() * pixels_);
        for (std::ptrdiff_t c = 0; c < channels_; ++c) {
            const float square = variance[c] + epsilon_;
            of_gradient[c] = gamma[c] / std::sqrt(square);
            of_input[c] = fixed_ ? 0.0f : -of_gradient[c] * (product[c] / count) / square;
            constant[c] = fixed_ ? 0.0f : -of_gradient[c] * (shift[c] / count);
        }
        if (is_left) return;
        for_each(pass, pass.rows, [&](const BackwardPass&, std::ptrdiff_t r) {
            input_gradient(pass, r, 0, pixels_, input_delta(pass).row(r));
        });
    }

    void last_step(const BackwardPass& pass, std::ptrdiff_t, std::ptrdiff_t row,
                   std::ptrdiff_t first, std::ptrdiff_t last, float* gradient,
                   std::ptrdiff_t line) const override {
        const std::ptrdiff_t columns = pixels_ / output_shape[0];
        const std::ptrdiff_t together = line == columns * channels_ ? last - first : 1;
        for (; first < last; first += together, gradient += line)
            input_gradient(pass, row, first * columns, (first + together) * columns, gradient);
    }

    void take_gradient(const BackwardPass& pass, std::ptrdiff_t chunk, std::ptrdiff_t row,
                       std::ptrdiff_t first, std::ptrdiff_t last,
                       const float* gradient) const override {
        const std::ptrdiff_t line = pixels_ / output_shape[0];
        add_pixels(pass, chunk, row, first * line, last * line, gradient);
    }

    void backward_weights(const BackwardPass& pass) const override {
        update(pass, parameters[kGamma], 0, stride_);
        update(pass, parameters[kBeta], 0, stride_);
        if (!expansion_) return;
        const Parameter& kernel = expanding_->parameters[0];
        update(pass, kernel, 0, kernel.size());
    }
    bool adds_up() const override { return false; }

    void move_averages(const Workspace& workspace, float* values) const override {
        if (fixed_) return;
        const float* const batch = workspace.shared[index];
        float* const mean = values + parameters[kMovingMean].offset;
        float* const variance = values + parameters[kMovingVariance].offset;
        for (std::ptrdiff_t c = 0; c < channels_; ++c) {
            mean[c] += (1.0f - momentum_) * (batch[c] - mean[c]);
            variance[c] += (1.0f - momentum_) * (batch[stride_ + c] - variance[c]);
        }
    }

 private:
    enum Index : std::size_t { kGamma, kBeta, kMovingMean, kMovingVariance };
    // What all threads read: of the batch, and the factors of the output and of the input gradient.
    // Behind them the partial sums of the chunks.
    enum Shared { kMean, kVariance, kScale, kOfGradient, kOfInput, kConstant, kSharedRows };
    static constexpr std::ptrdiff_t kScratchRows = 2;

    bool is_fused() const { return output_activation != Activation::linear; }
    // What a channel is multiplied by for fixed statistics.
    float factor(const float* values, std::ptrdiff_t c) const {
        return values[parameters[kGamma].offset + c] /
               std::sqrt(values[parameters[kMovingVariance].offset + c] + epsilon_);
    }
    // For people who look inside: this layer's output, of which the stage before has but its input
    // and its activated output.
    void keep_linear(const Pass& pass) const {
        float* const scale = scratch(pass, 0);
        set_scale(pass, expansion_ ? shared(pass, kVariance) : value(pass, kMovingVariance), scale);
        const float* const mean = expansion_ ? shared(pass, kMean) : value(pass, kMovingMean);
        const kernels::NormalizeArgs args{pixels_, channels_, mean, scale, value(pass, kBeta)};
        for_each(pass, pass.rows, [&](const Pass&, std::ptrdiff_t r) {
            pass.kernels.normalize(args, Activation::linear, pass.workspace.inner[index - 1].row(r),
                                   pass.workspace.inner[index].row(r));
        });
    }
    const float* value(const Pass& pass, Index which) const {
        return pass.parameters + parameters[which].offset;
    }
    float* scratch(const Pass& pass, std::ptrdiff_t row) const {
        return Stage::scratch(pass) + row * stride_;
    }
    float* shared(const Pass& pass, std::ptrdiff_t row) const {
        return pass.workspace.shared[index] + row * stride_;
    }
    ExpansionNorm::Place expansion_place(const Pass& pass) const {
        return {shared(pass, kSharedRows), scratch(pass, kScratchRows), image(pass)};
    }

    // Once the stage behind has handed the gradient of all outputs to the expansion, which has
    // summed it up as if it were a convolution with a bias.
    void finish_expansion(const BackwardPass& pass) const {
        const Parameter& kernel = expanding_->parameters[0];
        float* const place = expansion_place(pass).shared;
        float* const sums = expansion_->sums(place);
        const std::ptrdiff_t chunks = pass.share().chunks, floats = expansion_->sum_floats();
        if (chunks > 0)
            pass.kernels.sum_partials(floats, chunks, floats,
                                      pass.workspace.partials[expanding_->index], sums);
        if (pass.shared != nullptr) pass.shared->sum(sums, floats);
        expansion_->finish(
            pass.parameters + kernel.offset, shared(pass, kScale), shared(pass, kVariance),
            pass.batch(), place,
            {pass.gradients + kernel.offset, pass.gradients + parameters[kGamma].offset,
             pass.gradients + parameters[kBeta].offset});
        if (!expanding_->needs_input_gradient) return;
        for_each(pass, pass.rows, [&](const BackwardPass& own, std::ptrdiff_t r) {
            use_image(own);
            expansion_->correct_input(own, expansion_place(own), r);
        });
    }

    // Of pixels [first, last) of one sample, once the factors are known.
    void input_gradient(const Pass& pass, std::ptrdiff_t r, std::ptrdiff_t first,
                        std::ptrdiff_t last, float* dx) const {
        const kernels::NormalizeGradientArgs args{
            last - first,
            channels_,
            fixed_ ? value(pass, kMovingMean) : shared(pass, kMean),
            shared(pass, kOfGradient),
            shared(pass, kOfInput),
            shared(pass, kConstant)};
        const std::ptrdiff_t at = first * channels_;
        pass.kernels.normalize_gradient(args, input_activation, input(pass).row(r) + at,
                                        output_delta(pass).row(r) + at, dx);
    }

    void set_scale(const Pass& pass, const float* variance, float* scale) const {
        const float* const gamma = value(pass, kGamma);
        for (std::ptrdiff_t c = 0; c < channels_; ++c)
            scale[c] = gamma[c] / std::sqrt(variance[c] + epsilon_);
    }

    // The batch's mean and variance.
    void measure_output(const Pass& pass) const {
        const Rows& moments = pass.workspace.moments[index];
        if (!is_left || !tells_samples(pass))
            for_each(pass, pass.rows,
                     [&](const Pass& own, std::ptrdiff_t r) { take_sample(own, r); });
        if (pass.shared != nullptr) pass.shared->gather(moments.data, moments.stride());
        pass.kernels.combine_moments(pass.batch(), moments.stride(), pixels_, channels_,
                                     moments.row(0), moments.row(0) + stride_, shared(pass, kMean),
                                     shared(pass, kVariance));
    }

    // Adds pixels [first, last) of a sample to the sums of its chunk, samples and pixels in order.
    void add_pixels(const BackwardPass& pass, std::ptrdiff_t chunk, std::ptrdiff_t r,
                    std::ptrdiff_t first, std::ptrdiff_t last, const float* gradient) const {
        float* const chains = scratch(pass, kScratchRows);
        const kernels::NormalizeArgs args{last - first, channels_, shared(pass, kMean), nullptr,
                                          nullptr};
        const std::ptrdiff_t at = first * channels_;
        pass.kernels.normalize_gradient_chains(args, first, input(pass).row(r) + at, gradient,
                                               chains);
        if (last < pixels_) return;
        static_assert(kernels::kNormalizeChains == 4);
        float* total = shared(pass, kSharedRows + 2 * chunk);
        const bool begins = r == pass.share().begin(chunk);
        for (const float* own = chains; own < chains + 8 * stride_;
             own += 4 * stride_, total += stride_)
            for (std::ptrdiff_t c = 0; c < channels_; ++c) {
                const float sum =
                    (own[c] + own[stride_ + c]) + (own[2 * stride_ + c] + own[3 * stride_ + c]);
                total[c] = begins ? sum : total[c] + sum;
            }
    }

    // Sums of dy and of dy * (x - mean) over the batch into rows 0 and 1 of the scratch, and the
    // gradients of gamma and beta.
    void sum_gradients(const BackwardPass& pass) const {
        const Share share = pass.share();
        if (!leaves_in_training)
            for_each(pass, share.chunks, [&](const BackwardPass& own, std::ptrdiff_t chunk) {
                for (std::ptrdiff_t r = share.begin(chunk); r < share.begin(chunk + 1); ++r)
                    add_pixels(own, chunk, r, 0, pixels_, output_delta(pass).row(r));
            });
        float* const sums = scratch(pass, 0);
        if (share.chunks > 0)
            pass.kernels.sum_partials(2 * stride_, share.chunks, 2 * stride_,
                                      shared(pass, kSharedRows), sums);
        if (pass.shared != nullptr) pass.shared->sum(sums, 2 * stride_);
        const float* const shift = scratch(pass, 0);
        const float* const product = scratch(pass, 1);
        const float* const variance = shared(pass, kVariance);
        float* const gamma = pass.gradients + parameters[kGamma].offset;
        float* const beta = pass.gradients + parameters[kBeta].offset;
        for (std::ptrdiff_t c = 0; c < channels_; ++c) {
            beta[c] = shift[c];
            gamma[c] = product[c] / std::sqrt(variance[c] + epsilon_);
        }
    }

    std::ptrdiff_t channels_, pixels_, stride_;
    float momentum_, epsilon_;
    bool folds_;
    bool fixed_;  // by its moving averages, in training, too
    std::optional<ExpansionNorm> expansion_;
    const Stage* expanding_ = nullptr;
};

}  // namespace

std::unique_ptr<Stage> make_batch_norm_stage(const std::string& name, const Shape& shape,
                                             float momentum, float epsilon, bool folds, bool fixed,
                                             std::ptrdiff_t parameter_offset) {
    return std::make_unique<BatchNormStage>(name, shape, momentum, epsilon, folds, fixed,
                                            parameter_offset);
}

}  // namespace nncore::network
