// A convolution whose channels fall into groups that do not see each other. What the two ways of
// computing it share is here; they differ in where the lanes run: over the outputs of one group
// (grouped_conv_stage.cpp) or over the groups (depthwise_conv_stage.cpp).
//
// Work is split by sample, and weight gradients are summed in chunks, as in conv_stage.cpp.
#pragma once

#include "conv_parts.h"
#include "conv_phases.h"
#include "stage.h"

namespace nncore::network {

class GroupedConvStage : public Stage {
 public:
    std::string describe() const override;
    double multiply_adds() const override;
    Border input_border() const override { return g_.padding; }
    Sizes sizes(std::ptrdiff_t largest, bool backward) const override;
    void forward(const Pass& pass) const override;
    void backward_data(const BackwardPass& pass) const override;
    void backward_weights(const BackwardPass& pass) const override;
    // The gradient of a bias is that of the output, which must then be in the order of the lanes.
    bool takes_last_step() const override { return !use_bias_ || has_plain_outputs(); }

 protected:
    // outputs: the output channels of one pixel, with their padding, in the order of the lanes.
    GroupedConvStage(const std::string& name, const ConvGeometry& geometry,
                     kernels::Activation activation, bool use_bias, Parameter::Layout layout,
                     std::ptrdiff_t outputs, std::ptrdiff_t parameter_offset);

    // --- what the two ways differ in --------------------------------------------------------
    virtual const char* way() const = 0;
    // Floats for the turned weights, once, and for each thread's own use.
    virtual std::ptrdiff_t turned_floats() const = 0;
    virtual std::ptrdiff_t own_floats(bool) const { return 0; }
    // The channels of `pixels` neighbouring pixels into the order of the lanes, `step` floats
    // apart.
    virtual void spread_pixels(const Pass& pass, std::ptrdiff_t pixels, const float* channels,
                               float* to, std::ptrdiff_t step) const = 0;
    // Whether that only copies; and where pixels follow each other, too.
    virtual bool has_plain_outputs() const { return false; }
    bool spreads_plainly() const { return has_plain_outputs() && outputs_ == g_.out_channels; }
    // Lines of the output that can be computed one by one; 1: only all together.
    virtual std::ptrdiff_t most_bands() const { return g_.out_height; }
    virtual void forward_lines(const Pass& pass, std::ptrdiff_t r, std::ptrdiff_t first,
                               std::ptrdiff_t last, const float* bias) const = 0;
    // Whether lines of a sample can go through the pass backward band by band.
    virtual bool has_bands() const { return false; }
    // Lines of a sample's input with their border: where the buffer has them, or where they have
    // been made, from line `first` on.
    struct Seen {
        const float* place;
        std::ptrdiff_t first, line;

        const float* at(std::ptrdiff_t number) const { return place + (number - first) * line; }
    };
    // The inputs of one phase (conv_phases.h) in a band: so many rows and columns of them, from the
    // first on in steps. They see so many rows and columns of the kernel, from number `tap` of the
    // turned weights on, in windows of which the first begins at `image`.
    struct Inputs {
        std::ptrdiff_t rows, columns, first_row, first_column, row_step, column_step;
        std::ptrdiff_t kernel_rows, kernel_columns, tap;
        const float* image;
        std::ptrdiff_t line;  // of the image
        float* dx;            // the gradient of the first of them; lines have no gaps
    };
    virtual void input_gradient(const Pass& pass, std::ptrdiff_t r, const Seen& x,
                                const Inputs& inputs) const = 0;
    // From output rows [first, first + rows). d: the place of output pixel (first, 0) in the spread
    // output gradient, whose rows and pixels are so far apart; begins: whether these are the first
    // of a chunk.
    struct Outputs {
        std::ptrdiff_t first, rows;
        const float* d;
        std::ptrdiff_t d_row, d_pixel;
    };
    virtual void weight_gradient(const Pass& pass, std::ptrdiff_t r, const Seen& x,
                                 const Outputs& outputs, float* gradient, bool begins) const = 0;

