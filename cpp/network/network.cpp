#include "network.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>

#include "../runtime/philox.h"

namespace nncore::network {
namespace {

using kernels::Activation;

// A bound far above any small image classifier, and low enough that sizes cannot overflow.
constexpr std::ptrdiff_t kMaximumFloats = std::ptrdiff_t{1} << 31;

const char* const kActivationNames = "linear, relu, sigmoid, tanh, softmax";

Activation activation_from_name(const std::string& name) {
    if (name == "linear") return Activation::linear;
    if (name == "relu") return Activation::relu;
    if (name == "sigmoid") return Activation::sigmoid;
    if (name == "tanh") return Activation::tanh;
    throw std::invalid_argument("unknown activation \"" + name + "\"; known: " + kActivationNames);
}

}  // namespace

std::ptrdiff_t element_count(const Shape& shape) {
    std::ptrdiff_t count = 1;
    for (const std::ptrdiff_t n : shape) count *= n;
    return count;
}

std::string to_string(const Shape& shape) {
    std::string text = "(";
    for (std::size_t i = 0; i < shape.size(); ++i)
        text += (i > 0 ? ", " : "") + std::to_string(shape[i]);
    return text + (shape.size() == 1 ? ",)" : ")");
}

Loss loss_from_name(const std::string& name) {
    if (name == "mse") return Loss::mse;
    if (name == "sse") return Loss::sse;
    if (name == "cross_entropy") return Loss::cross_entropy;
    throw std::invalid_argument("unknown loss \"" + name + "\"; known: mse, sse, cross_entropy");
}

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
}

Shape Network::current_shape() const {
    return layers_.empty() ? input_shape_ : layers_.back().output_shape;
}

void Network::check_new_layer(const std::string& name) const {
    if (built_)
        throw std::logic_error("layer \"" + name + "\" comes too late: the network is built");
    if (name.empty()) throw std::invalid_argument("a layer's name must not be empty");
    for (const Layer& layer : layers_)
        if (layer.name == name)
            throw std::invalid_argument("two layers are named \"" + name + "\"");
}

void Network::push_stage(std::unique_ptr<Stage> stage) {
    stage->index = stages_.size();
    if (!stages_.empty()) stage->input_activation = stages_.back()->output_activation;
    stages_.push_back(std::move(stage));
}

// Softmax is a stage of its own, the others too when no stage before can take them in.
void Network::add_activation_stage(const std::string& activation) {
    const Shape shape = {element_count(current_shape())};
    ends_with_softmax_ = activation == "softmax";
    if (ends_with_softmax_) {
        push_stage(make_softmax_stage(shape));
    } else if (const Activation kind = activation_from_name(activation);
               kind != Activation::linear) {
        push_stage(make_activation_stage(shape, kind));
    }
}

void Network::add_dense(const std::string& name, std::ptrdiff_t units,
                        const std::string& activation, bool use_bias) {
    check_new_layer(name);
    const Shape shape = current_shape();
    if (shape.size() != 1)
        throw std::invalid_argument("dense layer \"" + name + "\" needs a flat input, got " +
                                    to_string(shape) + "; add a Flatten layer before it");
    const std::ptrdiff_t inputs = shape[0];
    if (units < 1 || padded(units) > (kMaximumFloats - parameter_floats_) / (inputs + 1))
        throw std::invalid_argument(
            "dense layer \"" + name + "\": units must be from 1 to " +
            std::to_string((kMaximumFloats - parameter_floats_) / (inputs + 1)) + ", got " +
            std::to_string(units));
    const bool softmax = activation == "softmax";
    auto stage = make_dense_stage(name, inputs, units,
                                  softmax ? Activation::linear : activation_from_name(activation),
                                  use_bias, parameter_floats_);
    for (const Parameter& p : stage->parameters) parameter_floats_ += p.size;
    push_stage(std::move(stage));
    ends_with_softmax_ = softmax;
    if (softmax) push_stage(make_softmax_stage({units}));
    layers_.push_back({name, {units}, stages_.size()});
}

void Network::add_flatten(const std::string& name) {
    check_new_layer(name);
    // Samples are stored without gaps, so flattening changes the shape and nothing else.
    layers_.push_back({name, {element_count(current_shape())}, stages_.size()});
}

