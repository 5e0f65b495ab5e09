// A network of fixed stages, which a Builder made: it trains and infers.
//
// Parameters and gradients live in two flat float32 buffers; all workspace of a step is planned and
// allocated once. Results are the same bits for any number of threads and any instruction set
// (docs/design.md).
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "../runtime/aligned_buffer.h"
#include "../runtime/pace.h"
#include "architecture.h"
#include "crews.h"
#include "fair_lock.h"
#include "optimizer_state.h"
#include "penalties.h"
#include "probe.h"
#include "types.h"

namespace nncore::network {

class Network {
 public:
    // Allocates the weights and initialises them from the seed, biases to zero.
    Network(Architecture architecture, std::uint64_t seed);

    // --- description ------------------------------------------------------------------------
    const Shape& input_shape() const { return architecture_.input_shape; }
    std::ptrdiff_t output_size() const { return architecture_.output_size(); }
    const std::vector<Layer>& layers() const { return architecture_.layers; }
    const Architecture& architecture() const { return architecture_; }
    std::vector<Parameter> parameters() const;
    std::ptrdiff_t parameter_count() const;
    // Of one sample of `images`.
    const Shape& sample_shape(bool extracted) const {
        return architecture_.shape_before(first_stage(extracted));
    }

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
    // exchange: several processes share each batch, and call this with the same arguments but for
    // the samples that are not theirs (share_of in chunks.h), which are not read.
    // trace: told what each part of a step takes.
    StepResults train_steps(const Images& images, const Targets& targets,
                            const std::int32_t* indices, std::ptrdiff_t count,
                            std::ptrdiff_t batch_size, Loss loss, const Optimizer& optimizer,
                            const Randomness& randomness, const double* learning_rates = nullptr,
                            Exchange* exchange = nullptr, Trace* trace = nullptr);

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
    // What the activation buffer holds that stage `stage` reads goes to `values`:
    // element_count(architecture().shape_before(stage)) floats per image.
    struct InputOf {
        std::size_t stage;
        float* values;
    };
    // outputs: images.count x output_size.
    void forward(const Images& images, float* outputs) const;
    // The same, with a softmax after the last layer.
    // inverse_temperature: what outputs are multiplied by before.
    void forward_softmax(const Images& images, float inverse_temperature,
                         float* probabilities) const;
    // Also the loss of each image. With cross_entropy or focal, outputs are logits unless the last
    // layer is a softmax. Also what a stage reads, as below, if `seen` is given.
    void evaluate(const Images& images, const Targets& targets, Loss loss, float* outputs,
                  float* losses, const InputOf* seen = nullptr) const;
    // What the fixed stages make of each image, sample_shape(true) floats: the rest of the network
    // takes these for images where they are marked as `extracted`. Throws std::logic_error where no
    // stage is fixed.
    void extract(const Images& images, float* values) const;
    // What the layer of `probe` gives each image, and how the image's score for its class, which is
    // what stands before a softmax or the last activation, changes with that: both images.count x
    // the layer's shape. Throw std::invalid_argument if the probe is not of the layers of this
    // network.
    void look(const Probe& probe, const Images& images, const std::int32_t* classes, float* values,
              float* gradients) const;
    // Of each image a heat map as large as itself, by grad_cam: images.count x height x width.
    void explain(const Probe& probe, const Images& images, const std::int32_t* classes,
                 float* maps) const;
    // forward, and beside its outputs what a stage reads. Throws std::logic_error where `images`
    // are extracted behind it.
    void forward_with_input_of(const InputOf& seen, const Images& images, float* outputs) const;

 private:
    const std::vector<std::unique_ptr<Stage>>& stages() const { return architecture_.stages; }
    void check_last_rows(std::ptrdiff_t expected) const;
    std::size_t first_stage(bool extracted) const {
        return extracted ? architecture_.fixed_stages : 0;
    }
    int threads_for(double multiply_adds) const;
    bool fuses_softmax(Loss loss) const;

