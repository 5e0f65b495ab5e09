// Pooling as a stage of its own; the 2x2 max pool behind a convolution is fused into
// conv_stage.cpp.
#include "pool_stages.h"

#include <algorithm>

namespace nncore::network {
namespace {

class PoolStage : public Stage {
 public:
    explicit PoolStage(const PoolGeometry& geometry, bool counts_padding = false)
        : g_(geometry), counts_padding_(counts_padding) {
        input_shape = {g_.height, g_.width, g_.channels};
        output_shape = {g_.out_height, g_.out_width, g_.channels};
    }

    void backward_data(const BackwardPass& pass) const override {
        if (!needs_input_gradient) return;
        for_each(pass, pass.rows, [&](const BackwardPass&, std::ptrdiff_t r) {
            float* dx = input_delta(pass).row(r);
            std::fill_n(dx, element_count(input_shape), 0.0f);
            gradient(pass, r, args(input_delta(pass), output_delta(pass)), dx);
            multiply_by_input_derivative(pass, r);
        });
    }

 protected:
    virtual void gradient(const Pass& pass, std::ptrdiff_t row, const kernels::PoolArgs& args,
                          float* dx) const = 0;

    kernels::PoolArgs args(const Rows& x, const Rows& y) const {
        return {.window_rows = g_.window_height,
                .window_columns = g_.window_width,
                .rows = g_.out_height,
                .columns = g_.out_width,
                .channels = g_.channels,
                .x_row = x.layout.line,
                .x_pixel = g_.channels,
                .step_rows = g_.stride_rows,
                .step_columns = g_.stride_columns,
                .y_row = y.layout.line,
                .y_pixel = g_.channels,
                .x_rows = g_.height,
                .x_columns = g_.width,
                .top = g_.padding.top,
                .left = g_.padding.left,
                .counts_beyond = counts_padding_};
    }
    std::string window() const {
        return std::to_string(g_.window_height) + "x" + std::to_string(g_.window_width) +
               " stride " + std::to_string(g_.stride_rows) + "x" +
               std::to_string(g_.stride_columns);
    }

    PoolGeometry g_;
    bool counts_padding_;
};

class MaxPoolStage final : public PoolStage {
 public:
    using PoolStage::PoolStage;
    std::string describe() const override { return "max pool " + window(); }
    bool takes_output() const override { return true; }
    Sizes sizes(std::ptrdiff_t, bool backward) const override {
        if (!backward) return {};
        // 16-bit indices of the winners, kept as if two were one float.
        return {.saved = (element_count(output_shape) + 1) / 2,
                .image = ahead == nullptr ? 0 : most_lines() * line()};
    }

    void forward(const Pass& pass) const override {
        const Rows& y = output(pass);
        for_each(pass, pass.rows, [&](const Pass& own, std::ptrdiff_t r) {
            const std::ptrdiff_t step = makes_input(own) ? band_rows() : g_.out_height;
            for (std::ptrdiff_t row = 0; row < g_.out_height; row += step) {
                const std::ptrdiff_t end = std::min(row + step, g_.out_height);
                kernels::PoolArgs band = args(input(own), y);
                band.rows = end - row;
                const float* const x = seen(own, r, row, end, band);
                pass.kernels.max_pool(
                    band, x, y.line(r, row),
                    pass.purpose != Purpose::inference ? winners(own, r, row) : nullptr);
            }
        });
    }

    // Where a normalization has left its output to this stage, some lines at a time: while they
    // are in the cache, it takes their gradient.
    void backward_data(const BackwardPass& all) const override {
        if (ahead == nullptr) return PoolStage::backward_data(all);
        if (!needs_input_gradient) return;
        const Share share = all.share();
        for_each(all, share.chunks, [&](const BackwardPass& pass, std::ptrdiff_t chunk) {
            use_image(pass);
            for (std::ptrdiff_t r = share.begin(chunk); r < share.begin(chunk + 1); ++r)
                for (std::ptrdiff_t first = 0; first < g_.height;
                     first += band_rows() * g_.stride_rows) {
                    const std::ptrdiff_t last =
                        std::min(first + band_rows() * g_.stride_rows, g_.height);
                    float* const dx = input_delta(pass).row(r) + first * line();
                    band_gradient(pass, r, first, last, dx);
                    ahead->take_gradient(pass, chunk, r, first, last, dx);
                }
        });
    }

