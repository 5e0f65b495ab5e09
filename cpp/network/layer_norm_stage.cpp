// Layer normalization (Ba, Kiros and Hinton, 2016): each pixel over its channels (a flat sample
// over its features), y = gamma * (x - mean) / sqrt(variance + epsilon) + beta.
#include "layer_norm_stage.h"

#include <algorithm>

namespace nncore::network {
namespace {

class LayerNormStage final : public Stage {
 public:
    LayerNormStage(const std::string& name, const Shape& shape, float epsilon,
                   std::ptrdiff_t offset)
        : channels_(shape.back()),
          pixels_(element_count(shape) / shape.back()),
          stride_(padded(shape.back())),
          epsilon_(epsilon) {
        input_shape = output_shape = shape;
        parameters.push_back({.name = name + "/gamma",
                              .shape = {channels_},
                              .layout = Parameter::Layout::vector,
                              .offset = offset,
                              .initializer = Initializer::ones});
        parameters.push_back({.name = name + "/beta",
                              .shape = {channels_},
                              .layout = Parameter::Layout::vector,
                              .offset = offset + stride_});
    }

    std::string describe() const override { return "layer normalization"; }
    Sizes sizes(std::ptrdiff_t largest, bool backward) const override {
        Sizes sizes;
        sizes.scratch = 3 * kBlock * stride_;
        if (backward) {
            // Of the samples of one call: dy * n, sums over the rows, and dx if nobody wants it.
            sizes.scratch += 2 * padded(together() * element_count(input_shape)) + stride_;
            sizes.shared = chunk_count(largest) * 2 * stride_;
        }
        return sizes;
    }

    void forward(const Pass& pass) const override {
        const Rows& x = input(pass);
        const Rows& y = output(pass);
        const float* const gamma = pass.parameters + parameters[0].offset;
        const float* const beta = pass.parameters + parameters[1].offset;
        if (is_flat()) {
            for_ranges(pass, pass.rows, kBlock,
                       [&](const Pass& own, std::ptrdiff_t first, std::ptrdiff_t last) {
                           pass.kernels.layer_norm(args(x.row(first), last - first, x.stride()),
                                                   gamma, beta, y.row(first), y.stride(),
                                                   scratch(own));
                       });
            return;
        }
        for_bands(
            pass, y.layout.height,
            [&](const Pass& own, std::ptrdiff_t r, std::ptrdiff_t first, std::ptrdiff_t last) {
                for_lines_of(own, r, first, last,
                             [&](const float* from, float* to, auto, std::ptrdiff_t count) {
                                 pass.kernels.layer_norm(args(from, count / channels_, channels_),
                                                         gamma, beta, to, channels_, scratch(own));
                             });
            });
    }

    void backward_data(const BackwardPass& all) const override {
        const float* const gamma = all.parameters + parameters[0].offset;
        const Share share = all.share();
        for_each(all, share.chunks, [&](const BackwardPass& pass, std::ptrdiff_t chunk) {
            float* const products = scratch(pass) + 3 * kBlock * stride_;
            float* const sums = products + padded(together() * element_count(input_shape));
            float* const unused = sums + stride_;
            float* const partial = pass.workspace.shared[index] + chunk * 2 * stride_;
            std::fill_n(partial, 2 * stride_, 0.0f);
            const std::ptrdiff_t last = share.begin(chunk + 1);
            for (std::ptrdiff_t r = share.begin(chunk); r < last; r += together()) {
                const std::ptrdiff_t end = std::min(r + together(), last);
                const std::ptrdiff_t rows = (end - r) * pixels_;
                const Rows& dy = output_delta(pass);
                pass.kernels.layer_norm_gradient(
                    args(input(pass).row(r), rows, row_of(input(pass))), gamma, dy.row(r),
                    row_of(dy), needs_input_gradient ? input_delta(pass).row(r) : unused,
                    needs_input_gradient ? row_of(input_delta(pass)) : channels_, products,
                    channels_, scratch(pass));
                const auto accumulate = [&](const float* values, std::ptrdiff_t row, float* total) {
                    pass.kernels.bias_gradient(rows, channels_, values, row, true, sums);
                    for (std::ptrdiff_t c = 0; c < channels_; ++c) total[c] += sums[c];
                };
                accumulate(products, channels_, partial);
                accumulate(dy.row(r), row_of(dy), partial + stride_);
                for (std::ptrdiff_t sample = r; needs_input_gradient && sample < end; ++sample)
                    multiply_by_input_derivative(pass, sample);
            }
        });
    }

    void backward_weights(const BackwardPass& pass) const override {
        const std::ptrdiff_t chunks = pass.share().chunks;
        for (std::size_t p = 0; p < parameters.size(); ++p) {
            pass.kernels.sum_partials(
                stride_, chunks, 2 * stride_,
                pass.workspace.shared[index] + static_cast<std::ptrdiff_t>(p) * stride_,
                pass.gradients + parameters[p].offset);
            update(pass, parameters[p], 0, stride_);
        }
    }

 private:
    // The kernels take 16 rows at a time: of an image its pixels, else as many samples.
    bool is_flat() const { return pixels_ == 1; }
    std::ptrdiff_t together() const { return is_flat() ? kBlock : 1; }
    std::ptrdiff_t row_of(const Rows& rows) const { return is_flat() ? rows.stride() : channels_; }
    kernels::LayerNormArgs args(const float* x, std::ptrdiff_t rows, std::ptrdiff_t row) const {
        return {.rows = rows, .columns = channels_, .epsilon = epsilon_, .x = x, .x_row = row};
    }

    std::ptrdiff_t channels_, pixels_, stride_;
    float epsilon_;
};

}  // namespace

std::unique_ptr<Stage> make_layer_norm_stage(const std::string& name, const Shape& shape,
                                             float epsilon, std::ptrdiff_t parameter_offset) {
    return std::make_unique<LayerNormStage>(name, shape, epsilon, parameter_offset);
}

}  // namespace nncore::network
