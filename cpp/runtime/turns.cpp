#include "turns.h"

#include <thread>
#include <utility>

#ifdef __linux__
#include <sys/resource.h>
#include <time.h>
#endif

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

#ifdef __linux__

// How often another thread has got this one's CPU while it had something to do.
long times_stopped() noexcept {
    rusage usage;
    return getrusage(RUSAGE_THREAD, &usage) == 0 ? usage.ru_nivcsw : 0;
}

Duration time_computed() noexcept {
    timespec time;
    if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time) != 0) return {};
    return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

int this_cpu() noexcept { return sched_getcpu(); }

// The CPUs that this thread may use, if they are just as many as there are members: where there are
// more, the system finds a free one for each.
bool just_enough(cpu_set_t& cpus, int members) noexcept {
    CPU_ZERO(&cpus);
    return sched_getaffinity(0, sizeof cpus, &cpus) == 0 && CPU_COUNT(&cpus) == members;
}

#else

long times_stopped() noexcept { return 0; }
Duration time_computed() noexcept { return std::chrono::steady_clock::now().time_since_epoch(); }
int this_cpu() noexcept { return -1; }

#endif

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
        if (!bind(callers, here != callers, members)) return;
        settles_until_ = now + kSettling;
        bound_until_ = now + kBound;
    } else if (was_stopped) {
        shared_until_ = now + kShared;
        bound_until_ = now + kBound;
    } else if (now > bound_until_) {
        leave();
    }
}

#ifdef __linux__

// To this CPU, or to all others.
bool HelpersTurns::bind(int cpu, bool to_it, int members) noexcept {
    if (!bound_ && !just_enough(anywhere_, members)) return false;
    const auto place = static_cast<std::size_t>(cpu);
    if (!CPU_ISSET(place, &anywhere_)) return false;
    cpu_set_t chosen = anywhere_;
    CPU_CLR(place, &chosen);
    if (to_it) CPU_XOR(&chosen, &chosen, &anywhere_);
    if (sched_setaffinity(0, sizeof chosen, &chosen) != 0) return false;
    bound_ = true;
    return true;
}

void HelpersTurns::leave() noexcept {
    if (!bound_) return;
    bound_ = false;
    (void)sched_setaffinity(0, sizeof anywhere_, &anywhere_);
}

#else

bool HelpersTurns::bind(int, bool, int) noexcept { return false; }
void HelpersTurns::leave() noexcept {}

#endif

}  // namespace nncore::runtime
