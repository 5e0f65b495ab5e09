#include "optimizer_state.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace nncore::network {
namespace {

using kernels::UpdateRule;

// The sum of squares of a gradient has a fixed shape: chunks of this many floats, added in order.
constexpr std::ptrdiff_t kChunk = 4096;

// base^exponent by squaring; unlike std::pow the same bits with every C library.
double power(double base, std::int64_t exponent) {
    double result = 1.0;
    for (; exponent > 0; exponent /= 2, base *= base)
        if (exponent % 2 == 1) result *= base;
    return result;
}

UpdateRule rule_of(const Optimizer& optimizer) {
    switch (optimizer.method) {
        case Method::adam:
            return UpdateRule::adam;
        case Method::rmsprop:
            return optimizer.momentum > 0.0 ? UpdateRule::rmsprop_momentum : UpdateRule::rmsprop;
        case Method::sgd:
            break;
    }
    if (optimizer.momentum == 0.0) return UpdateRule::sgd;
    return optimizer.nesterov ? UpdateRule::nesterov : UpdateRule::momentum;
}

float scale_to(double norm, double limit) {
    return limit > 0.0 && norm > limit ? static_cast<float>(limit / norm) : 1.0f;
}

}  // namespace

Slot slot_from_name(const std::string& name) {
    std::string known;
    for (std::size_t i = 0; i < kSlotNames.size(); ++i) {
        if (name == kSlotNames[i]) return static_cast<Slot>(i);
        known += (known.empty() ? "" : ", ") + std::string(kSlotNames[i]);
    }
    throw std::invalid_argument("unknown slot \"" + name + "\"; known: " + known);
}

OptimizerState::OptimizerState(const std::vector<Parameter>& parameters) {
    for (const Parameter& p : parameters) {
        floats_ += static_cast<std::size_t>(p.size());
        if (!p.trainable) continue;
        for (std::ptrdiff_t at = 0; at < p.size(); at += kChunk)
            chunks_.push_back({p.offset + at, std::min(kChunk, p.size() - at), spans_.size()});
        spans_.push_back({p.offset, p.size(), spans_.size()});
    }
    sums_.resize(chunks_.size());
}

void OptimizerState::make_room(Slot slot, bool needed) {
    runtime::AlignedBuffer& b = buffer(slot);
    if (!needed) {
        b = runtime::AlignedBuffer();
    } else if (b.size() == 0) {
        b = runtime::AlignedBuffer(floats_);
    }
}

void OptimizerState::prepare(const Optimizer& optimizer) {
    if (optimizer.method != method_) {
        for (const Slot slot : {Slot::velocity, Slot::mean, Slot::mean_square})
            make_room(slot, false);
        method_ = optimizer.method;
        steps_ = 0;
    }
    const bool adam = optimizer.method == Method::adam;
    make_room(Slot::velocity, !adam && optimizer.momentum > 0.0);
    make_room(Slot::mean, adam);
    make_room(Slot::mean_square, optimizer.method != Method::sgd);
    make_room(Slot::average, optimizer.use_ema);
    if (!optimizer.use_ema) average_started_ = false;
}

void OptimizerState::restart(Method method, const std::vector<Slot>& slots, std::int64_t steps) {
    std::array<runtime::AlignedBuffer, kSlotNames.size()> fresh;
    for (const Slot slot : slots) fresh[index(slot)] = runtime::AlignedBuffer(floats_);
    slots_ = std::move(fresh);
    method_ = method;
    steps_ = steps;
    average_started_ = buffer(Slot::average).size() > 0;
}

void OptimizerState::forget_average() {
    runtime::AlignedBuffer& average = buffer(Slot::average);
    if (average.size() > 0) std::fill_n(average.data(), average.size(), 0.0f);
    average_started_ = false;
}

