// A stage: one or more layers fused into one piece of work between two activation buffers.
//
// To add one:
//  1. Derive from Stage in NAME_stage.cpp, in an unnamed namespace, and declare a function that
//     makes it in NAME_stage.h. The smallest example is rescaling_stage.cpp; one with weights is
//     dense_stage.cpp, one whose sums run over the batch is batch_norm_stage.cpp.
//  2. Its constructor sets input_shape and output_shape; output_activation, if it applies one; and
//     parameters, one behind the other from the offset that it is given. If it has a kernel, that
//     is parameters[0], and a bias is parameters[1].
//  3. Override describe(), forward() and backward_data(); backward_weights() if it has parameters;
//     prepare_backward() and sizes() as needed. Each is called once, and deals the work out to a
//     team: for_each(pass, pass.rows, ...) calls a function for each sample, on any thread, which
//     must write nothing that is read or written for another sample within the same step.
//  4. A method of Builder checks the arguments and pushes the stage and its layer.
//
// What holds for all of them:
//  - The bits must not depend on the number of threads. Whatever is summed over samples is summed
//    in the chunks of chunks.h, and these by its tree.
//  - Nor on the number of processes that share the batch (pass.shared). Each has some of its
//    samples, perhaps none: pass.rows. What is divided by the size of the batch, or needs all of
//    it, asks pass.share(). Gradients that are sums by that tree are completed by the network;
//    adds_up() says which.
//  - Nothing is allocated in a step: memory comes from the workspace, by sizes(). It begins as
//    zeros, and what no stage writes stays zero: padding and borders are relied on to be. But for
//    what lasts only for a stage's own steps, `partials`, `image` and `prepared`, and deltas of
//    images: these hold anything before they are written.
//  - Lines of the input may have a gap between them, where the stage itself asks for a border
//    (input_border), and those of the output, where the next one does: use Rows::line, or
//    for_lines. Deltas have no gaps.
#pragma once

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "../kernels/kernels.h"
#include "../runtime/parallel.h"
#include "exchange.h"
#include "parameter.h"
#include "workspace.h"

namespace nncore::network {

// What a pass through the network is for.
enum class Purpose {
    inference,    // forward alone: moving averages instead of the batch's statistics, all folded
    explanation,  // forward likewise, with nothing folded, and backward to a Probe
    gradients,    // forward and backward, for people who look inside: nothing is random, no weight
                  // changes, and the outputs of layers that were fused away are kept
    training      // forward, backward and update: dropout, augmentation; moving averages move
};

// What a stage needs for one pass forward.
struct Pass {
    const kernels::Kernels& kernels;
    const runtime::Team& team;
    Workspace& workspace;
    std::ptrdiff_t rows;  // samples of this batch
    const float* parameters;
    Purpose purpose = Purpose::inference;
    // Of stages that have a fixed normalization folded into them: the weights with it, where
    // `parameters` are the weights without.
    float* folded = nullptr;
    // What the stages have made of their weights once and for all, where no weight will change;
    // else a stage makes it at each step.
    const float* prepared = nullptr;
    // Only for people who look inside: such a stage's output without the normalization.
    bool into_inner = false;
    // Keys of the random numbers in training.
    Randomness randomness{};
    const std::int32_t* samples = nullptr;  // which image each row is, or nullptr: row r is image r
    int thread = 0;                         // of the team: who does this piece of the work

