// Convolutions in many small groups, depthwise ones above all: lanes run over the groups. A group's
// first input and those of all other groups form a plane of a pixel, the second ones the next, and
// outputs likewise. With one input per group the image has this order anyway.
#include "depthwise_conv_stage.h"

#include <algorithm>

namespace nncore::network {
namespace {

using kernels::Activation;

class DepthwiseConvStage final : public GroupedConvStage {
 public:
    DepthwiseConvStage(const std::string& name, const ConvGeometry& g, Activation activation,
                       bool use_bias, std::ptrdiff_t offset)
        : GroupedConvStage(name, g, activation, use_bias, Parameter::Layout::lanes,
                           g.out_channels / g.groups * padded(g.groups), offset),
          lanes_(padded(g.groups)) {}

    bool takes_output() const override { return group_inputs_ == 1; }
    bool hands_gradient_on() const override { return group_inputs_ == 1; }

    void prepare_backward(const Pass& pass) const override {
        if (!needs_input_gradient) return;
        // [kernel position, phase by phase][output][input][group]
        const ConvPhases phases = this->phases();
        for_each(pass, taps(), [&](const Pass&, std::ptrdiff_t tap) {
            const float* from = weights(pass) + tap * tap_floats();
            float* const to =
                turned(pass) +
                phases.place(g_, tap / g_.kernel_width, tap % g_.kernel_width) * tap_floats();
            for (std::ptrdiff_t i = 0; i < group_inputs_; ++i)
                for (std::ptrdiff_t o = 0; o < group_outputs_; ++o, from += lanes_)
                    std::copy_n(from, lanes_, to + (o * group_inputs_ + i) * lanes_);
        });
    }

 protected:
    const char* way() const override { return "lanes over the groups"; }
    std::ptrdiff_t turned_floats() const override { return parameters[0].size(); }
    std::ptrdiff_t own_floats(bool backward) const override {
        return split_floats() + row_floats(backward);
    }

    void spread_pixels(const Pass& pass, std::ptrdiff_t pixels, const float* channels, float* to,
                       std::ptrdiff_t step) const override {
        pass.kernels.split_groups(pixels, g_.groups, group_outputs_, channels, to, step, lanes_);
    }

    bool has_plain_outputs() const override { return group_outputs_ == 1; }

    // Else every piece would have to split the whole sample.
    std::ptrdiff_t most_bands() const override { return group_inputs_ == 1 ? g_.out_height : 1; }

    void forward_lines(const Pass& pass, std::ptrdiff_t r, std::ptrdiff_t first,
                       std::ptrdiff_t last, const float* bias) const override {
        const std::ptrdiff_t step = makes_input(pass) ? forward_rows() : last - first;
        MadeLines made{makes_input(pass) ? use_image(pass) : nullptr, seen_line()};
        for (std::ptrdiff_t row = first; row < last; row += step) {
            const std::ptrdiff_t end = std::min(row + step, last);
            forward_band(pass, r, seen_by(pass, r, row, end, made), row, end, bias);
        }
    }
    void forward_band(const Pass& pass, std::ptrdiff_t r, const Seen& x, std::ptrdiff_t first,
                      std::ptrdiff_t last, const float* bias) const {
        const Rows& y = output(pass);
        auto args = walk<kernels::DepthwiseConvArgs>(split(pass, x, first), g_.kernel_height,
                                                     g_.kernel_width);
        args.rows = last - first;
        args.columns = g_.out_width;
        args.groups = g_.groups;
        args.outputs = group_outputs_;
        args.weights = weights(pass);
        args.bias = bias;
        args.activation = activation(pass);
        args.y_row = y.layout.line;
        args.y_pixel = g_.out_channels;
        args.y = y.line(r, first);
        if (group_outputs_ == 1) {
            pass.kernels.depthwise_conv(args);
            return;
        }
        float* const row = own(pass) + split_floats();
        args.rows = 1;
        args.y_pixel = outputs_;
        args.y_plane = lanes_;
        args.y = row;
        for (std::ptrdiff_t i = first; i < last; ++i, args.x += args.x_row) {
            pass.kernels.depthwise_conv(args);
            pass.kernels.merge_groups(g_.out_width, g_.groups, group_outputs_, row, outputs_,
                                      lanes_, y.line(r, i));
        }
    }

    // Else every band would have to split the whole sample.
    bool has_bands() const override { return group_inputs_ == 1; }