    // Steps of a pass; of row r.
    void load_image(const Pass& pass, const Images& images, const std::int32_t* indices,
                    std::ptrdiff_t r) const;
    void load_target(const Pass& pass, const Targets& targets, const std::int32_t* indices,
                     std::ptrdiff_t r) const;
    // The weights of stages that have a normalization folded into them, as they are in this step.
    void fold_weights(const Pass& pass, std::size_t first) const;
    // The gradients of such a stage's own weights, from those of the folded ones, and the update.
    void unfold_gradients(const BackwardPass& pass, const Stage& stage) const;
    // What fold_weights multiplies by, if anything; before a team is at work.
    void prepare_folds();
    // The stage, which finds zeros around its output.
    static void forward_stage(const Pass& pass, const Stage& stage);
    void compute_loss(const Pass& pass, Loss loss, std::size_t output, bool with_gradient,
                      bool weighted) const;
    void forward_and_losses(const Pass& pass, const Images& images, const Targets& targets,
                            const std::int32_t* indices, Loss loss) const;
    struct BatchResult {
        double loss;
        std::int64_t correct;
    };
    BatchResult batch_result(const Pass& pass, Loss loss) const;
    void backward(const BackwardPass& pass, Loss loss) const;
    class Sums;
    void complete_gradients(const BackwardPass& pass, Loss loss, Sums& sums) const;
    void move_averages(std::size_t first);
    // How many stages stand before the loss: a softmax at the end may be part of it.
    std::size_t stages_before(Loss loss) const { return stages().size() - fuses_softmax(loss); }
    // Where a pass that changes nothing goes along.
    struct Route {
        const Architecture& architecture;
        IdleCrews& crews;
        Purpose purpose;
    };
    // `finish` gets each chunk's pass, where its first image stands, and its number of images.
    // Stages from the first that `images` need to the one before `last`.
    template <class Finish>
    void infer(const Route& route, const Images& images, std::size_t last,
               const Finish& finish) const;
    template <class Finish>
    void infer(const Images& images, std::size_t last, const Finish& finish) const;
    // Through all stages; `finish` finds the outputs. What is `seen`, if anything, is kept.
    template <class Finish>
    void infer(const Images& images, const InputOf* seen, const Finish& finish) const;
    // `show` gets the pass in which a row's values and gradients stand, the image's number and the
    // row.
    template <class Show>
    void look(const Probe& probe, const Images& images, const std::int32_t* classes,
              const Show& show) const;
    // What inference reads: the parameters, with the batch normalizations folded in, and what
    // stages prepare of them.
    struct InferenceWeights {
        const float *parameters, *prepared;
    };
    InferenceWeights inference_weights(const kernels::Kernels& kernels) const;
    void fold_parameters() const;
    void show_weights();
    void count_updates(const Optimizer& optimizer, std::size_t updates);
    const runtime::AlignedBuffer& slot_buffer(Slot slot) const;

    const Architecture architecture_;
    runtime::AlignedBuffer parameters_, gradients_;
    OptimizerState optimizer_;
    Penalties penalties_;
    bool shows_average_ = false;  // parameters_ and the slot `average` have changed places
    std::vector<float> input_scale_, input_offset_;

    // Readers (inference) share, writers (training, setting weights) exclude.
    mutable FairLock mutex_;
    // Made by the first reader after a change; empty where there is nothing to fold, or to prepare.
    mutable std::mutex fold_mutex_;
    mutable std::atomic<bool> folded_ = false;
    mutable runtime::AlignedBuffer folded_parameters_, prepared_weights_;
    Workspace training_workspace_;
    // For training, as large as the parameters, or empty where nothing is folded; of stages that
    // have something folded into them: factors, and the weights that come of it.
    runtime::AlignedBuffer fold_scales_, trained_folds_;
    bool has_fold_scales_ = false;
    runtime::Pace training_pace_;
    std::ptrdiff_t last_rows_ = 0;
    bool has_statistics_ = false;  // of the last compute_gradients, for the moving averages

    mutable IdleCrews idle_crews_;
    mutable runtime::Pace inference_pace_;
};

}  // namespace nncore::network
