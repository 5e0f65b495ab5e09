// A sequential network: layers are added, fused into stages and built; then it trains and infers.
//
// Parameters and gradients live in two flat float32 buffers; all workspace of a step is planned and
// allocated once. Results are the same bits for any number of threads and any instruction set
// (docs/design.md).
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <vector>

#include "../runtime/aligned_buffer.h"
#include "optimizer_state.h"
#include "penalties.h"
#include "residual_stages.h"
#include "stage.h"
#include "types.h"

namespace nncore::network {

class Network {
 public:
    // input: (features) or (height, width, channels). Throws std::invalid_argument on bad shapes.
    explicit Network(Shape input);

    // --- building; each throws std::logic_error after build() -------------------------------
    // activation: linear, relu, leaky_relu, gelu, silu, sigmoid, tanh, softmax. Names must be new
    // and not empty.
    void add_dense(const std::string& name, std::ptrdiff_t units, const std::string& activation,
                   bool use_bias, const KernelSettings& kernel = {});
    // Images in and out. Padding "valid": none; "same": output = ceil(input / stride), as Keras and
    // TensorFlow place it (the odd pixel below and to the right); "explicit": `pad` pixels on each
    // side. activation: as of a dense layer, but for softmax.
    struct Conv2D {
        std::ptrdiff_t filters;
        Extent kernel{1, 1}, strides{1, 1};
        std::string padding = "valid";
        Extent pad{0, 0};
        std::string activation = "linear";
        bool use_bias = true;
        KernelSettings kernel_settings{};
        // Input pixels from one of the kernel's rows or columns to the next.
        Extent dilation{1, 1};
        // Divides the channels of the image and the filters; the kernel of each filter sees the
        // channels of its own group. A pool behind several groups is a stage of its own.
        std::ptrdiff_t groups = 1;
    };
    void add_conv2d(const std::string& name, const Conv2D& layer);
    // Windows without padding; what does not fill a window is dropped. A 2x2 max pool with stride 2
    // right behind a convolution is fused into it.
    void add_max_pool2d(const std::string& name, Extent window, Extent strides);
    void add_average_pool2d(const std::string& name, Extent window, Extent strides);
    // (height, width, channels) to (channels)
    void add_global_average_pool2d(const std::string& name);
    void add_flatten(const std::string& name);
    void add_activation(const std::string& name, const std::string& activation);
    // rate: the share of values that is dropped in training, 0 <= rate < 1.
    void add_dropout(const std::string& name, float rate);
    // Per channel over the batch (see batch_norm_stage.cpp), which inference folds into a linear
    // Dense or convolution right before. An activation right behind is fused into it.
    // 0 <= momentum < 1 of the moving averages, epsilon > 0.
    void add_batch_normalization(const std::string& name, float momentum, float epsilon);
    // Per pixel over its channels.
    void add_layer_normalization(const std::string& name, float epsilon);
    // activation(branch(x) + shortcut(x)): begin_residual, the layers of the branch, then, unless
    // the shortcut is the identity, begin_shortcut and its layers; end_residual. Both ways must
    // end with the same shape. Blocks may contain blocks. activation: linear, relu, sigmoid, tanh.
    void begin_residual(const std::string& name);
    void begin_shortcut();
    void end_residual(const std::string& activation);
    // y = x * scale + offset, in one rounding: one scale and offset for all values or for each
    // channel (the last axis).
    void add_rescaling(const std::string& name, const std::vector<float>& scale,
                       const std::vector<float>& offset);
    // Allocates and initialises the weights from the seed, biases to zero. Throws std::logic_error
    // without layers.
    void build(std::uint64_t seed);

    // --- description ------------------------------------------------------------------------
    struct Layer {
        std::string name;
        Shape output_shape;
        std::size_t buffer;       // the activation buffer that holds its output, or
        bool fused_away = false;  // the stage that writes that buffer keeps it as `inner`
    };
    const Shape& input_shape() const { return input_shape_; }
    bool is_built() const { return built_; }
    std::ptrdiff_t output_size() const { return element_count(shape_); }
    const std::vector<Layer>& layers() const { return layers_; }
    std::vector<std::string> describe_stages() const;
    std::vector<Parameter> parameters() const;
    std::ptrdiff_t parameter_count() const;
    // Of the forward pass of one image; convolutions and dense products alone.
    double multiply_adds() const;

