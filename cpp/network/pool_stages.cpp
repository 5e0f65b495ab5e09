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
    Sizes sizes(std::ptrdiff_t, bool backward) const override {
        // 16-bit indices of the winners, kept as if two were one float.
        return {.saved = backward ? (element_count(output_shape) + 1) / 2 : 0};
    }

    void forward(const Pass& pass) const override {
        const Rows& x = input(pass);
        const Rows& y = output(pass);
        for_each(pass, pass.rows, [&](const Pass&, std::ptrdiff_t r) {
            pass.kernels.max_pool(args(x, y), x.row(r), y.row(r),
                                  pass.purpose != Purpose::inference ? winners(pass, r) : nullptr);
        });
    }

 private:
    void gradient(const Pass& pass, std::ptrdiff_t row, const kernels::PoolArgs& args,
                  float* dx) const override {
        pass.kernels.max_pool_gradient(args, output_delta(pass).row(row), winners(pass, row), dx);
    }
    std::uint16_t* winners(const Pass& pass, std::ptrdiff_t row) const {
        return reinterpret_cast<std::uint16_t*>(pass.workspace.saved[index].row(row));
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
