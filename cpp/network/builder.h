// Building a network: layers are added one behind the other, checked and fused into stages.
//
// All that is needed only while layers are added is here; build() hands the finished list of stages
// to a Network and is done.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "activations.h"
#include "architecture.h"
#include "block_stages.h"
#include "conv_geometry.h"
#include "join_stages.h"
#include "kernel_settings.h"
#include "network.h"

namespace nncore::network {

class Builder {
 public:
    // input: (features) or (height, width, channels). Throws std::invalid_argument on bad shapes.
    // probe: the name of a layer that is to be looked at; then nothing is trainable, and
    // build_probe() ends the building.
    explicit Builder(Shape input, std::string probe = {});

    // Whether the layers that are added from now on are trained; they are unless this says no.
    // Those that are not keep their weights, and a batch normalization uses its moving averages in
    // training, too.
    void set_trainable(bool trainable) { trainable_ = trainable && probe_.empty(); }
    bool trainable() const { return trainable_; }

    // --- layers; each throws std::logic_error after build() ---------------------------------
    // activation: a name of activations.h. Names must be new and not empty.
    void add_dense(const std::string& name, std::ptrdiff_t units, const std::string& activation,
                   bool use_bias, const KernelSettings& kernel = {});
    // activation: as of a dense layer, but for softmax.
    void add_conv2d(const std::string& name, const Conv2D& layer);
    // What does not fill a window is dropped; padding never wins, and counts for a mean only if
    // `counts_padding`, as zeros. A 2x2 max pool with stride 2 and without padding right behind a
    // convolution is fused into it.
    void add_max_pool2d(const std::string& name, Extent window, Extent strides,
                        const Padding& padding = {});
    void add_average_pool2d(const std::string& name, Extent window, Extent strides,
                            const Padding& padding = {}, bool counts_padding = false);
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
    // activation(what the branches make of the block's input, joined): begin_block, the layers of
    // the first branch, next_branch before those of each other one, end_block. A branch without
    // layers is the input itself. Blocks may contain blocks. activation: one that stages take in.
    void begin_block(const std::string& name, Join join);
    void next_branch();
    void end_block(const std::string& activation = "linear");
    // y = x * scale + offset, in one rounding: one scale and offset for all values or for each
    // channel (the last axis).
    void add_rescaling(const std::string& name, const std::vector<float>& scale,
                       const std::vector<float>& offset);

    // The network of all these layers, its weights initialised from the seed, its biases zero.
    // Once; throws std::logic_error without weights, or if a block has no end.
    std::unique_ptr<Network> build(std::uint64_t seed);
    // What looks at the layer that was named first, in the network that `build` makes of the same
    // layers. Once; throws std::logic_error likewise, and std::invalid_argument if no layer is
    // called so.
    std::unique_ptr<Probe> build_probe();

    // --- what there is so far ---------------------------------------------------------------
    const Architecture& architecture() const { return architecture_; }
    const Shape& output_shape() const { return shape_; }

 private:
    // What the stage that was added last can still take in; nothing, unless it says so.
    struct Fusible {
        // Builds the stage anew, a convolution, with a 2x2 max pool in it.
        std::function<std::unique_ptr<Stage>()> with_pool{};
        bool batch_normalization = false;  // inference can fold one into its weights
        bool activation = false;           // it applies the one that comes
    };
    // A block that has no end yet, and its branch that has none.
    struct Block {
        std::string name;
        Join join;
        BlockStage* stage;
        std::vector<Branch> ended;
        // The branch: the stage that it begins with, if it is not the block's own output, and how
        // many stages and layers stand before its own.
        BranchStage* begin;
        std::size_t stages_before, layers_before;
        bool output_taken;  // by this or an earlier branch
    };

    void check_new_layer(const std::string& name) const;
    // Room for so many more parameters.
    void check_room(const std::string& name, std::ptrdiff_t floats) const;
    std::ptrdiff_t room() const;
    void check_filters(const std::string& what, const ConvGeometry& geometry) const;
    void push_stage(std::unique_ptr<Stage> stage);
    void check_is_whole() const;
    // Who is asked for a gradient.
    void mark_gradients();
    // From what is trained, what a step may leave out.
    void find_fixed_stages();
    // A layer whose output the last stage writes.
    void push_layer(const std::string& name, Shape output_shape);
    void begin_branch(Block& block);
    void end_branch(Block& block);
    // Behind the last stage, whose output has that shape, or within it.
    void push_activation(const Shape& shape, const ActivationKind& kind);

    Architecture architecture_;
    Shape shape_;  // of the last layer's output
    Fusible fusible_;
    std::vector<Block> open_blocks_;
    const std::string probe_;
    std::optional<std::size_t> probe_stage_;
    std::uint32_t dropout_layers_ = 0;
    std::vector<std::size_t> boundaries_;  // between layers, outside of blocks
    bool trainable_ = true;
    bool built_ = false;
};

}  // namespace nncore::network