    // --- parameters, in natural shape and row-major order -----------------------------------
    // Throw std::out_of_range for an unknown name.
    const Parameter& parameter(const std::string& name) const;
    void read_parameter(const Parameter& parameter, float* natural) const;
    void write_parameter(const Parameter& parameter, const float* natural);
    // The first parameter that holds NaN or infinity; nullptr: none does.
    const Parameter* non_finite_parameter() const;
    void read_gradient(const Parameter& parameter, float* natural) const;
    void write_gradient(const Parameter& parameter, const float* natural);

    // Bytes become (x / 255 - mean) / std per channel (the last axis). Empty vectors: only x / 255.
    void set_input_normalization(const std::vector<float>& mean,
                                 const std::vector<float>& deviation);

    // --- training ---------------------------------------------------------------------------
    // What the loss of a batch gets for the weights as they are; 0 where no kernel has a penalty.
    double penalty() const;
    // One pass forward and backward over all images as one batch: gradients are stored, weights
    // untouched, nothing dropped out; batch normalizations use the batch's statistics. Returns the
    // batch's loss.
    double compute_gradients(const Images& images, const Targets& targets, Loss loss);
    // The output of one layer during the last compute_gradients: rows x element_count floats.
    std::ptrdiff_t last_rows() const;
    // expected: last_rows() when `rows` was allocated; throws std::logic_error if another thread
    // changed it since.
    void read_layer_output(const Layer& layer, std::ptrdiff_t expected, float* rows) const;
    // The loss of each image in that pass; `expected` likewise.
    void read_losses(std::ptrdiff_t expected, float* losses) const;
    // One update by the gradients as they are stored. Moving averages take in, once, the batch of
    // the last compute_gradients.
    void apply_gradients(const Optimizer& optimizer);

    // Whole steps over indices[0..count) cut into batches (the last may be smaller). Stops early
    // after a step whose loss is not finite; that step's update is left out. Only here are images
    // augmented. learning_rates: one per step, or nullptr for the optimizer's own. Throws
    // std::invalid_argument for an augmentation of flat samples.
    StepResults train_steps(const Images& images, const Targets& targets,
                            const std::int32_t* indices, std::ptrdiff_t count,
                            std::ptrdiff_t batch_size, Loss loss, const Optimizer& optimizer,
                            const Randomness& randomness, const double* learning_rates = nullptr);

    // --- what the optimizer remembers; it goes on from call to call --------------------------
    Method optimizer_method() const;
    std::int64_t optimizer_steps() const;  // since the state began
    std::vector<Slot> optimizer_slots() const;
    // Zeros for these slots, as after `steps` steps; shows_average: the parameters are the average
    // and the slot of that name holds the weights. Throws std::invalid_argument for steps < 0, or
    // if there is no average to show.
    void restart_optimizer(Method method, const std::vector<Slot>& slots, std::int64_t steps,
                           bool shows_average);
    // Throw std::invalid_argument for a slot that is not there.
    void read_optimizer_slot(Slot slot, const Parameter& parameter, float* natural) const;
    void write_optimizer_slot(Slot slot, const Parameter& parameter, const float* natural);
    // Exchanges the weights for their moving average, until the next training step or the next
    // call. Nothing happens where there is none. Setting a parameter ends the average.
    void show_average(bool shown);
    bool shows_average() const;

    // --- inference; safe from several threads at once ---------------------------------------
    // outputs: images.count x output_size.
    void forward(const Images& images, float* outputs) const;
    // The same, with a softmax after the last layer.
    void forward_softmax(const Images& images, float* probabilities) const;
    // Also the loss of each image. With cross_entropy or focal, outputs are logits unless the last
    // layer is a softmax.
    void evaluate(const Images& images, const Targets& targets, Loss loss, float* outputs,
                  float* losses) const;

