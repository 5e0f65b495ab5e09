// What an optimizer remembers from step to step, in flat buffers laid out like the weights.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "../kernels/kernels.h"
#include "../runtime/aligned_buffer.h"
#include "../runtime/parallel.h"
#include "parameter.h"
#include "types.h"

namespace nncore::network {

// velocity: the steps' moving sum (momentum). mean, mean_square: moving averages of the gradient
// and of its square. average: the moving average of the weights.
enum class Slot { velocity, mean, mean_square, average };
constexpr std::array<const char*, 4> kSlotNames{"velocity", "mean", "mean_square", "average"};

// Throws std::invalid_argument that lists the known names.
Slot slot_from_name(const std::string& name);

class OptimizerState {
 public:
    OptimizerState() = default;
    explicit OptimizerState(const std::vector<Parameter>& parameters);
    // Makes room for what `optimizer` needs. The state of another method is dropped; one of the
    // same method goes on, whatever its settings.
    void prepare(const Optimizer& optimizer);
    // Zeros for these slots, as after `steps` steps of `method`.
    void restart(Method method, const std::vector<Slot>& slots, std::int64_t steps);
    // The weights change places with their average; what is not trained stays.
    void exchange_average(runtime::AlignedBuffer& weights);
    // The next step begins the average anew.
    void forget_average();

    Method method() const { return method_; }
    std::int64_t steps() const { return steps_; }
    void add_steps(std::int64_t steps) { steps_ += steps; }
    // Slots with a meaning; the average has one after the first step.
    std::vector<Slot> slots() const;
    runtime::AlignedBuffer& buffer(Slot slot) { return slots_[index(slot)]; }
    const runtime::AlignedBuffer& buffer(Slot slot) const { return slots_[index(slot)]; }
    bool has_average() const { return average_started_; }

    // One thread's share of step number steps() + 1 + ahead. With clipping, the team meets inside.
    // Weights and gradients must be complete before, and must not be used before the team has met.
    void update(const kernels::Kernels& kernels, const runtime::Team& team,
                const Optimizer& optimizer, float learning_rate, std::int64_t ahead,
                const float* gradients, float* weights);
    // After a step with use_ema, by one thread.
    void set_average_started() { average_started_ = true; }

 private:
    static std::size_t index(Slot slot) { return static_cast<std::size_t>(slot); }
    void make_room(Slot slot, bool needed);
    float* pointer(Slot slot) {
        runtime::AlignedBuffer& b = buffer(slot);
        return b.size() == 0 ? nullptr : b.data();
    }

    struct Span {
        std::ptrdiff_t offset, floats;
        std::size_t parameter;
    };
    std::vector<Span> spans_;   // one per trainable parameter
    std::vector<Span> chunks_;  // of at most kChunk floats, whose squares are summed by one thread
    std::vector<float> sums_;   // one per chunk
    std::size_t floats_ = 0;    // of all parameters

    Method method_ = Method::sgd;
    std::int64_t steps_ = 0;
    bool average_started_ = false;
    std::array<runtime::AlignedBuffer, kSlotNames.size()> slots_;
};

}  // namespace nncore::network