std::vector<Slot> OptimizerState::slots() const {
    std::vector<Slot> result;
    for (std::size_t i = 0; i < slots_.size(); ++i) {
        const Slot slot = static_cast<Slot>(i);
        if (slots_[i].size() > 0 && (slot != Slot::average || average_started_))
            result.push_back(slot);
    }
    return result;
}

void OptimizerState::exchange_average(runtime::AlignedBuffer& weights) {
    float* const average = pointer(Slot::average);
    for (const Span& span : spans_)
        std::swap_ranges(average + span.offset, average + span.offset + span.floats,
                         weights.data() + span.offset);
}

void OptimizerState::update(const kernels::Kernels& kernels, const runtime::Team& team,
                            const Optimizer& optimizer, float learning_rate, std::int64_t ahead,
                            const float* gradients, float* weights) {
    const double rate = static_cast<double>(learning_rate);
    const std::int64_t step = steps_ + 1 + ahead;
    kernels::UpdateArgs args{};
    args.rate = learning_rate;
    args.epsilon = static_cast<float>(optimizer.epsilon);
    args.square_rate = static_cast<float>(1.0 - optimizer.rho);
    if (optimizer.method == Method::adam) {
        // The mean and the mean square begin at 0; dividing by these corrects for that. As in
        // Algorithm 1 of Kingma and Ba (2015) epsilon joins the corrected root.
        const double mean = 1.0 - power(optimizer.beta_1, step);
        const double root = std::sqrt(1.0 - power(optimizer.beta_2, step));
        args.rate = static_cast<float>(rate * root / mean);
        args.epsilon = static_cast<float>(optimizer.epsilon * root);
        args.mean_rate = static_cast<float>(1.0 - optimizer.beta_1);
        args.square_rate = static_cast<float>(1.0 - optimizer.beta_2);
    }
    args.decay = static_cast<float>(rate * optimizer.weight_decay);
    args.momentum = static_cast<float>(optimizer.momentum);
    // The first average is the weights themselves.
    args.average_rate =
        average_started_ || ahead > 0 ? static_cast<float>(1.0 - optimizer.ema_momentum) : 1.0f;

    const bool clips = optimizer.clipnorm > 0.0 || optimizer.global_clipnorm > 0.0;
    double all = 0.0;
    if (clips) {
        team.for_each(static_cast<std::ptrdiff_t>(chunks_.size()), [&](std::ptrdiff_t i, int) {
            const auto c = static_cast<std::size_t>(i);
            sums_[c] = kernels.sum_of_squares(chunks_[c].floats, gradients + chunks_[c].offset);
        });
        for (const float sum : sums_) all += static_cast<double>(sum);
    }
    args.gradient_scale = scale_to(std::sqrt(all), optimizer.global_clipnorm);

    const UpdateRule rule = rule_of(optimizer);
    std::size_t chunk = 0;
    for (const Span& span : spans_) {
        if (optimizer.clipnorm > 0.0) {
            double squares = 0.0;
            for (; chunk < chunks_.size() && chunks_[chunk].parameter == span.parameter; ++chunk)
                squares += static_cast<double>(sums_[chunk]);
            args.gradient_scale = scale_to(std::sqrt(squares), optimizer.clipnorm);
        }
        const auto update = [&](std::ptrdiff_t begin, std::ptrdiff_t end, int) {
            const std::ptrdiff_t first = span.offset + begin * kBlock;
            kernels::UpdateArgs own = args;
            own.count = (end - begin) * kBlock;
            own.gradient = gradients + first;
            own.weights = weights + first;
            const auto place = [&](Slot slot) {
                float* const data = pointer(slot);
                return data == nullptr ? nullptr : data + first;
            };
            own.velocity = place(Slot::velocity);
            own.mean = place(Slot::mean);
            own.mean_square = place(Slot::mean_square);
            own.average = place(Slot::average);
            kernels.optimizer_update(rule, own);
        };
        team.for_ranges(span.floats / kBlock, kChunk / kBlock, update);
    }
}

}  // namespace nncore::network
