#include "builder.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "batch_norm_stage.h"
#include "conv_stage.h"
#include "conv_ways.h"
#include "dense_stage.h"
#include "elementwise_stages.h"
#include "grouped_conv_stage.h"
#include "layer_norm_stage.h"
#include "pool_stages.h"
#include "probe_stage.h"
#include "rescaling_stage.h"
#include "self_gated_stage.h"
#include "winograd_stage.h"

namespace nncore::network {
namespace {

using kernels::Activation;
using Way = ActivationKind::Way;

// A bound far above any small image classifier, and low enough that sizes cannot overflow.
constexpr std::ptrdiff_t kMaximumFloats = std::ptrdiff_t{1} << 31;

void apply(const KernelSettings& settings, const ActivationKind& activation, Parameter& kernel) {
    kernel.initializer = settings.initializer.empty() ? activation.default_initializer()
                                                      : initializer_from_name(settings.initializer);
    kernel.penalty = settings.penalty;
    for (const double rate : {settings.penalty.l1, settings.penalty.l2})
        if (!(rate >= 0.0) || !std::isfinite(static_cast<float>(2.0 * rate)))
            throw std::invalid_argument("the penalty of " + kernel.name +
                                        " must be finite and not negative, got " +
                                        std::to_string(rate));
}

// `name` is the name of a layer of the kind that `what` says.
[[noreturn]] void fail(const std::string& what, const std::string& name,
                       const std::string& problem) {
    throw std::invalid_argument(what + " \"" + name + "\": " + problem);
}

std::string pool_named(const std::string& name) { return "pooling layer \"" + name + "\""; }

void check_epsilon(const std::string& what, const std::string& name, float epsilon) {
    if (!(epsilon > 0.0f && epsilon < 1.0f))
        fail(what, name, "epsilon must be above 0 and below 1, got " + std::to_string(epsilon));
}

}  // namespace

Builder::Builder(Shape input, std::string probe)
    : shape_(std::move(input)), probe_(std::move(probe)), trainable_(probe_.empty()) {
    if (shape_.size() != 1 && shape_.size() != 3)
        throw std::invalid_argument(
            "the input shape must be (features,) or (height, width, channels), got " +
            to_string(shape_));
    std::ptrdiff_t count = 1;
    for (const std::ptrdiff_t n : shape_) {
        if (n < 1 || n > kMaximumFloats / count)
            throw std::invalid_argument("the input shape must have positive sizes of at most " +
                                        std::to_string(kMaximumFloats) + " values together, got " +
                                        to_string(shape_));
        count *= n;
    }
    architecture_.input_shape = shape_;
}

void Builder::check_new_layer(const std::string& name) const {
    if (built_)
        throw std::logic_error("layer \"" + name + "\" comes too late: the network is built");
    if (name.empty()) throw std::invalid_argument("a layer's name must not be empty");
    const auto is_called_so = [&](const auto& other) { return other.name == name; };
    if (std::any_of(architecture_.layers.begin(), architecture_.layers.end(), is_called_so) ||
        std::any_of(open_blocks_.begin(), open_blocks_.end(), is_called_so))
        throw std::invalid_argument("two layers are named \"" + name + "\"");
}

std::ptrdiff_t Builder::room() const { return kMaximumFloats - architecture_.parameter_floats; }

void Builder::check_room(const std::string& name, std::ptrdiff_t floats) const {
    if (floats > room())
        throw std::invalid_argument("layer \"" + name + "\" has too many channels");
}

void Builder::push_stage(std::unique_ptr<Stage> stage) {
    auto& stages = architecture_.stages;
    fusible_ = {};
    architecture_.ends_with_softmax = false;
    stage->index = stages.size();
    if (!stages.empty()) stage->input_activation = stages.back()->output_activation;
    for (Parameter& p : stage->parameters) p.trainable = p.trainable && trainable_;
    for (const Parameter& p : stage->parameters)
        architecture_.parameter_floats =
            std::max(architecture_.parameter_floats, p.offset + p.size());
    stages.push_back(std::move(stage));
}

void Builder::push_layer(const std::string& name, Shape output_shape) {
    shape_ = output_shape;
    if (name == probe_) {
        if (shape_.size() != 3)
            throw std::invalid_argument("layer \"" + name + "\" gives " + to_string(shape_) +
                                        " for each image, and no image that could be looked at");
        probe_stage_ = architecture_.stages.size();
        push_stage(std::make_unique<ProbeStage>(shape_));
    }
    architecture_.layers.push_back({name, std::move(output_shape), architecture_.stages.size()});
    if (open_blocks_.empty()) boundaries_.push_back(architecture_.stages.size());
}

void Builder::push_activation(const Shape& shape, const ActivationKind& kind) {
    if (kind.is_linear()) return;
    if (kind.way == Way::fused && fusible_.activation) {
        architecture_.stages.back()->output_activation = kind.fused;
        architecture_.layers.back().fused_away = true;
        fusible_ = {};
        return;
    }
    switch (kind.way) {
        case Way::fused:
            return push_stage(make_activation_stage(shape, kind.fused));
        case Way::self_gated:
            return push_stage(make_self_gated_stage(shape, kind.self_gated));
        case Way::softmax:
            push_stage(make_softmax_stage(shape));
            architecture_.ends_with_softmax = true;
    }
}

void Builder::add_dense(const std::string& name, std::ptrdiff_t units,
                        const std::string& activation, bool use_bias,
                        const KernelSettings& kernel) {
    check_new_layer(name);
    const Shape shape = shape_;
    if (shape.size() != 1)
        throw std::invalid_argument("dense layer \"" + name + "\" needs a flat input, got " +
                                    to_string(shape) + "; add a Flatten layer before it");
    const std::ptrdiff_t inputs = shape[0];
    if (units < 1 || units > kMaximumFloats || padded(units) > room() / (inputs + 1))
        throw std::invalid_argument("dense layer \"" + name + "\": units must be from 1 to " +
                                    std::to_string(room() / (inputs + 1)) + ", got " +
                                    std::to_string(units));
    const ActivationKind& kind = activation_from_name(activation);
    auto stage =
        make_dense_stage(name, inputs, units, kind.fused, use_bias, architecture_.parameter_floats);
    apply(kernel, kind, stage->parameters[0]);
    push_stage(std::move(stage));
    fusible_.batch_normalization = kind.is_linear();
    if (kind.way != Way::fused) push_activation({units}, kind);
    push_layer(name, {units});
}

// Weights and outputs must have room; as many as there may be with padding, whichever way groups
// are computed.
void Builder::check_filters(const std::string& what, const ConvGeometry& g) const {
    const std::ptrdiff_t taps = g.kernel_height * g.kernel_width * g.channels / g.groups;
    const auto padded_filters = [&] { return g.groups * padded(g.out_channels / g.groups); };
    if (g.out_channels < 1 || g.out_channels > kMaximumFloats ||
        padded_filters() > room() / (taps + 1) ||
        padded_filters() > kMaximumFloats / (g.out_height * g.out_width))
        throw std::invalid_argument(
            what + ": filters must be positive and the weights and outputs below " +
            std::to_string(kMaximumFloats) + " values, got " + std::to_string(g.out_channels));
}

void Builder::add_conv2d(const std::string& name, const Conv2D& layer) {
    check_new_layer(name);
    const std::string what = "convolution \"" + name + "\"";
    const ConvGeometry g = conv_geometry(what, shape_, layer);
    check_filters(what, g);
    const ActivationKind& kind = activation_from_name(layer.activation);
    if (kind.way == Way::softmax) fused_activation_from_name(layer.activation);  // throws
    const std::ptrdiff_t offset = architecture_.parameter_floats;
    // Copies, so that the stage can be built anew when a pool follows.
    const auto make = [=](bool pooled) {
        auto stage = g.groups > 1
                         ? make_grouped_conv_stage(name, g, kind.fused, layer.use_bias, offset)
                     : !pooled && suits_winograd(g)
                         ? make_winograd_stage(name, g, kind.fused, layer.use_bias, offset)
                         : make_conv_stage(name, g, kind.fused, layer.use_bias, pooled, offset);
        apply(layer.kernel_settings, kind, stage->parameters[0]);
        return stage;
    };
    push_stage(make(false));
    fusible_.batch_normalization = kind.is_linear();
    if (kind.way != Way::fused) {
        push_activation({g.out_height, g.out_width, g.out_channels}, kind);
    } else if (g.groups == 1 && g.out_height >= 2 && g.out_width >= 2) {
        fusible_.with_pool = [make] { return make(true); };
    }
    push_layer(name, {g.out_height, g.out_width, g.out_channels});
}

void Builder::add_max_pool2d(const std::string& name, Extent window, Extent strides,
                             const Padding& padding) {
    check_new_layer(name);
    const PoolGeometry g = pool_geometry(pool_named(name), shape_, window, strides, padding);
    const bool two_by_two = g.window_height == 2 && g.window_width == 2 && g.stride_rows == 2 &&
                            g.stride_columns == 2 && g.padding == Border{};
    if (two_by_two && fusible_.with_pool) {
        auto stage = fusible_.with_pool();
        architecture_.stages.pop_back();
        architecture_.layers.back().fused_away = true;
        push_stage(std::move(stage));
    } else {
        push_stage(make_max_pool_stage(g));
    }
    push_layer(name, architecture_.stages.back()->output_shape);
}

void Builder::add_average_pool2d(const std::string& name, Extent window, Extent strides,
                                 const Padding& padding, bool counts_padding) {
    check_new_layer(name);
    push_stage(make_average_pool_stage(
        pool_geometry(pool_named(name), shape_, window, strides, padding), counts_padding));
    push_layer(name, architecture_.stages.back()->output_shape);
}

void Builder::add_global_average_pool2d(const std::string& name) {
    check_new_layer(name);
    // Of anything else than an image, this is no window, and pool_geometry says what is wrong.
    const Extent all = shape_.size() == 3 ? Extent{shape_[0], shape_[1]} : Extent{1, 1};
    push_stage(
        make_average_pool_stage(pool_geometry(pool_named(name), shape_, all, all, {}), false));
    push_layer(name, {shape_.back()});
}

void Builder::add_flatten(const std::string& name) {
    check_new_layer(name);
    // A flat sample is stored like an image without a border: flattening changes the shape and
    // nothing else. What follows asks for no border.
    push_layer(name, {element_count(shape_)});
    fusible_ = {};
}

void Builder::add_activation(const std::string& name, const std::string& activation) {
    check_new_layer(name);
    const Shape shape = shape_;
    const ActivationKind& kind = activation_from_name(activation);
    if (kind.way == Way::softmax && shape.size() != 1)
        fail("activation", name,
             "softmax needs a flat input, got " + to_string(shape) +
                 "; add a Flatten layer before it");
    push_activation(shape, kind);
    push_layer(name, shape);
}

void Builder::add_dropout(const std::string& name, float rate) {
    check_new_layer(name);
    if (!(rate >= 0.0f && rate < 1.0f))
        throw std::invalid_argument("dropout layer \"" + name +
                                    "\": the rate must be at least 0 and below 1, got " +
                                    std::to_string(rate));
    const Shape shape = shape_;
    push_stage(make_dropout_stage(shape, rate, dropout_layers_++));
    push_layer(name, shape);
}

void Builder::add_batch_normalization(const std::string& name, float momentum, float epsilon) {
    check_new_layer(name);
    const std::string what = "batch normalization";
    if (!(momentum >= 0.0f && momentum < 1.0f))
        fail(what, name,
             "momentum must be at least 0 and below 1, got " + std::to_string(momentum));
    check_epsilon(what, name, epsilon);
    check_room(name, 4 * padded(shape_.back()));
    push_stage(make_batch_norm_stage(name, shape_, momentum, epsilon,
                                     fusible_.batch_normalization && probe_.empty(), !trainable_,
                                     architecture_.parameter_floats));
    fusible_.activation = true;
    push_layer(name, shape_);
}

void Builder::add_layer_normalization(const std::string& name, float epsilon) {
    check_new_layer(name);
    check_epsilon("layer normalization", name, epsilon);
    check_room(name, 2 * padded(shape_.back()));
    push_stage(make_layer_norm_stage(name, shape_, epsilon, architecture_.parameter_floats));
    push_layer(name, shape_);
}

void Builder::begin_block(const std::string& name, Join join) {
    check_new_layer(name);
    auto stage = std::make_unique<BlockStage>(shape_);
    open_blocks_.push_back({name, join, stage.get(), {}, nullptr, 0, 0, false});
    push_stage(std::move(stage));
    begin_branch(open_blocks_.back());
}

void Builder::begin_branch(Block& block) {
    const Shape& shape = block.stage->output_shape;
    block.begin = nullptr;
    if (block.output_taken) {
        auto stage = std::make_unique<BranchStage>(shape, block.stage->index + 1, shape_);
        block.begin = stage.get();
        push_stage(std::move(stage));
    }
    block.output_taken = true;
    block.stages_before = architecture_.stages.size();
    block.layers_before = architecture_.layers.size();
    shape_ = shape;
}

// What the join takes of the branch, and where the block finds the branch's gradient.
void Builder::end_branch(Block& block) {
    auto& stages = architecture_.stages;
    const std::size_t input = block.stage->index + 1;
    fusible_ = {};
    if (architecture_.layers.size() > block.layers_before) {
        // A flattening alone has no stage, and the input may have gaps.
        if (stages.size() == block.stages_before)
            push_stage(make_activation_stage(shape_, Activation::linear));
        const std::size_t end = stages.size();
        block.ended.push_back({end, end, shape_, stages.back()->output_activation});
    } else if (block.join == Join::sum) {
        // The gradient of the sum is that of the branch.
        if (block.begin != nullptr) {
            stages.pop_back();
        } else {
            block.output_taken = false;
        }
        block.ended.push_back({input, {}, shape_});
        return;
    } else {
        const std::size_t begin = block.begin != nullptr ? block.begin->index + 1 : input;
        if (block.begin != nullptr) block.begin->copies = false;
        block.ended.push_back({input, begin, shape_});
    }
    block.stage->gradients.push_back(block.begin != nullptr ? block.begin->index + 1 : input);
}

void Builder::next_branch() {
    if (open_blocks_.empty()) throw std::logic_error("a branch needs a block that has no end");
    end_branch(open_blocks_.back());
    begin_branch(open_blocks_.back());
}

void Builder::end_block(const std::string& activation) {
    if (open_blocks_.empty()) throw std::logic_error("there is no block to end");
    const Activation kind = fused_activation_from_name(activation);
    const std::string what = "block \"" + open_blocks_.back().name + "\"";
    if (open_blocks_.back().ended.empty())
        throw std::logic_error(what + " needs at least two branches");
    std::vector<Shape> shapes;
    for (const Branch& branch : open_blocks_.back().ended) shapes.push_back(branch.shape);
    shapes.push_back(shape_);
    const Shape joined = joined_shape(what, open_blocks_.back().join, shapes);
    if (element_count(joined) > kMaximumFloats)
        throw std::invalid_argument(what + " gives too many values: " + to_string(joined));
    end_branch(open_blocks_.back());
    const Block block = std::move(open_blocks_.back());
    open_blocks_.pop_back();
    shape_ = joined;
    push_stage(make_join_stage(block.join, block.ended, shape_, kind));
    for (const Branch& branch : block.ended)
        if (!branch.gradient) block.stage->gradients.push_back(architecture_.stages.size());
    push_layer(block.name, shape_);
}

void Builder::add_rescaling(const std::string& name, const std::vector<float>& scale,
                            const std::vector<float>& offset) {
    check_new_layer(name);
    const Shape shape = shape_;
    const auto check = [&](const char* what, const std::vector<float>& values) {
        const auto count = static_cast<std::ptrdiff_t>(values.size());
        if (count != 1 && count != shape.back())
            throw std::invalid_argument("rescaling layer \"" + name + "\": " + what +
                                        " must have 1 value or one per channel (" +
                                        std::to_string(shape.back()) + "), got " +
                                        std::to_string(count));
        for (const float value : values)
            if (!std::isfinite(value))
                throw std::invalid_argument("rescaling layer \"" + name + "\": " + what +
                                            " must be finite, got " + std::to_string(value));
    };
    check("scale", scale);
    check("offset", offset);
    push_stage(make_rescaling_stage(shape, scale, offset));
    push_layer(name, shape);
}

void Builder::mark_gradients() {
    std::vector<bool> trained_below{false};  // of each buffer
    for (const auto& stage : architecture_.stages) {
        stage->trains = stage->index == probe_stage_ ||
                        std::any_of(stage->parameters.begin(), stage->parameters.end(),
                                    [](const Parameter& p) { return p.trainable; });
        // Where nothing below is trained, nobody asks for a gradient.
        const auto inputs = stage->inputs();
        stage->needs_input_gradient = std::any_of(inputs.begin(), inputs.end(),
                                                  [&](std::size_t i) { return trained_below[i]; });
        trained_below.push_back(stage->takes_part_backward());
    }
}

void Builder::find_fixed_stages() {
    const auto& stages = architecture_.stages;
    const auto first_where = [&](const auto& holds) {
        return static_cast<std::size_t>(std::find_if(stages.begin(), stages.end(), holds) -
                                        stages.begin());
    };
    architecture_.first_trained = first_where([](const auto& stage) { return stage->trains; });
    if (architecture_.first_trained == stages.size())
        throw std::invalid_argument("no layer is trainable: at least one must be");
    const std::size_t fixed =
        first_where([](const auto& stage) { return stage->trains || stage->varies_in_training(); });
    // Not between a stage and the batch normalization that inference folds into it.
    for (const std::size_t boundary : boundaries_)
        if (boundary <= fixed && !stages[boundary]->folds()) architecture_.fixed_stages = boundary;
    // Flattening and the like alone would be no gain.
    if (architecture_.multiply_adds() == architecture_.multiply_adds(architecture_.fixed_stages))
        architecture_.fixed_stages = 0;
}

void Builder::check_is_whole() const {
    if (built_) throw std::logic_error("the network is built already");
    if (!open_blocks_.empty())
        throw std::logic_error("block \"" + open_blocks_.back().name + "\" has no end");
    if (architecture_.parameter_floats == 0)
        throw std::logic_error("the network has no layer with weights");
}

std::unique_ptr<Probe> Builder::build_probe() {
    check_is_whole();
    if (!probe_stage_) {
        std::string known;
        for (const Layer& layer : architecture_.layers)
            known += (known.empty() ? "" : ", ") + layer.name;
        throw std::invalid_argument("no layer \"" + probe_ + "\"; known: " + known);
    }
    mark_gradients();
    built_ = true;
    return std::make_unique<Probe>(std::move(architecture_), probe_, *probe_stage_);
}

std::unique_ptr<Network> Builder::build(std::uint64_t seed) {
    check_is_whole();
    if (!probe_.empty())
        throw std::logic_error("this builder looks at layer \"" + probe_ + "\": use build_probe");
    mark_gradients();
    find_fixed_stages();
    const auto& stages = architecture_.stages;
    const auto has_one_reader = [&](std::size_t buffer) {
        return std::count_if(stages.begin(), stages.end(), [&](const auto& reader) {
                   const auto inputs = reader->inputs();
                   return std::find(inputs.begin(), inputs.end(), buffer) != inputs.end();
               }) == 1;
    };
    for (std::size_t i = 2; i < stages.size(); ++i) {
        Stage &before = *stages[i - 2], &stage = *stages[i - 1], &next = *stages[i];
        if (!has_one_reader(i - 1) || !has_one_reader(i) || !stage.measures_inputs_of(before) ||
            !before.leaves_output_to(next, true) || !before.takes_gradient_from(next))
            continue;
        before.measured_by = &stage;
        stage.measure_inputs_of(before);
    }
    for (std::size_t i = 1; i < stages.size(); ++i)
        if (stages[i]->folds()) {
            const bool in_training = stages[i]->folds_in_training();
            stages[i - 1]->folded = {stages[i]->parameters[1].offset, stages[i]->output_activation,
                                     in_training};
            for (Layer& layer : architecture_.layers)
                if (layer.buffer == i) layer.fused_away = layer.fused_away || in_training;
        }
    for (std::size_t i = 1; i < stages.size(); ++i) {
        Stage &before = *stages[i - 1], &stage = *stages[i];
        if (!stage.leaves_last_step() || !stage.needs_input_gradient || !before.takes_last_step())
            continue;
        before.behind = &stage;
        stage.is_left = true;
    }
    for (std::size_t i = 1; i < stages.size(); ++i) {
        Stage& next = *stages[i];
        if (!has_one_reader(i)) continue;
        const Stage& before = *stages[i - 1];
        Stage& in_training = *stages[before.folds_in_training() ? i - 2 : i - 1];
        in_training.leaves_in_training = in_training.leaves_output_to(next, true);
        in_training.takes_gradient = in_training.takes_gradient_from(next);
        if (in_training.leaves_in_training || in_training.takes_gradient) next.ahead = &in_training;
        Stage& in_inference = *stages[before.folds() ? i - 2 : i - 1];
        in_inference.leaves_in_inference = in_inference.leaves_output_to(next, false);
        if (in_inference.leaves_in_inference) next.ahead_in_inference = &in_inference;
    }
    for (std::size_t i = 1; i < stages.size(); ++i) {
        Stage& stage = *stages[i];
        Stage& before = *stages[stages[i - 1]->folds_in_training() ? i - 2 : i - 1];
        if (!has_one_reader(i) || before.behind != nullptr || !stage.leaves_backward_to(before))
            continue;
        before.behind = &stage;
        stage.backward_is_left = true;
    }
    for (const auto& stage : stages) {
        stage->prepared_offset = architecture_.prepared_floats;
        architecture_.prepared_floats += padded(stage->prepared_floats());
    }
    built_ = true;
    return std::make_unique<Network>(std::move(architecture_), seed);
}

}  // namespace nncore::network
