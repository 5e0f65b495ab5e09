// What a network is made of, and its parameters.
#include "network.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "finite.h"

namespace nncore::network {
Network::Network(Architecture architecture, std::uint64_t seed)
    : architecture_(std::move(architecture)),
      parameters_(static_cast<std::size_t>(architecture_.parameter_floats)),
      gradients_(parameters_.size()),
      optimizer_(parameters()),
      penalties_(parameters()) {
    std::uint32_t stream = 0;
    for (const auto& stage : stages()) {
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

std::vector<Parameter> Network::parameters() const {
    std::vector<Parameter> all;
    for (const auto& stage : stages())
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
    for (const auto& stage : stages())
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
    folded_ = false;
    has_fold_scales_ = false;
    if (shows_average_) {
        shows_average_ = false;
        optimizer_.forget_average();
    }
}

const Parameter* Network::non_finite_parameter() const {
    const std::shared_lock lock(mutex_);
    for (const auto& stage : stages())
        for (const Parameter& p : stage->parameters)
            if (!all_finite(parameters_.data() + p.offset, p.size())) return &p;
    return nullptr;
}

void Network::read_gradient(const Parameter& p, float* natural) const {
    const std::shared_lock lock(mutex_);
    p.unpack(gradients_.data(), natural);
}

void Network::write_gradient(const Parameter& p, const float* natural) {
    if (!p.trainable)
        throw std::invalid_argument(p.name + " is measured, not trained: it has no gradient");
    const std::unique_lock lock(mutex_);
    p.pack(natural, gradients_.data());
}

Method Network::optimizer_method() const {
    const std::shared_lock lock(mutex_);
    return optimizer_.method();
}

std::int64_t Network::optimizer_steps() const {
    const std::shared_lock lock(mutex_);
    return optimizer_.steps();
}

std::vector<Slot> Network::optimizer_slots() const {
    const std::shared_lock lock(mutex_);
    return optimizer_.slots();
}

bool Network::shows_average() const {
    const std::shared_lock lock(mutex_);
    return shows_average_;
}

void Network::restart_optimizer(Method method, const std::vector<Slot>& slots, std::int64_t steps,
                                bool shows_average) {
    if (steps < 0)
        throw std::invalid_argument("steps must not be negative, got " + std::to_string(steps));
    if (shows_average && std::find(slots.begin(), slots.end(), Slot::average) == slots.end())
        throw std::invalid_argument("there is no slot \"average\" that could be shown");
    const std::unique_lock lock(mutex_);
    optimizer_.restart(method, slots, steps);
    shows_average_ = shows_average;
}

const runtime::AlignedBuffer& Network::slot_buffer(Slot slot) const {
    const runtime::AlignedBuffer& buffer = optimizer_.buffer(slot);
    if (buffer.size() == 0)
        throw std::invalid_argument(std::string("the optimizer has no slot \"") +
                                    kSlotNames[static_cast<std::size_t>(slot)] + "\"");
    return buffer;
}

void Network::read_optimizer_slot(Slot slot, const Parameter& p, float* natural) const {
    const std::shared_lock lock(mutex_);
    p.unpack(slot_buffer(slot).data(), natural);
}

void Network::write_optimizer_slot(Slot slot, const Parameter& p, const float* natural) {
    const std::unique_lock lock(mutex_);
    slot_buffer(slot);
    p.pack(natural, optimizer_.buffer(slot).data());
}

void Network::show_average(bool shown) {
    const std::unique_lock lock(mutex_);
    if (shown == shows_average_ || (shown && !optimizer_.has_average())) return;
    folded_ = false;
    optimizer_.exchange_average(parameters_);
    shows_average_ = shown;
}

void Network::set_input_normalization(const std::vector<float>& mean,
                                      const std::vector<float>& deviation) {
    const std::size_t channels = static_cast<std::size_t>(input_shape().back());
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
        if (!std::isfinite(scale[c]) || !std::isfinite(offset[c]))
            throw std::invalid_argument("std of channel " + std::to_string(c) +
                                        " is too small: 1 / std is not finite");
    }
    const std::unique_lock lock(mutex_);
    input_scale_ = std::move(scale);
    input_offset_ = std::move(offset);
}

// A team pays above roughly 10 microseconds of work; below, waiting at barriers costs more than
// the second thread brings.
int Network::threads_for(double multiply_adds) const {
    constexpr double kWorthATeam = 1.0e6;
    return multiply_adds < kWorthATeam ? 1 : runtime::thread_limit();
}

bool Network::fuses_softmax(Loss loss) const {
    return takes_logits(loss) && architecture_.ends_with_softmax;
}

std::ptrdiff_t Network::last_rows() const {
    const std::shared_lock lock(mutex_);
    return last_rows_;
}

void Network::check_last_rows(std::ptrdiff_t expected) const {
    if (expected != last_rows_)
        throw std::logic_error("another thread used the network in the meantime");
}

void Network::read_losses(std::ptrdiff_t expected, float* losses) const {
    const std::shared_lock lock(mutex_);
    check_last_rows(expected);
    std::copy_n(training_workspace_.losses, expected, losses);
}

void Network::read_layer_output(const Layer& layer, std::ptrdiff_t expected, float* rows) const {
    const std::shared_lock lock(mutex_);
    check_last_rows(expected);
    const Rows& buffer = layer.fused_away ? training_workspace_.inner.at(layer.buffer - 1)
                                          : training_workspace_.activations.at(layer.buffer);
    for (std::ptrdiff_t r = 0; r < last_rows_; ++r)
        for (std::ptrdiff_t y = 0; y < buffer.layout.height; ++y)
            rows = std::copy_n(buffer.line(r, y), buffer.layout.run, rows);
}

}  // namespace nncore::network