void Network::add_activation(const std::string& name, const std::string& activation) {
    check_new_layer(name);
    const Shape shape = current_shape();
    if (activation != "softmax") activation_from_name(activation);
    add_activation_stage(activation);
    layers_.push_back({name, shape, stages_.size()});
}

void Network::add_dropout(const std::string& name, float rate) {
    check_new_layer(name);
    if (!(rate >= 0.0f && rate < 1.0f))
        throw std::invalid_argument("dropout layer \"" + name +
                                    "\": the rate must be at least 0 and below 1, got " +
                                    std::to_string(rate));
    const Shape shape = current_shape();
    push_stage(make_dropout_stage(shape, rate, dropout_layers_++));
    ends_with_softmax_ = false;
    layers_.push_back({name, shape, stages_.size()});
}

void Network::build(std::uint64_t seed) {
    if (built_) throw std::logic_error("the network is built already");
    if (parameter_floats_ == 0) throw std::logic_error("the network has no layer with weights");
    parameters_ = runtime::AlignedBuffer(static_cast<std::size_t>(parameter_floats_));
    gradients_ = runtime::AlignedBuffer(static_cast<std::size_t>(parameter_floats_));
    built_ = true;
    std::uint32_t stream = 0;
    for (const auto& stage : stages_) {
        if (stage->parameters.empty()) continue;
        const Parameter& kernel = stage->parameters.front();
        const double fan_in = static_cast<double>(kernel.shape[0]);
        const double fan_out = static_cast<double>(kernel.shape[1]);
        // He et al. (2015) for relu, Glorot and Bengio (2010) for the rest.
        const float limit = static_cast<float>(stage->output_activation == Activation::relu
                                                   ? std::sqrt(6.0 / fan_in)
                                                   : std::sqrt(6.0 / (fan_in + fan_out)));
        std::vector<float> values(static_cast<std::size_t>(element_count(kernel.shape)));
        for (std::size_t i = 0; i < values.size(); ++i) {
            const auto block =
                runtime::random_block(seed, runtime::Purpose::initialization, stream, i / 4);
            values[i] = (2.0f * runtime::to_unit_float(block[i % 4]) - 1.0f) * limit;
        }
        kernel.pack(values.data(), parameters_.data());
        ++stream;
    }
}

std::vector<std::string> Network::describe_stages() const {
    std::vector<std::string> lines;
    for (const auto& stage : stages_) lines.push_back(stage->describe());
    return lines;
}

std::vector<Parameter> Network::parameters() const {
    std::vector<Parameter> all;
    for (const auto& stage : stages_)
        all.insert(all.end(), stage->parameters.begin(), stage->parameters.end());
    return all;
}

std::ptrdiff_t Network::parameter_count() const {
    std::ptrdiff_t count = 0;
    for (const Parameter& p : parameters()) count += element_count(p.shape);
    return count;
}

const Parameter& Network::parameter(const std::string& name) const {
    std::string known;
    for (const auto& stage : stages_)
        for (const Parameter& p : stage->parameters) {
            if (p.name == name) return p;
            known += (known.empty() ? "" : ", ") + p.name;
        }
    throw std::out_of_range("no parameter \"" + name + "\"; known: " + known);
}

void Network::read_parameter(const Parameter& p, float* natural) const {
    const std::shared_lock lock(mutex_);
    p.unpack(parameters_.data(), natural);
}

void Network::write_parameter(const Parameter& p, const float* natural) {
    const std::unique_lock lock(mutex_);
    p.pack(natural, parameters_.data());
}

void Network::read_gradient(const Parameter& p, float* natural) const {
    const std::shared_lock lock(mutex_);
    p.unpack(gradients_.data(), natural);
}

void Network::write_gradient(const Parameter& p, const float* natural) {
    const std::unique_lock lock(mutex_);
    p.pack(natural, gradients_.data());
}

