// A stage: one or more layers fused into one piece of work between two activation buffers.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "../kernels/kernels.h"
#include "../runtime/parallel.h"
#include "parameter.h"
#include "workspace.h"

namespace nncore::network {

// What a pass through the network is for.
enum class Purpose {
    inference,  // forward alone: moving averages instead of the batch's statistics, all folded
    gradients,  // forward and backward, for people who look inside: nothing is random, no weight
                // changes, and the outputs of layers that were fused away are kept
    training    // forward, backward and update: dropout, augmentation; moving averages move
};

// What a stage needs to do one thread's share of one pass forward.
struct Pass {
    const kernels::Kernels& kernels;
    const runtime::Member& member;
    Workspace& workspace;
    std::ptrdiff_t rows;  // samples of this batch
    const float* parameters;
    Purpose purpose = Purpose::inference;
    // Keys of the random numbers in training.
    Randomness randomness{};
    const std::int32_t* samples = nullptr;  // which image each row is, or nullptr: row r is image r
};

// The same for the pass backward, which may change the weights.
struct BackwardPass : Pass {
    float* weights;  // `parameters`, to be written
    float* gradients;
    // Not nullptr: plain gradient descent of this length, done as soon as a gradient is known.
    const float* learning_rate;
};

// The steps of a stage. Between two of them the team meets at a barrier, so within one step threads
// may read everything that earlier steps wrote.
//
// Deltas: delta[i] is the gradient of the loss by the value *before* the activation that was fused
// into the stage which wrote buffer i. A stage that writes delta[i] therefore multiplies by that
// activation's derivative, which it can tell from the buffer itself (`input_activation`).
class Stage {
 public:
    virtual ~Stage() = default;

    // Sizes, asked for when a workspace is planned; see Workspace for what each is.
    struct Sizes {
        std::ptrdiff_t saved = 0, shared = 0, scratch = 0, inner = 0;
    };

    virtual std::string describe() const = 0;
    virtual double multiply_adds() const { return 0; }  // of one sample, forward
    virtual Border input_border() const { return {}; }
    // The buffer whose memory the output shares, because its values are the same; none: its own.
    virtual std::optional<std::size_t> shown_buffer(bool /*backward*/) const { return {}; }
    // Whether inference does this stage's work within the one before, whose `folded` is then set.
    virtual bool folds() const { return false; }
    // From the network's parameters, what `before` needs for that.
    virtual void fold_into(const Stage& /*before*/, const float* /*parameters*/,
                           float* /*folded_parameters*/) const {}
    // largest: the rows of the workspace; backward: whether backward passes follow.
    virtual Sizes sizes(std::ptrdiff_t /*largest*/, bool /*backward*/) const { return {}; }

    virtual void forward(const Pass& pass) const = 0;
    // Before any weight changes: what the backward steps need from the weights.
    virtual void prepare_backward(const Pass&) const {}
    // delta[index] from delta[index + 1] (not for the first stage: nobody asks for the gradient of
    // the images), and what else must be done before other threads' samples are complete.
    virtual void backward_data(const BackwardPass& pass) const = 0;
    // Weight gradients, and the update where pass.learning_rate says so.
    virtual void backward_weights(const BackwardPass&) const {}
    // By one thread, once the batch whose pass stands in the workspace has changed the weights:
    // what training measures rather than trains.
    virtual void move_averages(const Workspace&, float* /*parameters*/) const {}

    std::size_t index = 0;  // reads buffer `index`, writes buffer `index + 1`
    Shape input_shape, output_shape;
    kernels::Activation input_activation = kernels::Activation::linear;
    kernels::Activation output_activation = kernels::Activation::linear;
    std::vector<Parameter> parameters;
    // Set where inference runs this stage with the batch normalization that follows folded into
    // its weights: where the folded bias stands, and the activation behind.
    struct Folded {
        std::ptrdiff_t bias;
        kernels::Activation activation;
    };
    std::optional<Folded> folded;

