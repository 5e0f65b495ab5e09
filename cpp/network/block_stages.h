// Blocks: branches that all take the block's input and are joined at the end, among stages that
// otherwise feed one another.
//
//   block     its output is the block's input, for all that follows in the block
//   ...       the first branch's stages
//   branch    its output is the block's input again
//   ...       the next branch's stages; and so on
//   join      join_stages.h
//
// No values are copied for that: the output of a block or branch stage is the memory of its input.
#pragma once

#include "stage.h"

namespace nncore::network {

class BlockStage final : public Stage {
 public:
    explicit BlockStage(const Shape& shape) { input_shape = output_shape = shape; }
    std::string describe() const override { return "block {"; }
    std::optional<std::size_t> shown_buffer(bool /*backward*/) const override { return index; }
    void forward(const Pass&) const override {}
    // The sum of the gradients of all branches.
    void backward_data(const BackwardPass& pass) const override;

    std::vector<std::size_t> deltas_read() const override { return gradients; }

    // The buffers whose deltas these are, two at least.
    std::vector<std::size_t> gradients;
};

class BranchStage final : public Stage {
 public:
    // block_input: the output buffer of the block's stage; before: what the branch before gives.
    BranchStage(const Shape& shape, std::size_t block_input, const Shape& before)
        : block_input_(block_input) {
        input_shape = before;
        output_shape = shape;
    }
    std::string describe() const override { return "} {"; }
    std::vector<std::size_t> inputs() const override { return {block_input_}; }
    std::optional<std::size_t> shown_buffer(bool /*backward*/) const override {
        return block_input_;
    }
    std::vector<std::size_t> deltas_read() const override { return {}; }
    std::vector<std::size_t> deltas_written() const override { return {}; }
    // Copies, where what follows wants another border than the first branch.
    void forward(const Pass& pass) const override;
    // Nothing: the join writes the gradient of the branch before, and the block reads this one's.
    void backward_data(const BackwardPass&) const override {}

    bool copies = true;  // whether anybody reads the output

 private:
    std::size_t block_input_;
};

}  // namespace nncore::network
