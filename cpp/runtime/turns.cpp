#include "turns.h"

#include <thread>
#include <utility>

namespace nncore::runtime {
namespace {

using std::chrono::milliseconds;

// Shorter than what systems give a thread before they stop it for another (Linux: 1.4 to 4 ms).
constexpr std::chrono::microseconds kTurn{1400};
// A caller that computes for less than nine tenths of such a time, and does not sleep, shares its
// CPU.
constexpr milliseconds kWindow{10};
// How long a helper is bound to a choice of CPUs, after the last sign that one is shared.
constexpr milliseconds kBound{200};
// A helper that has been stopped, or handed its CPU on, takes that CPU for a shared one for so
// long.
constexpr milliseconds kShared{50};
// How long the system may take to move the caller away from where a helper has gone.
constexpr milliseconds kSettling{20};

}  // namespace

void CallersTurns::look(Duration slept) noexcept {
    const Time now = std::chrono::steady_clock::now();
    const Duration length = now - window_;
    if (length < kWindow) return;
    const Duration computed = time_computed();
    const Duration lost = length - (computed - computed_) - (slept - slept_);
    if (length < 4 * kWindow && lost > length / 10) share(this_cpu());
    window_ = now;
    computed_ = computed;
    slept_ = slept;
}

bool HelpersTurns::is_over() const noexcept {
    return used_ + (std::chrono::steady_clock::now() - began_) >= kTurn;
}

void HelpersTurns::pause() noexcept {
    const Time now = std::chrono::steady_clock::now();
    used_ += now - began_;
    began_ = now;
}

void HelpersTurns::go_on(int members) noexcept {
    const Time now = std::chrono::steady_clock::now();
    if (now - began_ >= kTurn) used_ = {};
    began_ = now;
    if (now - looked_ >= kTurn) choose_cpu(members, now);
}

void HelpersTurns::hand_on(int members) noexcept {
    choose_cpu(members, std::chrono::steady_clock::now());
    std::this_thread::yield();
    used_ = {};
    began_ = std::chrono::steady_clock::now();
}

void HelpersTurns::choose_cpu(int members, Time now) noexcept {
    looked_ = now;
    const long before = std::exchange(stopped_, times_stopped());
    const bool was_stopped = before >= 0 && stopped_ > before;
    const int here = this_cpu(), callers = caller_.take_shared_cpu();
    if (now < settles_until_) return;
    if (callers >= 0 && (here == callers || now > shared_until_)) {
        // On the caller's own CPU it is this helper who stands in the way; on one of its own, which
        // nobody shares, it can change with the caller.
        if (!binding_.bind(callers, here != callers, members)) return;
        settles_until_ = now + kSettling;
        bound_until_ = now + kBound;
    } else if (was_stopped) {
        shared_until_ = now + kShared;
        bound_until_ = now + kBound;
    } else if (now > bound_until_) {
        binding_.release();
    }
}

}  // namespace nncore::runtime