 protected:
    const Rows& input(const Pass& pass) const { return pass.workspace.activations[index]; }
    const Rows& output(const Pass& pass) const { return pass.workspace.activations[index + 1]; }
    const Rows& input_delta(const Pass& pass) const { return pass.workspace.deltas[index]; }
    const Rows& output_delta(const Pass& pass) const { return pass.workspace.deltas[index + 1]; }
    // Applies w = w - rate * gradient to this thread's share of a parameter, if asked to.
    void update(const BackwardPass& pass, const Parameter& parameter) const;
    // What a stage with weights adds and applies behind their product; the bias is parameters[1].
    const float* bias(const Pass& pass, bool has_bias) const;
    kernels::Activation activation(const Pass& pass) const;
    // For stages that ask for no border, so that their input has no gaps; their output has, if the
    // next stage asks for one, and its lines need not be the input's: a Flatten may stand between.
    // Calls body(x, y, at, count) for each line of one sample's output, of `count` floats; `at` is
    // how many came before.
    template <class Body>
    void for_lines(const Pass& pass, std::ptrdiff_t row, Body body) const {
        const Rows& y = output(pass);
        const float* const x = input(pass).row(row);
        const std::ptrdiff_t count = y.layout.run;
        for (std::ptrdiff_t l = 0; l < y.layout.height; ++l)
            body(x + l * count, y.line(row, l), l * count, count);
    }
    // delta *= derivative of the input's activation, for one sample.
    void multiply_by_input_derivative(const Pass& pass, std::ptrdiff_t row) const;
};

const char* name_of(kernels::Activation activation);

// Convolution of an image, in pixels.
struct ConvGeometry {
    std::ptrdiff_t height, width, channels;  // of the input
    std::ptrdiff_t kernel_height, kernel_width;
    std::ptrdiff_t stride_rows, stride_columns;
    Border padding;
    std::ptrdiff_t out_height, out_width, out_channels;
    // Input pixels between neighbouring rows and columns of the kernel; 1 where it has but one.
    std::ptrdiff_t dilation_rows = 1, dilation_columns = 1;
    // Input and output channels fall into so many groups, which do not see each other.
    std::ptrdiff_t groups = 1;

    // What the kernel reaches over.
    std::ptrdiff_t reach_rows() const { return (kernel_height - 1) * dilation_rows + 1; }
    std::ptrdiff_t reach_columns() const { return (kernel_width - 1) * dilation_columns + 1; }
};

// A window sliding over an image without padding.
struct PoolGeometry {
    std::ptrdiff_t height, width, channels;
    std::ptrdiff_t window_height, window_width, stride_rows, stride_columns;
    std::ptrdiff_t out_height, out_width;
};

std::unique_ptr<Stage> make_dense_stage(const std::string& name, std::ptrdiff_t inputs,
                                        std::ptrdiff_t units, kernels::Activation activation,
                                        bool use_bias, std::ptrdiff_t parameter_offset);
// With `pooled` the output goes through a 2x2 max pool (stride 2) within the stage.
std::unique_ptr<Stage> make_conv_stage(const std::string& name, const ConvGeometry& geometry,
                                       kernels::Activation activation, bool use_bias, bool pooled,
                                       std::ptrdiff_t parameter_offset);
// For geometry.groups > 1.
std::unique_ptr<Stage> make_grouped_conv_stage(const std::string& name,
                                               const ConvGeometry& geometry,
                                               kernels::Activation activation, bool use_bias,
                                               std::ptrdiff_t parameter_offset);
std::unique_ptr<Stage> make_max_pool_stage(const PoolGeometry& geometry);
std::unique_ptr<Stage> make_average_pool_stage(const PoolGeometry& geometry);
std::unique_ptr<Stage> make_activation_stage(const Shape& shape, kernels::Activation activation);
std::unique_ptr<Stage> make_softmax_stage(const Shape& shape);
// Each channel to mean 0 and variance 1 over the batch, then scaled and shifted; see
// batch_norm_stage.cpp. `folds`: inference does it within the stage before.
std::unique_ptr<Stage> make_batch_norm_stage(const std::string& name, const Shape& shape,
                                             float momentum, float epsilon, bool folds,
                                             std::ptrdiff_t parameter_offset);
// The same for each pixel over its channels.
std::unique_ptr<Stage> make_layer_norm_stage(const std::string& name, const Shape& shape,
                                             float epsilon, std::ptrdiff_t parameter_offset);
std::unique_ptr<Stage> make_self_gated_stage(const Shape& shape, kernels::SelfGated kind);
// scale and offset: one value, or one per channel.
std::unique_ptr<Stage> make_rescaling_stage(const Shape& shape, const std::vector<float>& scale,
                                            const std::vector<float>& offset);
// `number` tells the dropout layers of a network apart.
std::unique_ptr<Stage> make_dropout_stage(const Shape& shape, float rate, std::uint32_t number);

}  // namespace nncore::network
