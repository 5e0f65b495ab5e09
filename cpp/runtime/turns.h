// How a helper behaves on a CPU that other programs use as well.
//
// A system with more to run than CPUs stops a thread when its time is up, in the middle of a piece
// of work, and whoever needs that piece waits for milliseconds. A helper therefore hands its CPU on
// of its own accord, between two pieces, before its time is up. And as it is the caller for whom
// all wait, a helper is the one to be on the CPU that others use: left to itself the system puts
// the caller there as often, or both on one CPU.
#pragma once

#include <atomic>
#include <chrono>

#include "cpu_binding.h"

namespace nncore::runtime {

using Time = std::chrono::steady_clock::time_point;
using Duration = std::chrono::steady_clock::duration;

// The caller, who says where it is when others use its CPU.
class CallersTurns {
 public:
    // Another thread may be the caller from here on.
    void begin() noexcept { window_ = {}; }
    // Between two jobs; `slept` is how long it has done so of its own accord, all in all.
    void look(Duration slept) noexcept;
    // It has had to share this CPU.
    void share(int cpu) noexcept { shared_cpu_.store(cpu, std::memory_order_relaxed); }
    // The CPU that it had to share, once; -1: none.
    int take_shared_cpu() noexcept {
        return shared_cpu_.load(std::memory_order_relaxed) < 0
                   ? -1
                   : shared_cpu_.exchange(-1, std::memory_order_relaxed);
    }

 private:
    Time window_{};  // when the present one began; what then was:
    Duration computed_{}, slept_{};
    std::atomic<int> shared_cpu_{-1};
};

// A helper.
class HelpersTurns {
 public:
    explicit HelpersTurns(CallersTurns& caller) : caller_(caller) {}

    // Before and after it sleeps for want of work; a long sleep ends a turn. `members` of the team.
    void pause() noexcept;
    void go_on(int members) noexcept;
    // Asked between two pieces: whether it should hand the CPU on, having reported what it did.
    bool is_over() const noexcept;
    // Lets others run, if there are any; then a new turn begins.
    void hand_on(int members) noexcept;

 private:
    void choose_cpu(int members, Time now) noexcept;

    CallersTurns& caller_;
    Time began_{}, looked_{}, shared_until_{}, settles_until_{}, bound_until_{};
    Duration used_{};  // of the turn, before began_
    long stopped_ = -1;
    CpuBinding binding_;
};

}  // namespace nncore::runtime