 private:
    std::ptrdiff_t line() const { return g_.width * g_.channels; }
    // So many rows of the output that what they see stays in the second cache.
    std::ptrdiff_t band_rows() const {
        constexpr std::ptrdiff_t kFloats = std::ptrdiff_t{1} << 16;
        return std::clamp(kFloats / (line() * g_.stride_rows), std::ptrdiff_t{1}, g_.out_height);
    }
    std::ptrdiff_t most_lines() const {
        return std::min(band_rows() * g_.stride_rows + g_.window_height, g_.height);
    }

    // The lines of the input that output rows [row, end) see, and to `band` where they are.
    const float* seen(const Pass& pass, std::ptrdiff_t r, std::ptrdiff_t row, std::ptrdiff_t end,
                      kernels::PoolArgs& band) const {
        if (!makes_input(pass)) return input(pass).row(r);
        const std::ptrdiff_t above = row * g_.stride_rows - g_.padding.top;
        const std::ptrdiff_t first = std::max<std::ptrdiff_t>(above, 0);
        const std::ptrdiff_t last =
            std::min((end - 1) * g_.stride_rows - g_.padding.top + g_.window_height, g_.height);
        band.top = first - above;
        band.x_rows = last - first;
        band.x_row = line();
        return input_lines(pass, r, first, last, use_image(pass));
    }

    // Of lines [first, last) of the input, from all windows that see any of them.
    void band_gradient(const Pass& pass, std::ptrdiff_t r, std::ptrdiff_t first,
                       std::ptrdiff_t last, float* dx) const {
        std::fill_n(dx, (last - first) * line(), 0.0f);
        const std::ptrdiff_t top = g_.padding.top;
        const std::ptrdiff_t above = first + top - g_.window_height + 1;
        const std::ptrdiff_t row = above <= 0 ? 0 : (above + g_.stride_rows - 1) / g_.stride_rows;
        const std::ptrdiff_t end = std::min((last - 1 + top) / g_.stride_rows + 1, g_.out_height);
        if (row < end) {
            kernels::PoolArgs band = args(input_delta(pass), output_delta(pass));
            band.rows = end - row;
            band.top = first + top - row * g_.stride_rows;
            band.x_rows = last - first;
            pass.kernels.max_pool_gradient(
                band, output_delta(pass).row(r) + row * g_.out_width * g_.channels,
                winners(pass, r, row), dx);
        }
        if (input_activation == kernels::Activation::linear) return;
        const std::ptrdiff_t x_line = makes_input(pass) ? line() : input(pass).layout.line;
        const float* x = input_lines(pass, r, first, last, image(pass));
        for (std::ptrdiff_t y = first; y < last; ++y, x += x_line, dx += line())
            pass.kernels.activation_gradient(input_activation, line(), x, dx, dx);
    }

    void gradient(const Pass& pass, std::ptrdiff_t row, const kernels::PoolArgs& args,
                  float* dx) const override {
        pass.kernels.max_pool_gradient(args, output_delta(pass).row(row), winners(pass, row, 0),
                                       dx);
    }
    std::uint16_t* winners(const Pass& pass, std::ptrdiff_t row, std::ptrdiff_t line) const {
        return reinterpret_cast<std::uint16_t*>(pass.workspace.saved[index].row(row)) +
               line * g_.out_width * g_.channels;
    }
};

class AveragePoolStage final : public PoolStage {
 public:
    using PoolStage::PoolStage;
    std::string describe() const override { return "average pool " + window(); }

    void forward(const Pass& pass) const override {
        const Rows& x = input(pass);
        const Rows& y = output(pass);
        for_each(pass, pass.rows, [&](const Pass&, std::ptrdiff_t r) {
            pass.kernels.average_pool(args(x, y), x.row(r), y.row(r));
        });
    }

 private:
    void gradient(const Pass& pass, std::ptrdiff_t row, const kernels::PoolArgs& args,
                  float* dx) const override {
        pass.kernels.average_pool_gradient(args, output_delta(pass).row(row), dx);
    }
};

}  // namespace

std::unique_ptr<Stage> make_max_pool_stage(const PoolGeometry& geometry) {
    return std::make_unique<MaxPoolStage>(geometry);
}

std::unique_ptr<Stage> make_average_pool_stage(const PoolGeometry& geometry, bool counts_padding) {
    return std::make_unique<AveragePoolStage>(geometry, counts_padding);
}

}  // namespace nncore::network