    // Lines of a sample that stand one behind the other where those of the next band will: what
    // bands have in common is made once.
    struct MadeLines {
        float* place;
        std::ptrdiff_t line;  // floats
        std::ptrdiff_t first = 0, last = 0;

        // Makes way for lines [begin, end); returns the first of them that is still to be made.
        std::ptrdiff_t move_on(std::ptrdiff_t begin, std::ptrdiff_t end);
        float* at(std::ptrdiff_t number) const { return place + (number - first) * line; }
    };
    // At least the lines that output rows [first, last) see; `made` is for those that are made.
    Seen seen_by(const Pass& pass, std::ptrdiff_t r, std::ptrdiff_t first, std::ptrdiff_t last,
                 MadeLines& made) const;
    Seen seen(const Pass& pass, std::ptrdiff_t r, std::ptrdiff_t first, std::ptrdiff_t last,
              MadeLines& made) const;
    std::ptrdiff_t seen_line() const {
        return (g_.padding.left + g_.width + g_.padding.right) * g_.channels;
    }
    // So many rows of the output that what they see stays in the second cache.
    std::ptrdiff_t forward_rows() const;

    std::ptrdiff_t taps() const { return g_.kernel_height * g_.kernel_width; }
    const float* weights(const Pass& pass) const { return values(pass) + parameters[0].offset; }
    float* turned(const Pass& pass) const { return pass.workspace.shared[index]; }
    float* own(const Pass& pass) const {
        return scratch(pass) + shared_scratch(pass.workspace.has_backward);
    }

    ConvPhases phases() const { return ConvPhases::of(g_, needs_input_gradient); }

    ConvGeometry g_;
    bool use_bias_;
    std::ptrdiff_t group_inputs_, group_outputs_;
    std::ptrdiff_t outputs_;  // see the constructor

 private:
    // Each thread's scratch: the bias in the order of the lanes; in training also a bias gradient,
    // or, where a normalization has left its last step to this stage, a line of the output's;
    // then what the derived stage wants. The spread output gradient is the thread's image.
    std::ptrdiff_t spread_floats() const;
    std::ptrdiff_t band_rows(const ConvPhases& phases) const;
    // A band of input rows, the lines of the spread output gradient that it needs, and the rows of
    // the output whose weight gradients are then due, with the lines of the input that they and the
    // band see.
    struct Band {
        std::ptrdiff_t first, last, first_line, last_line, outputs, output_rows, first_seen,
            last_seen;
    };
    template <class Body>
    void for_bands_backward(const ConvPhases& phases, const Body& body) const;
    void ask_for_band(const Pass& pass, std::ptrdiff_t r, const Band& band) const;
    void input_gradients(const Pass& pass, std::ptrdiff_t r, const ConvPhases& phases,
                         const Band& band, const Seen& x, const MadeLines& image, float* dx) const;
    std::ptrdiff_t shared_scratch(bool backward) const;
    std::ptrdiff_t seen_floats(bool backward) const;
    std::ptrdiff_t handed_floats() const;
    std::ptrdiff_t input_line() const { return g_.width * g_.channels; }
    std::ptrdiff_t output_line() const { return g_.out_width * g_.out_channels; }
    const float* bias_in_lanes(const Pass& pass) const;
    void spread_out(const BackwardPass& pass, std::ptrdiff_t chunk, std::ptrdiff_t r,
                    const ConvPhases& phases, const Band& band, MadeLines& image) const;
    void bias_gradient(const Pass& pass, std::ptrdiff_t r, const Outputs& outputs, bool begins,
                       float* total) const;
    std::ptrdiff_t chunk_floats() const;
};

// For geometry.groups > 1.
std::unique_ptr<Stage> make_grouped_conv_stage(const std::string& name,
                                               const ConvGeometry& geometry,
                                               kernels::Activation activation, bool use_bias,
                                               std::ptrdiff_t parameter_offset);

}  // namespace nncore::network