    // For people who look for where the time goes, or nullptr.
    Trace* trace = nullptr;
    // Where several processes share the batch, of which `rows` are this one's.
    const SharedBatch* shared = nullptr;
    Share share() const { return shared == nullptr ? Share::whole(rows) : shared->own(); }
    std::ptrdiff_t batch() const { return shared == nullptr ? rows : shared->own().batch; }
};

// The same for the pass backward, which may change the weights.
struct BackwardPass : Pass {
    float* weights;  // `parameters`, to be written
    float* gradients;
    // Not nullptr: plain gradient descent of this length, done as soon as a gradient is known.
    const float* learning_rate;
};

// Deals `count` items out to the team of a pass, in pieces of `grain`: body(own, first, last),
// where `own` is the pass as seen by the thread that does it. Returns when all are done. One thread
// alone gets all at once.
template <class AnyPass, class Body>
void for_ranges(const AnyPass& pass, std::ptrdiff_t count, std::ptrdiff_t grain, const Body& body) {
    pass.team.for_ranges(count, grain, [&](std::ptrdiff_t first, std::ptrdiff_t last, int thread) {
        AnyPass own = pass;
        own.thread = thread;
        body(own, first, last);
    });
}
// The same with pieces of a vector of floats, whole blocks: body(own, first, count). None is so
// long that what a body makes of it first has left the second cache when it goes on with that.
template <class AnyPass, class Body>
void for_floats(const AnyPass& pass, std::ptrdiff_t floats, const Body& body) {
    constexpr std::ptrdiff_t kPiece = 64, kLongest = 1024;  // blocks
    for_ranges(pass, floats / kBlock, kPiece,
               [&](const AnyPass& own, std::ptrdiff_t first, std::ptrdiff_t last) {
                   for (std::ptrdiff_t block = first; block < last; block += kLongest)
                       body(own, block * kBlock, std::min(kLongest, last - block) * kBlock);
               });
}
// The same piece by piece: body(own, i).
template <class AnyPass, class Body>
void for_each(const AnyPass& pass, std::ptrdiff_t count, const Body& body) {
    for_ranges(pass, count, 1, [&](const AnyPass& own, std::ptrdiff_t first, std::ptrdiff_t last) {
        for (std::ptrdiff_t i = first; i < last; ++i) body(own, i);
    });
}
// Whether for_bands deals out whole samples.
inline bool are_enough_for_team(const Pass& pass) {
    const std::ptrdiff_t threads = pass.team.used();
    return threads == 1 || pass.rows == 0 || pass.rows >= 2 * threads;
}
// The samples, and where they are too few for the team, parts of the `lines` of each: body(own, r,
// first, last).
template <class AnyPass, class Body>
void for_bands(const AnyPass& pass, std::ptrdiff_t lines, const Body& body) {
    constexpr std::ptrdiff_t kEnough = 4;  // pieces for each thread, so that nobody waits for long
    const std::ptrdiff_t threads = pass.team.used();
    const std::ptrdiff_t bands =
        are_enough_for_team(pass)
            ? 1
            : std::min(lines, (kEnough * threads + pass.rows - 1) / pass.rows);
    for_each(pass, pass.rows * bands, [&](const AnyPass& own, std::ptrdiff_t piece) {
        const std::ptrdiff_t band = piece % bands;
        body(own, piece / bands, lines * band / bands, lines * (band + 1) / bands);
    });
}

// The steps of a stage: forward of all stages, in order, then the loss; prepare_backward of all,
// before any weight changes; then, from the last stage to the first, backward_data and
// backward_weights. Each is complete before the next begins, so that it may read whatever earlier
// ones wrote.
//
// Where processes share the batch, backward_weights gives what this one's samples add, or puts down
// their rows (gathered); when all have told each other, whole_batch_weights of all follows.
//
// Deltas: delta[i] is the gradient of the loss by the value *before* the activation that was fused
// into the stage which wrote buffer i. A stage that writes delta[i] therefore multiplies by that
// activation's derivative, which it can tell from the buffer itself (`input_activation`):
// multiply_by_input_derivative does so.
class Stage {
 public:
    virtual ~Stage() = default;

    // Sizes, asked for when a workspace is planned; see Workspace for what each is.
    struct Sizes {
        std::ptrdiff_t saved = 0, shared = 0, scratch = 0, inner = 0, partials = 0, image = 0,
                       prepared = 0, moments = 0, gathered = 0;
    };

