// Building a network: layers are checked, fused into stages and get their first weights.
#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "network.h"

namespace nncore::network {
namespace {

using kernels::Activation;

// A bound far above any small image classifier, and low enough that sizes cannot overflow.
constexpr std::ptrdiff_t kMaximumFloats = std::ptrdiff_t{1} << 31;

const char* const kActivationNames = "linear, relu, leaky_relu, gelu, silu, sigmoid, tanh, softmax";

// One that a stage can take in; for the others see has_own_stage.
Activation activation_from_name(const std::string& name) {
    if (name == "linear") return Activation::linear;
    if (name == "relu") return Activation::relu;
    if (name == "leaky_relu") return Activation::leaky_relu;
    if (name == "sigmoid") return Activation::sigmoid;
    if (name == "tanh") return Activation::tanh;
    throw std::invalid_argument("unknown activation \"" + name + "\"; known: " + kActivationNames);
}

bool has_own_stage(const std::string& activation) {
    return activation == "softmax" || activation == "gelu" || activation == "silu";
}

void apply(const KernelSettings& settings, const std::string& activation, Parameter& kernel) {
    kernel.initializer = settings.initializer.empty() ? default_initializer(activation)
                                                      : initializer_from_name(settings.initializer);
    kernel.penalty = settings.penalty;
    for (const double rate : {settings.penalty.l1, settings.penalty.l2})
        if (!(rate >= 0.0) || !std::isfinite(static_cast<float>(2.0 * rate)))
            throw std::invalid_argument("the penalty of " + kernel.name +
                                        " must be finite and not negative, got " +
                                        std::to_string(rate));
}

}  // namespace

Network::Network(Shape input) : input_shape_(std::move(input)) {
    if (input_shape_.size() != 1 && input_shape_.size() != 3)
        throw std::invalid_argument(
            "the input shape must be (features,) or (height, width, channels), got " +
            to_string(input_shape_));
    std::ptrdiff_t count = 1;
    for (const std::ptrdiff_t n : input_shape_) {
        if (n < 1 || n > kMaximumFloats / count)
            throw std::invalid_argument("the input shape must have positive sizes of at most " +
                                        std::to_string(kMaximumFloats) + " values together, got " +
                                        to_string(input_shape_));
        count *= n;
    }
    shape_ = input_shape_;
}

void Network::check_new_layer(const std::string& name) const {
    if (built_)
        throw std::logic_error("layer \"" + name + "\" comes too late: the network is built");
    if (name.empty()) throw std::invalid_argument("a layer's name must not be empty");
    const auto is_called_so = [&](const auto& other) { return other.name == name; };
    if (std::any_of(layers_.begin(), layers_.end(), is_called_so) ||
        std::any_of(open_blocks_.begin(), open_blocks_.end(), is_called_so))
        throw std::invalid_argument("two layers are named \"" + name + "\"");
}

void Network::push_stage(std::unique_ptr<Stage> stage) {
    pooled_last_stage_ = nullptr;
    ends_with_softmax_ = normalizes_ = foldable_ = false;
    stage->index = stages_.size();
    if (!stages_.empty()) stage->input_activation = stages_.back()->output_activation;
    for (const Parameter& p : stage->parameters)
        parameter_floats_ = std::max(parameter_floats_, p.offset + p.size());
    stages_.push_back(std::move(stage));
}

void Network::push_layer(const std::string& name, Shape output_shape) {
    shape_ = output_shape;
    layers_.push_back({name, std::move(output_shape), stages_.size()});
}

void Network::add_activation_stage(const Shape& shape, const std::string& activation) {
    if (activation == "softmax") {
        push_stage(make_softmax_stage(shape));
        ends_with_softmax_ = true;
    } else if (activation == "gelu" || activation == "silu") {
        push_stage(make_self_gated_stage(
            shape, activation == "gelu" ? kernels::SelfGated::gelu : kernels::SelfGated::silu));
    } else if (const Activation kind = activation_from_name(activation);
               kind != Activation::linear) {
        if (normalizes_) {
            stages_.back()->output_activation = kind;
            layers_.back().fused_away = true;
            normalizes_ = false;
            return;
        }
        push_stage(make_activation_stage(shape, kind));
    }
}

void Network::add_dense(const std::string& name, std::ptrdiff_t units,
                        const std::string& activation, bool use_bias,
                        const KernelSettings& kernel) {
    check_new_layer(name);
    const Shape shape = shape_;
    if (shape.size() != 1)
        throw std::invalid_argument("dense layer \"" + name + "\" needs a flat input, got " +
                                    to_string(shape) + "; add a Flatten layer before it");
    const std::ptrdiff_t inputs = shape[0];
    if (units < 1 || units > kMaximumFloats ||
        padded(units) > (kMaximumFloats - parameter_floats_) / (inputs + 1))
        throw std::invalid_argument(
            "dense layer \"" + name + "\": units must be from 1 to " +
            std::to_string((kMaximumFloats - parameter_floats_) / (inputs + 1)) + ", got " +
            std::to_string(units));
    const bool apart = has_own_stage(activation);
    auto stage = make_dense_stage(name, inputs, units,
                                  apart ? Activation::linear : activation_from_name(activation),
                                  use_bias, parameter_floats_);
    apply(kernel, activation, stage->parameters[0]);
    const bool linear = activation == "linear";
    push_stage(std::move(stage));
    foldable_ = linear;
    if (apart) add_activation_stage({units}, activation);
    push_layer(name, {units});
}

void Network::add_conv2d(const std::string& name, const Conv2D& layer) {
    check_new_layer(name);
    const Shape shape = shape_;
    const auto fail = [&](const std::string& what) {
        throw std::invalid_argument("convolution \"" + name + "\": " + what);
    };
    if (shape.size() != 3) fail("needs images (height, width, channels), got " + to_string(shape));
    const Extent k = layer.kernel, s = layer.strides;
    if (k.rows < 1 || k.columns < 1 || k.rows > 1024 || k.columns > 1024)
        fail("the kernel must be from 1x1 to 1024x1024, got " +
             to_string(Shape{k.rows, k.columns}));
    if (s.rows < 1 || s.columns < 1 || s.rows > 1024 || s.columns > 1024)
        fail("strides must be from 1 to 1024, got " + to_string(Shape{s.rows, s.columns}));
    if (layer.pad.rows < 0 || layer.pad.columns < 0 || layer.pad.rows > 1024 ||
        layer.pad.columns > 1024)
        fail("padding must be from 0 to 1024, got " +
             to_string(Shape{layer.pad.rows, layer.pad.columns}));
    const Extent d = layer.dilation;
    if (d.rows < 1 || d.columns < 1 || d.rows > 1024 || d.columns > 1024)
        fail("dilation must be from 1 to 1024, got " + to_string(Shape{d.rows, d.columns}));
    if (layer.groups < 1 || shape[2] % layer.groups != 0 || layer.filters % layer.groups != 0)
        fail("groups must divide the channels of the image, " + std::to_string(shape[2]) +
             ", and the filters, " + std::to_string(layer.filters) + "; got " +
             std::to_string(layer.groups));
    ConvGeometry g{};
    g.height = shape[0];
    g.width = shape[1];
    g.channels = shape[2];
    g.kernel_height = k.rows;
    g.kernel_width = k.columns;
    g.stride_rows = s.rows;
    g.stride_columns = s.columns;
    g.out_channels = layer.filters;
    g.dilation_rows = k.rows > 1 ? d.rows : 1;
    g.dilation_columns = k.columns > 1 ? d.columns : 1;
    g.groups = layer.groups;
    const Extent reach{g.reach_rows(), g.reach_columns()};
    if (reach.rows > 1024 || reach.columns > 1024)
        fail("the dilated kernel must reach over 1024x1024 pixels at most, got " +
             to_string(Shape{reach.rows, reach.columns}));
    if (layer.padding == "same") {
        const auto total = [](std::ptrdiff_t in, std::ptrdiff_t kernel, std::ptrdiff_t stride) {
            return std::max<std::ptrdiff_t>(((in + stride - 1) / stride - 1) * stride + kernel - in,
                                            0);
        };
        const std::ptrdiff_t rows = total(g.height, reach.rows, s.rows);
        const std::ptrdiff_t columns = total(g.width, reach.columns, s.columns);
        g.padding = {rows / 2, columns / 2, rows - rows / 2, columns - columns / 2};
    } else if (layer.padding == "explicit") {
        g.padding = {layer.pad.rows, layer.pad.columns, layer.pad.rows, layer.pad.columns};
    } else if (layer.padding != "valid") {
        fail("unknown padding \"" + layer.padding + "\"; known: valid, same, explicit");
    }
    const std::ptrdiff_t height = g.padding.top + g.height + g.padding.bottom;
    const std::ptrdiff_t width = g.padding.left + g.width + g.padding.right;
    if (height < reach.rows || width < reach.columns)
        fail("the kernel " + to_string(Shape{reach.rows, reach.columns}) +
             " is larger than the padded image " + to_string(Shape{height, width}));
    g.out_height = (height - reach.rows) / s.rows + 1;
    g.out_width = (width - reach.columns) / s.columns + 1;
    const std::ptrdiff_t taps = k.rows * k.columns * g.channels / g.groups;
    // As many as there may be with padding, whichever way groups are computed.
    const auto padded_filters = [&] { return g.groups * padded(layer.filters / g.groups); };
    if (layer.filters < 1 || layer.filters > kMaximumFloats ||
        padded_filters() > (kMaximumFloats - parameter_floats_) / (taps + 1) ||
        padded_filters() > kMaximumFloats / (g.out_height * g.out_width))
        fail("filters must be positive and the weights and outputs below " +
             std::to_string(kMaximumFloats) + " values, got " + std::to_string(layer.filters));
    const bool apart = layer.activation != "softmax" && has_own_stage(layer.activation);
    const Activation activation =
        apart ? Activation::linear : activation_from_name(layer.activation);
    const std::ptrdiff_t offset = parameter_floats_;
    const bool use_bias = layer.use_bias;
    const auto make = [=](bool pooled) {
        auto stage = make_conv_stage(name, g, activation, use_bias, pooled, offset);
        apply(layer.kernel_settings, layer.activation, stage->parameters[0]);
        return stage;
    };
    const bool grouped = g.groups > 1;
    auto stage =
        grouped ? make_grouped_conv_stage(name, g, activation, use_bias, offset) : make(false);
    if (grouped) apply(layer.kernel_settings, layer.activation, stage->parameters[0]);
    const Shape output = stage->output_shape;
    push_stage(std::move(stage));
    foldable_ = layer.activation == "linear";
    if (apart) {
        add_activation_stage(output, layer.activation);
    } else if (!grouped && g.out_height >= 2 && g.out_width >= 2) {
        pooled_last_stage_ = [make] { return make(true); };
    }
    push_layer(name, output);
}

PoolGeometry Network::pool_geometry(const std::string& name, Extent window, Extent strides) const {
    const Shape shape = shape_;
    const auto fail = [&](const std::string& what) {
        throw std::invalid_argument("pooling layer \"" + name + "\": " + what);
    };
    if (shape.size() != 3) fail("needs images (height, width, channels), got " + to_string(shape));
    if (window.rows < 1 || window.columns < 1 || window.rows > shape[0] ||
        window.columns > shape[1] || window.rows * window.columns > 65535)
        fail("the window " + to_string(Shape{window.rows, window.columns}) +
             " must fit into the image " + to_string(shape));
    if (strides.rows < 1 || strides.columns < 1 || strides.rows > 1024 || strides.columns > 1024)
        fail("strides must be from 1 to 1024, got " +
             to_string(Shape{strides.rows, strides.columns}));
    return {shape[0],
            shape[1],
            shape[2],
            window.rows,
            window.columns,
            strides.rows,
            strides.columns,
            (shape[0] - window.rows) / strides.rows + 1,
            (shape[1] - window.columns) / strides.columns + 1};
}

void Network::add_max_pool2d(const std::string& name, Extent window, Extent strides) {
    check_new_layer(name);
    const PoolGeometry geometry = pool_geometry(name, window, strides);
    const bool two_by_two =
        window.rows == 2 && window.columns == 2 && strides.rows == 2 && strides.columns == 2;
    if (two_by_two && pooled_last_stage_) {
        auto stage = pooled_last_stage_();
        stages_.pop_back();
        layers_.back().fused_away = true;
        push_stage(std::move(stage));
    } else {
        push_stage(make_max_pool_stage(geometry));
    }
    push_layer(name, stages_.back()->output_shape);
}

void Network::add_average_pool2d(const std::string& name, Extent window, Extent strides) {
    check_new_layer(name);
    push_stage(make_average_pool_stage(pool_geometry(name, window, strides)));
    push_layer(name, stages_.back()->output_shape);
}

void Network::add_global_average_pool2d(const std::string& name) {
    check_new_layer(name);
    const Shape shape = shape_;
    if (shape.size() != 3)
        throw std::invalid_argument("pooling layer \"" + name +
                                    "\": needs images (height, width, channels), got " +
                                    to_string(shape));
    push_stage(
        make_average_pool_stage(pool_geometry(name, {shape[0], shape[1]}, {shape[0], shape[1]})));
    push_layer(name, {shape[2]});
}

void Network::add_flatten(const std::string& name) {
    check_new_layer(name);
    // A flat sample is stored like an image without a border: flattening changes the shape and
    // nothing else. What follows asks for no border.
    push_layer(name, {element_count(shape_)});
    pooled_last_stage_ = nullptr;
    normalizes_ = foldable_ = false;
}

void Network::add_activation(const std::string& name, const std::string& activation) {
    check_new_layer(name);
    const Shape shape = shape_;
    if (!has_own_stage(activation)) activation_from_name(activation);
    if (activation == "softmax" && shape.size() != 1)
        throw std::invalid_argument("activation \"" + name +
                                    "\": softmax needs a flat input, got " + to_string(shape) +
                                    "; add a Flatten layer before it");
    add_activation_stage(shape, activation);
    push_layer(name, shape);
}

void Network::add_dropout(const std::string& name, float rate) {
    check_new_layer(name);
    if (!(rate >= 0.0f && rate < 1.0f))
        throw std::invalid_argument("dropout layer \"" + name +
                                    "\": the rate must be at least 0 and below 1, got " +
                                    std::to_string(rate));
    const Shape shape = shape_;
    push_stage(make_dropout_stage(shape, rate, dropout_layers_++));
    push_layer(name, shape);
}

void Network::check_room(const std::string& name, std::ptrdiff_t floats) const {
    if (floats > kMaximumFloats - parameter_floats_)
        throw std::invalid_argument("layer \"" + name + "\" has too many channels");
}

void Network::add_batch_normalization(const std::string& name, float momentum, float epsilon) {
    check_new_layer(name);
    const auto fail = [&](const std::string& what) {
        throw std::invalid_argument("batch normalization \"" + name + "\": " + what);
    };
    if (!(momentum >= 0.0f && momentum < 1.0f))
        fail("momentum must be at least 0 and below 1, got " + std::to_string(momentum));
    if (!(epsilon > 0.0f && epsilon < 1.0f))
        fail("epsilon must be above 0 and below 1, got " + std::to_string(epsilon));
    check_room(name, 4 * padded(shape_.back()));
    push_stage(
        make_batch_norm_stage(name, shape_, momentum, epsilon, foldable_, parameter_floats_));
    push_layer(name, shape_);
    normalizes_ = true;
}

void Network::add_layer_normalization(const std::string& name, float epsilon) {
    check_new_layer(name);
    if (!(epsilon > 0.0f && epsilon < 1.0f))
        throw std::invalid_argument("layer normalization \"" + name +
                                    "\": epsilon must be above 0 and below 1, got " +
                                    std::to_string(epsilon));
    check_room(name, 2 * padded(shape_.back()));
    push_stage(make_layer_norm_stage(name, shape_, epsilon, parameter_floats_));
    push_layer(name, shape_);
}

void Network::begin_residual(const std::string& name) {
    check_new_layer(name);
    auto stage = std::make_unique<BranchStage>(shape_);
    open_blocks_.push_back({name, stage.get(), nullptr, {}, 0});
    push_stage(std::move(stage));
}

void Network::begin_shortcut() {
    if (open_blocks_.empty() || open_blocks_.back().shortcut != nullptr)
        throw std::logic_error("a shortcut needs a residual block, and only one");
    Block& block = open_blocks_.back();
    block.branch_output = shape_;
    block.branch_buffer = stages_.size();
    auto stage = std::make_unique<ShortcutStage>(block.branch->output_shape,
                                                 block.branch->index + 1, shape_);
    block.shortcut = stage.get();
    push_stage(std::move(stage));
    shape_ = block.branch->output_shape;
}

void Network::end_residual(const std::string& activation) {
    if (open_blocks_.empty()) throw std::logic_error("there is no residual block to end");
    const Activation kind = activation_from_name(activation);
    const Block block = open_blocks_.back();
    const bool identity = block.shortcut == nullptr;
    const Shape& added = identity ? block.branch->output_shape : block.branch_output;
    if (shape_ != added)
        throw std::invalid_argument("residual block \"" + block.name + "\": the branch gives " +
                                    to_string(identity ? shape_ : added) + " and the shortcut " +
                                    to_string(identity ? added : shape_) +
                                    "; they must be equal to be added");
    open_blocks_.pop_back();
    push_stage(std::make_unique<SumStage>(
        shape_, identity ? block.branch->index + 1 : block.branch_buffer, kind));
    push_layer(block.name, shape_);
    const std::size_t sum = stages_.size();
    block.branch->shortcut_delta = identity ? sum : block.shortcut->index + 1;
    if (!identity) block.shortcut->sum_delta = sum;
}

void Network::add_rescaling(const std::string& name, const std::vector<float>& scale,
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

void Network::build(std::uint64_t seed) {
    if (built_) throw std::logic_error("the network is built already");
    if (!open_blocks_.empty())
        throw std::logic_error("residual block \"" + open_blocks_.back().name + "\" has no end");
    if (parameter_floats_ == 0) throw std::logic_error("the network has no layer with weights");
    parameters_ = runtime::AlignedBuffer(static_cast<std::size_t>(parameter_floats_));
    gradients_ = runtime::AlignedBuffer(static_cast<std::size_t>(parameter_floats_));
    optimizer_ = OptimizerState(parameters());
    penalties_ = Penalties(parameters());
    built_ = true;
    for (std::size_t i = 1; i < stages_.size(); ++i)
        if (stages_[i]->folds())
            stages_[i - 1]->folded = {stages_[i]->parameters[1].offset,
                                      stages_[i]->output_activation};
    std::uint32_t stream = 0;
    for (const auto& stage : stages_) {
        for (const Parameter& p : stage->parameters)
            if (p.initializer == Initializer::ones)
                std::fill_n(parameters_.data() + p.offset, element_count(p.shape), 1.0f);
        if (stage->parameters.empty() ||
            stage->parameters.front().layout == Parameter::Layout::vector)
            continue;
        const Parameter& kernel = stage->parameters.front();
        const auto values = initial_values(kernel.initializer, kernel.shape, seed, stream);
        kernel.pack(values.data(), parameters_.data());
        ++stream;
    }
}

}  // namespace nncore::network