 private:
    void check_new_layer(const std::string& name) const;
    void check_last_rows(std::ptrdiff_t expected) const;
    void check_room(const std::string& name, std::ptrdiff_t floats) const;
    void push_stage(std::unique_ptr<Stage> stage);
    // A layer whose output the last stage writes.
    void push_layer(const std::string& name, Shape output_shape);
    PoolGeometry pool_geometry(const std::string& name, Extent window, Extent strides) const;
    void add_activation_stage(const Shape& shape, const std::string& activation);
    // Allocates what `rows` samples and `threads` threads need, unless it is there already.
    void plan(Workspace& workspace, std::ptrdiff_t rows, bool backward, int threads,
              bool keeps_inner) const;
    int threads_for(double multiply_adds) const;
    std::ptrdiff_t widest_softmax() const;
    bool fuses_softmax(Loss loss) const;

    // Steps of a pass; every thread of the team calls them with the same arguments.
    void load_images(const Pass& pass, const Images& images, const std::int32_t* indices) const;
    void load_targets(const Pass& pass, const Targets& targets, const std::int32_t* indices) const;
    void compute_loss(const Pass& pass, Loss loss, std::size_t output, bool with_gradient,
                      bool weighted) const;
    double forward_and_loss(const Pass& pass, const Images& images, const Targets& targets,
                            const std::int32_t* indices, Loss loss) const;
    void backward(const BackwardPass& pass, Loss loss) const;
    // How many stages stand before the loss: a softmax at the end may be part of it.
    std::size_t stages_before(Loss loss) const { return stages_.size() - fuses_softmax(loss); }
    // `finish` gets each chunk's pass, where its first image stands, and its number of images.
    template <class Finish>
    void infer(const Images& images, const Finish& finish) const;
    // What inference reads: the parameters, with the batch normalizations folded in.
    const float* inference_parameters() const;
    void show_weights();
    void count_updates(const Optimizer& optimizer, std::size_t updates);
    const runtime::AlignedBuffer& slot_buffer(Slot slot) const;

    Shape input_shape_, shape_;  // shape_: of the last layer's output
    std::vector<Layer> layers_;
    std::vector<std::unique_ptr<Stage>> stages_;
    std::ptrdiff_t parameter_floats_ = 0;
    std::uint32_t dropout_layers_ = 0;
    bool built_ = false;
    bool ends_with_softmax_ = false;
    bool normalizes_ = false;  // the last stage is a batch normalization, still without activation
    bool foldable_ = false;    // the last stage could take in a batch normalization
    struct Block {
        std::string name;
        BranchStage* branch;
        ShortcutStage* shortcut;  // nullptr: the identity
        Shape branch_output;
        std::size_t branch_buffer;
    };
    std::vector<Block> open_blocks_;
    // Rebuilds the last stage, a convolution, with a pool in it; empty after any other layer.
    std::function<std::unique_ptr<Stage>()> pooled_last_stage_;
    runtime::AlignedBuffer parameters_, gradients_;
    OptimizerState optimizer_;
    Penalties penalties_;
    bool shows_average_ = false;  // parameters_ and the slot `average` have changed places
    std::vector<float> input_scale_, input_offset_;

    // Readers (inference) share, writers (training, setting weights) exclude.
    mutable std::shared_mutex mutex_;
    // Made by the first reader after a change; empty where there is nothing to fold.
    mutable std::mutex fold_mutex_;
    mutable std::atomic<bool> folded_ = false;
    mutable runtime::AlignedBuffer folded_parameters_;
    Workspace training_workspace_;
    std::ptrdiff_t last_rows_ = 0;
    bool has_statistics_ = false;  // of the last compute_gradients, for the moving averages

    // Workspaces of inference, one per thread of a team, that nobody uses just now.
    using Crew = std::vector<std::unique_ptr<Workspace>>;
    mutable std::mutex idle_mutex_;
    mutable std::vector<std::unique_ptr<Crew>> idle_crews_;
};

}  // namespace nncore::network