    virtual std::string describe() const = 0;
    virtual double multiply_adds() const { return 0; }  // of one sample, forward
    virtual Border input_border() const { return {}; }
    // Another form of its weights that the stage computes with, so many floats, and how it comes
    // from the network's parameters. Inference is given it, from prepared_offset on.
    virtual std::ptrdiff_t prepared_floats() const { return 0; }
    virtual void prepare(const kernels::Kernels&, const float* /*parameters*/,
                         float* /*prepared*/) const {}
    // The buffers that forward reads; and of the deltas that there are, those that the steps
    // backward read and write.
    virtual std::vector<std::size_t> inputs() const { return {index}; }
    virtual std::vector<std::size_t> deltas_read() const {
        return {(behind == nullptr ? this : behind)->index + 1};
    }
    virtual std::vector<std::size_t> deltas_written() const {
        return {hands_gradient() ? ahead->index : index};
    }
    // The buffer whose memory the output shares, because its values are the same; none: its own.
    virtual std::optional<std::size_t> shown_buffer(bool /*backward*/) const { return {}; }
    // Whether forward gives a sample other values in training than in inference.
    virtual bool varies_in_training() const { return false; }
    // Whether inference does this stage's work within the one before, whose `folded` is then set.
    virtual bool folds() const { return false; }
    // From the network's parameters, what `before` needs for that.
    virtual void fold_into(const Stage& /*before*/, const float* /*parameters*/,
                           float* /*folded_parameters*/) const {}
    // Whether training does so as well, because nothing of this stage changes: the weights of
    // `before` are then multiplied by what fold_scales gives, in their layout, and so are their
    // gradients; and its bias becomes that of fold_bias.
    virtual bool folds_in_training() const { return false; }
    virtual void fold_scales(const Stage& /*before*/, const float* /*parameters*/,
                             float* /*scales*/) const {}
    virtual void fold_bias(const Stage& /*before*/, const float* /*parameters*/,
                           float* /*folded_parameters*/) const {}
    // Whether training folds it with statistics of the batch, which it finds from the inputs of
    // `before` (expansion_norm.h): then measured_by of that one is set, which leaves its output to
    // the stage behind this one; and measure is called before that output is made.
    virtual bool measures_inputs_of(const Stage& /*before*/) const { return false; }
    virtual void measure_inputs_of(const Stage& /*before*/) {}
    virtual void measure(const Pass&) const {}
    // Inputs of `before`, of so many pixels, without their means over the batch.
    virtual void center_inputs(const Pass&, const float* /*x*/, std::ptrdiff_t /*pixels*/,
                               float* /*centered*/) const {}
    // largest: the rows of the workspace; backward: whether backward passes follow.
    virtual Sizes sizes(std::ptrdiff_t /*largest*/, bool /*backward*/) const { return {}; }

    // Whether the steps backward ask for the gradient of the output by output_gradient alone. Then
    // a batch normalization right behind leaves its last step to this stage, which takes it for a
    // few lines at a time and goes on with them while they are in a cache: `behind` is set.
    virtual bool takes_last_step() const { return false; }
    // That step, of one that can: the input gradient of lines [first, last) of a sample of that
    // chunk, `line` floats apart.
    virtual bool leaves_last_step() const { return false; }
    virtual void last_step(const BackwardPass&, std::ptrdiff_t /*chunk*/, std::ptrdiff_t /*row*/,
                           std::ptrdiff_t /*first*/, std::ptrdiff_t /*last*/, float* /*gradient*/,
                           std::ptrdiff_t /*line*/) const {}
    // Whether a stage right behind leaves all of its pass backward to this one, as that step. This
    // one then asks for each line once, chunks, samples and lines in order.
    virtual bool leaves_backward_to(const Stage& /*before*/) const { return false; }
    // Of one that has left it: the stage before has just written all of a sample's output, which is
    // in a cache, to be measured.
    virtual void take_sample(const Pass&, std::ptrdiff_t /*row*/) const {}
    // Likewise forward: whether this stage asks for its input by input_lines alone; then the one
    // right before, whose output nobody else reads, may not write it: `ahead` is set. And the lines
    // [first, last) of its output, `line` floats apart, of one that leaves them to the next.
    virtual bool takes_output() const { return false; }
    virtual bool leaves_output_to(const Stage& /*next*/, bool /*in_training*/) const {
        return false;
    }
    virtual void output_lines(const Pass&, std::ptrdiff_t /*row*/, std::ptrdiff_t /*first*/,
                              std::ptrdiff_t /*last*/, float* /*values*/,
                              std::ptrdiff_t /*line*/) const {}
    // Backward, the stage behind has the gradient of these lines of a sample of that chunk, without
    // gaps and in a cache, and so are the lines themselves: chunks are told in order, and their
    // lines.
    virtual void take_gradient(const BackwardPass&, std::ptrdiff_t /*chunk*/,
                               std::ptrdiff_t /*row*/, std::ptrdiff_t /*first*/,
                               std::ptrdiff_t /*last*/, const float* /*gradient*/) const {}
    // Whether this stage can do without its input gradient as a whole; then the one ahead may go
    // backward by take_gradient alone, before its own turn, and there is no delta between them.
    virtual bool hands_gradient_on() const { return false; }
    virtual bool takes_gradient_from(const Stage& /*next*/) const { return false; }
    // Whether the input delta is written over the output delta, value by value.
    virtual bool shares_delta() const { return false; }

