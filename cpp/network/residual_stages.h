// A residual block, y = activation(branch(x) + shortcut(x)), among stages that otherwise feed one
// another: He et al., "Deep residual learning for image recognition" (2016).
//
//   branch    its output is the block's input, for all that follows in the block
//   ...       the branch's stages
//   shortcut  only if the shortcut is not the identity: its output is the block's input again
//   ...       the shortcut's stages
//   sum
//
// No values are copied for that: a branch stage's output is the memory of its input.
#pragma once

#include "stage.h"

namespace nncore::network {

class BranchStage final : public Stage {
 public:
    explicit BranchStage(const Shape& shape);
    std::string describe() const override { return "residual block {"; }
    std::optional<std::size_t> shown_buffer(bool /*backward*/) const override { return index; }
    void forward(const Pass&) const override {}
    // The sum of both ways' gradients.
    void backward_data(const BackwardPass& pass) const override;

    // The buffer whose delta is the gradient that comes by the shortcut.
    std::size_t shortcut_delta = 0;
};

class ShortcutStage final : public Stage {
 public:
    // block_input: the output buffer of the branch stage.
    ShortcutStage(const Shape& shape, std::size_t block_input, const Shape& branch_output);
    std::string describe() const override { return "} + {"; }
    std::optional<std::size_t> shown_buffer(bool /*backward*/) const override {
        return block_input_;
    }
    // Copies, where what follows wants another border than the branch's first stage.
    void forward(const Pass& pass) const override;
    // To the branch's output, which is this stage's input by its place among the stages.
    void backward_data(const BackwardPass& pass) const override;

    std::size_t sum_delta = 0;  // the output buffer of the sum

 private:
    std::size_t block_input_;
};

class SumStage final : public Stage {
 public:
    // other: the buffer that is added to this stage's input.
    SumStage(const Shape& shape, std::size_t other, kernels::Activation activation);
    std::string describe() const override;
    void forward(const Pass& pass) const override;
    void backward_data(const BackwardPass& pass) const override;

 private:
    std::size_t other_;
};

}  // namespace nncore::network
