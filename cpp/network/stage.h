// A stage: one or more layers fused into one piece of work between two activation buffers.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "../kernels/kernels.h"
#include "../runtime/parallel.h"
#include "parameter.h"
#include "workspace.h"

namespace nncore::network {

// What a stage needs to do one thread's share of one pass.
struct Pass {
    const kernels::Kernels& kernels;
    const runtime::Member& member;
    Workspace& workspace;
    std::ptrdiff_t rows;  // samples of this batch
    float* parameters;
    float* gradients;
    // Dropout and the like happen only in training; their random numbers are keyed on these.
    bool training;
    Randomness randomness;
    const std::int32_t* samples;  // which image each row is, or nullptr: row r is image r
    // Not nullptr: weights are updated as soon as their gradient is known.
    const Optimizer* optimizer;
};

// The four steps of a stage. Between two of them the team meets at a barrier, so within one step
// threads may read everything that earlier steps wrote.
//
// Deltas: delta[i] is the gradient of the loss by the value *before* the activation that was fused
// into the stage which wrote buffer i. A stage that writes delta[i] therefore multiplies by that
// activation's derivative, which it can tell from the buffer itself (`input_activation`).
class Stage {
 public:
    virtual ~Stage() = default;

    virtual std::string describe() const = 0;
    virtual double multiply_adds() const { return 0; }  // of one sample, forward
    virtual std::ptrdiff_t transposed_floats() const { return 0; }
    // Floats per sample that forward keeps for backward.
    virtual std::ptrdiff_t saved_floats() const { return 0; }

    virtual void forward(const Pass& pass) const = 0;
    // Before any weight changes: what backward_input needs from the weights.
    virtual void prepare_backward(const Pass&) const {}
    virtual void backward_input(const Pass& pass) const = 0;
    // Weight gradients, and the update where pass.optimizer says so.
    virtual void backward_weights(const Pass&) const {}

    std::size_t index = 0;  // reads buffer `index`, writes buffer `index + 1`
    Shape input_shape, output_shape;
    kernels::Activation input_activation = kernels::Activation::linear;
    kernels::Activation output_activation = kernels::Activation::linear;
    std::vector<Parameter> parameters;
};

std::unique_ptr<Stage> make_dense_stage(const std::string& name, std::ptrdiff_t inputs,
                                        std::ptrdiff_t units, kernels::Activation activation,
                                        bool use_bias, std::ptrdiff_t parameter_offset);
std::unique_ptr<Stage> make_activation_stage(const Shape& shape, kernels::Activation activation);
std::unique_ptr<Stage> make_softmax_stage(const Shape& shape);
// `number` tells the dropout layers of a network apart.
std::unique_ptr<Stage> make_dropout_stage(const Shape& shape, float rate, std::uint32_t number);

}  // namespace nncore::network