    // The floats of an image that the gradients of so many samples of one chunk need.
    virtual std::ptrdiff_t image_for_chunk(std::ptrdiff_t /*rows*/) const { return 0; }

    virtual void forward(const Pass& pass) const = 0;
    // Before any weight changes: what the backward steps need from the weights.
    virtual void prepare_backward(const Pass&) const {}
    // delta[index] from delta[index + 1], if needs_input_gradient, and what else is done sample by
    // sample.
    virtual void backward_data(const BackwardPass& pass) const = 0;
    // Weight gradients, and the update where pass.learning_rate says so.
    virtual void backward_weights(const BackwardPass&) const {}
    // Whether those gradients are sums over chunks; else they are those of the whole batch, here or
    // in the next step.
    virtual bool adds_up() const { return true; }
    // Once each process has the gathered rows of all: the gradients that need these.
    virtual void whole_batch_weights(const BackwardPass&) const {}
    // Once the batch whose pass stands in the workspace has changed the weights:
    // what training measures rather than trains.
    virtual void move_averages(const Workspace&, float* /*parameters*/) const {}

    std::ptrdiff_t prepared_offset = 0;
    std::size_t index = 0;              // reads buffer `index`, writes buffer `index + 1`
    bool needs_input_gradient = false;  // whether backward_data is to write delta[index]
    // Whether any of its parameters is trained, or a Probe looks at it. Where none of them is,
    // backward_weights is not called, and backward_data is not to update any.
    bool trains = false;
    // Else there is nothing to do backward, and no delta of its output.
    bool takes_part_backward() const { return trains || needs_input_gradient; }
    Shape input_shape, output_shape;
    kernels::Activation input_activation = kernels::Activation::linear;
    kernels::Activation output_activation = kernels::Activation::linear;
    std::vector<Parameter> parameters;
    // Set where inference, and perhaps training, runs this stage with the batch normalization that
    // follows folded into its weights: where the folded bias stands, and the activation behind.
    struct Folded {
        std::ptrdiff_t bias;
        kernels::Activation activation;
        bool in_training;
    };
    std::optional<Folded> folded;
    const Stage* measured_by = nullptr;  // see measures_inputs_of
    // Whether training multiplies its weights, and their gradients, by factors that never change.
    bool has_fixed_factors() const {
        return folded && folded->in_training && measured_by == nullptr;
    }
    const Stage* behind = nullptr;  // the stage that leaves its last step backward to this one
    bool is_left = false;           // whether this stage's last step is left to the one before
    bool backward_is_left = false;  // whether all that it does backward is
    // The stage that leaves its output to this one, or takes the gradient from it, line by line: in
    // training, and in inference. A normalization that is folded into that one may stand between.
    const Stage* ahead = nullptr;
    const Stage* ahead_in_inference = nullptr;
    bool leaves_in_training = false;  // whether this one leaves its output
    bool leaves_in_inference = false;
    bool takes_gradient = false;  // whether it takes the gradient of its output
    bool hands_gradient() const { return ahead != nullptr && ahead->takes_gradient; }
    // Whether input_lines makes the input: the workspace has no place for it. Where people look
    // inside, it has.
    bool makes_input(const Pass& pass) const {
        return pass.workspace.activations[index].data == nullptr;
    }
    // Lines [first, last) of a sample's input, `line` floats apart, where makes_input.
    void make_input(const Pass& pass, std::ptrdiff_t row, std::ptrdiff_t first, std::ptrdiff_t last,
                    float* place, std::ptrdiff_t line) const {
        const Stage* const maker = pass.workspace.has_backward ? ahead : ahead_in_inference;
        maker->output_lines(pass, row, first, last, place, line);
    }