void Network::set_input_normalization(const std::vector<float>& mean,
                                      const std::vector<float>& deviation) {
    const std::size_t channels = static_cast<std::size_t>(input_shape_.back());
    if (mean.size() != deviation.size() || (!mean.empty() && mean.size() != channels))
        throw std::invalid_argument(
            "mean and std must have one value per channel (" + std::to_string(channels) +
            "), got " + std::to_string(mean.size()) + " and " + std::to_string(deviation.size()));
    std::vector<float> scale(mean.size()), offset(mean.size());
    for (std::size_t c = 0; c < mean.size(); ++c) {
        if (!(deviation[c] > 0.0f) || !std::isfinite(deviation[c]) || !std::isfinite(mean[c]))
            throw std::invalid_argument("mean and std of channel " + std::to_string(c) +
                                        " must be finite and std positive, got " +
                                        std::to_string(mean[c]) + " and " +
                                        std::to_string(deviation[c]));
        scale[c] = 1.0f / deviation[c];
        offset[c] = -mean[c] / deviation[c];
    }
    const std::unique_lock lock(mutex_);
    input_scale_ = std::move(scale);
    input_offset_ = std::move(offset);
}

double Network::multiply_adds() const {
    double sum = 0;
    for (const auto& stage : stages_) sum += stage->multiply_adds();
    return sum;
}

// A team pays above roughly 10 microseconds of work; below, waiting at barriers costs more than
// the second thread brings.
int Network::threads_for(double multiply_adds) const {
    constexpr double kWorthATeam = 1.0e6;
    return multiply_adds < kWorthATeam ? 1 : runtime::thread_limit();
}

bool Network::fuses_softmax(Loss loss) const {
    return loss == Loss::cross_entropy && ends_with_softmax_;
}

void Network::plan(Workspace& w, std::ptrdiff_t rows, bool training, int threads) const {
    const std::size_t buffers = stages_.size() + 1;
    std::vector<std::ptrdiff_t> strides;
    strides.push_back(padded(element_count(input_shape_)));
    for (const auto& stage : stages_) strides.push_back(padded(element_count(stage->output_shape)));

    std::ptrdiff_t widest = 0;
    for (const std::ptrdiff_t stride : strides) widest = std::max(widest, stride);
    const std::ptrdiff_t scratch = 3 * kBlock * widest;

    std::ptrdiff_t total = 0;
    for (std::size_t i = 0; i < buffers; ++i)
        total += rows * strides[i] * (training && i > 0 ? 2 : 1);
    if (training)
        for (const auto& stage : stages_)
            total += padded(stage->transposed_floats()) + rows * padded(stage->saved_floats());
    total += rows * strides.back() + padded(rows) + scratch * threads;
    w.storage = runtime::AlignedBuffer(static_cast<std::size_t>(total));

    float* next = w.storage.data();
    const auto take = [&next](std::ptrdiff_t floats) {
        float* const place = next;
        next += floats;
        return place;
    };
    w.capacity = rows;
    w.activations.assign(buffers, {});
    w.deltas.assign(buffers, {});
    w.transposed.assign(stages_.size(), nullptr);
    w.saved.assign(stages_.size(), {});
    for (std::size_t i = 0; i < buffers; ++i) {
        w.activations[i] = {take(rows * strides[i]), strides[i]};
        if (training && i > 0) w.deltas[i] = {take(rows * strides[i]), strides[i]};
    }
    if (training)
        for (std::size_t i = 0; i < stages_.size(); ++i) {
            w.transposed[i] = take(padded(stages_[i]->transposed_floats()));
            const std::ptrdiff_t stride = padded(stages_[i]->saved_floats());
            w.saved[i] = {take(rows * stride), stride};
        }
    w.targets = {take(rows * strides.back()), strides.back()};
    w.losses = take(padded(rows));
    w.predicted.assign(static_cast<std::size_t>(rows), 0);
    w.labels.assign(static_cast<std::size_t>(rows), 0);
    w.rowwise_scratch.clear();
    for (int t = 0; t < threads; ++t) w.rowwise_scratch.push_back(take(scratch));
}

Workspace& Network::training_workspace(std::ptrdiff_t rows, int threads) {
    if (training_workspace_.capacity < rows || training_threads_ < threads) {
        plan(training_workspace_, std::max(rows, training_workspace_.capacity), true, threads);
        training_threads_ = threads;
    }
    return training_workspace_;
}

void Network::read_layer_output(const Layer& layer, float* rows) const {
    const std::shared_lock lock(mutex_);
    const Rows& buffer = training_workspace_.activations.at(layer.buffer);
    const std::ptrdiff_t count = element_count(layer.output_shape);
    for (std::ptrdiff_t r = 0; r < last_rows_; ++r)
        std::copy_n(buffer.row(r), count, rows + r * count);
}

}  // namespace nncore::network