    void input_gradient(const Pass& pass, std::ptrdiff_t, const Seen& x,
                        const Inputs& inputs) const override {
        auto args =
            walk<kernels::DepthwiseConvArgs>({inputs.image, inputs.line, outputs_, group_outputs_},
                                             inputs.kernel_rows, inputs.kernel_columns);
        args.rows = inputs.rows;
        args.columns = inputs.columns;
        args.x_row = inputs.line;
        args.x_pixel = outputs_;
        args.groups = g_.groups;
        args.outputs = group_inputs_;
        args.weights = turned(pass) + inputs.tap * tap_floats();
        const std::ptrdiff_t dx_line = g_.width * g_.channels;
        const std::ptrdiff_t first = inputs.first_column * g_.channels;
        args.y_row = inputs.row_step * dx_line;
        args.y = inputs.dx;
        args.y_pixel = inputs.column_step * g_.channels;
        if (group_inputs_ == 1) {
            args.activation = input_activation;
            if (input_activation != Activation::linear) {
                args.input_activity = x.at(inputs.first_row) + first;
                args.activity_row = inputs.row_step * x.line;
                args.activity_pixel = args.y_pixel;
            }
            pass.kernels.depthwise_conv(args);
            return;
        }
        // From planes; pixel by pixel, where those of other phases stand between.
        float* const row = own(pass) + split_floats();
        const std::ptrdiff_t pixel = group_inputs_ * lanes_;
        float* dx = args.y;
        args.rows = 1;
        args.y_pixel = pixel;
        args.y_plane = lanes_;
        args.y = row;
        for (std::ptrdiff_t i = 0; i < inputs.rows; ++i, args.x += inputs.line) {
            pass.kernels.depthwise_conv(args);
            const float* activity = x.at(inputs.first_row + i * inputs.row_step) + first;
            const std::ptrdiff_t pixels = inputs.column_step == 1 ? inputs.columns : 1;
            for (std::ptrdiff_t j = 0; j < inputs.columns; j += pixels) {
                const std::ptrdiff_t place = j * inputs.column_step * g_.channels;
                pass.kernels.merge_groups(pixels, g_.groups, group_inputs_, row + j * pixel, pixel,
                                          lanes_, dx + place);
                pass.kernels.activation_gradient(input_activation, pixels * g_.channels,
                                                 activity + place, dx + place, dx + place);
            }
            dx += inputs.row_step * dx_line;
        }
    }

    void weight_gradient(const Pass& pass, std::ptrdiff_t, const Seen& x, const Outputs& outputs,
                         float* gradient, bool begins) const override {
        auto args = walk<kernels::DepthwiseWeightGradientArgs>(split(pass, x, outputs.first),
                                                               g_.kernel_height, g_.kernel_width);
        args.rows = outputs.rows;
        args.columns = g_.out_width;
        args.groups = g_.groups;
        args.outputs = group_outputs_;
        args.d = outputs.d;
        args.d_row = outputs.d_row;
        args.d_pixel = outputs.d_pixel;
        args.d_plane = lanes_;
        args.gradient = gradient;
        args.first = begins;
        pass.kernels.depthwise_weight_gradient(args);
    }

 private:
    std::ptrdiff_t tap_floats() const { return group_inputs_ * outputs_; }

    // A bordered image: the upper left corner of the first window, lines, pixels and the planes of
    // a pixel.
    struct Image {
        const float* x;
        std::ptrdiff_t line, pixel, planes;
    };

    // The input with its border, in planes, from what output row `row` sees first.
    Image split(const Pass& pass, const Seen& x, std::ptrdiff_t row) const {
        const std::ptrdiff_t above = row * g_.stride_rows;
        if (group_inputs_ == 1)
            return {x.at(above - g_.padding.top) - g_.padding.left * g_.channels, x.line,
                    g_.channels, 1};
        // The border stays the zeros that the workspace began with.
        float* const image = own(pass);
        const std::ptrdiff_t pixel = group_inputs_ * lanes_, line = split_width() * pixel;
        float* const place = image + g_.padding.top * line + g_.padding.left * pixel;
        for (std::ptrdiff_t i = 0; i < g_.height; ++i)
            pass.kernels.split_groups(g_.width, g_.groups, group_inputs_, x.at(i), place + i * line,
                                      pixel, lanes_);
        return {image + above * line, line, pixel, group_inputs_};
    }
    std::ptrdiff_t split_width() const { return g_.padding.left + g_.width + g_.padding.right; }
    std::ptrdiff_t split_floats() const {
        if (group_inputs_ == 1) return 0;
        return padded((g_.padding.top + g_.height + g_.padding.bottom) * split_width() *
                      group_inputs_ * lanes_);
    }
    // One row of outputs, or of input gradients, in planes.
    std::ptrdiff_t row_floats(bool backward) const {
        const std::ptrdiff_t outputs = group_outputs_ > 1 ? g_.out_width * outputs_ : 0;
        const std::ptrdiff_t inputs =
            backward && group_inputs_ > 1 ? g_.width * group_inputs_ * lanes_ : 0;
        return padded(std::max(outputs, inputs));
    }

    template <class Args>
    Args walk(const Image& image, std::ptrdiff_t kernel_rows, std::ptrdiff_t kernel_columns) const {
        Args args{};
        args.kernel_rows = kernel_rows;
        args.kernel_row = g_.dilation_rows * image.line;
        args.runs = kernel_columns;
        args.run = image.planes;
        args.run_step = g_.dilation_columns * image.pixel;
        args.plane = lanes_;
        args.x = image.x;
        args.x_row = g_.stride_rows * image.line;
        args.x_pixel = g_.stride_columns * image.pixel;
        return args;
    }

    std::ptrdiff_t lanes_;
};

}  // namespace

std::unique_ptr<Stage> make_depthwise_conv_stage(const std::string& name, const ConvGeometry& g,
                                                 Activation activation, bool use_bias,
                                                 std::ptrdiff_t parameter_offset) {
    return std::make_unique<DepthwiseConvStage>(name, g, activation, use_bias, parameter_offset);
}

}  // namespace nncore::network