 protected:
    const Rows& input(const Pass& pass) const { return pass.workspace.activations[index]; }
    const Rows& output(const Pass& pass) const {
        return pass.into_inner ? pass.workspace.inner[index]
                               : pass.workspace.activations[index + 1];
    }
    const Rows& input_delta(const Pass& pass) const { return pass.workspace.deltas[index]; }
    const Rows& output_delta(const Pass& pass) const { return pass.workspace.deltas[index + 1]; }
    // The gradient of lines [first, last) of a sample's output: where the delta has it, or in
    // `place`, which has room for it, if a stage has left its last step to this one.
    const float* output_gradient(const BackwardPass& pass, std::ptrdiff_t chunk, std::ptrdiff_t row,
                                 std::ptrdiff_t first, std::ptrdiff_t last, float* place) const {
        const std::ptrdiff_t line = element_count(output_shape) / output_shape[0];
        if (behind == nullptr) return output_delta(pass).row(row) + first * line;
        behind->last_step(pass, chunk, row, first, last, place, line);
        return place;
    }
    // Whether samples are told to the stage behind as they come, in forward by for_bands.
    static bool tells_samples(const Pass& pass) {
        return (pass.purpose == Purpose::training || pass.purpose == Purpose::gradients) &&
               are_enough_for_team(pass);
    }
    void tell_behind(const Pass& pass, std::ptrdiff_t row) const {
        if (behind != nullptr && tells_samples(pass)) behind->take_sample(pass, row);
    }
    bool leaves_output(const Pass& pass) const { return output(pass).data == nullptr; }
    // Lines [first, last) of a sample's input: where they are, or in `place`, which has room for
    // them, if a stage has left its output to this one.
    const float* input_lines(const Pass& pass, std::ptrdiff_t row, std::ptrdiff_t first,
                             std::ptrdiff_t last, float* place) const {
        if (!makes_input(pass)) return input(pass).line(row, first);
        make_input(pass, row, first, last, place, element_count(input_shape) / input_shape[0]);
        return place;
    }
    // Of the samples of the whole batch, sizes().gathered floats of each.
    Rows gathered(const Pass& pass) const { return pass.workspace.gathered_by(index); }
    // A thread's own place, of sizes().scratch floats.
    float* scratch(const Pass& pass) const {
        return pass.workspace.scratch[index][static_cast<std::size_t>(pass.thread)];
    }
    // Applies w = w - rate * gradient to a part of a parameter, if asked to.
    static void update(const BackwardPass& pass, const Parameter& parameter, std::ptrdiff_t first,
                       std::ptrdiff_t count);
    // The weights that a stage computes with, all that is folded into them included.
    const float* values(const Pass& pass) const {
        return is_folded(pass) && pass.purpose != Purpose::inference ? pass.folded
                                                                     : pass.parameters;
    }
    bool is_folded(const Pass& pass) const {
        return folded && !pass.into_inner &&
               (pass.purpose == Purpose::inference || folded->in_training);
    }
    // What a stage with weights adds and applies behind their product; the bias is parameters[1].
    const float* bias(const Pass& pass, bool has_bias) const;
    kernels::Activation activation(const Pass& pass) const;
    // For stages that ask for no border, so that their input has no gaps; their output has, if the
    // next stage asks for one, and its lines need not be the input's: a Flatten may stand between.
    // Calls body(x, y, at, count) for lines [first, last) of one sample's output, of `count`
    // floats; `at` is how many came before.
    template <class Body>
    void for_lines_of(const Pass& pass, std::ptrdiff_t row, std::ptrdiff_t first,
                      std::ptrdiff_t last, const Body& body) const {
        const Rows& y = output(pass);
        const float* const x = input(pass).row(row);
        const std::ptrdiff_t count = y.layout.run;
        for (std::ptrdiff_t l = first; l < last; ++l)
            body(x + l * count, y.line(row, l), l * count, count);
    }
    float* image(const Pass& pass) const {
        return pass.workspace.images[static_cast<std::size_t>(pass.thread)];
    }
    // For an image of so many floats: gaps, borders and lanes beyond the last channel are zeros and
    // stay so until another stage has it.
    void prepare_image(const Pass& pass, std::ptrdiff_t floats) const {
        std::size_t& user = pass.workspace.image_users[static_cast<std::size_t>(pass.thread)];
        if (user != index) std::fill_n(image(pass), floats, 0.0f);
        user = index;
    }
    // The same place for numbers that need not be zero before, and are of no use behind.
    float* use_image(const Pass& pass) const {
        constexpr auto kNobody = static_cast<std::size_t>(-1);
        pass.workspace.image_users[static_cast<std::size_t>(pass.thread)] = kNobody;
        return image(pass);
    }
    // Those of all samples.
    template <class Body>
    void for_lines(const Pass& pass, const Body& body) const {
        for_bands(pass, output(pass).layout.height,
                  [&](const Pass&, std::ptrdiff_t r, std::ptrdiff_t first, std::ptrdiff_t last) {
                      for_lines_of(pass, r, first, last, body);
                  });
    }
    // delta *= derivative of the input's activation, for one sample.
    void multiply_by_input_derivative(const Pass& pass, std::ptrdiff_t row) const;
};

}  // namespace nncore::network
