// Threads: how many, a team that runs one function, and the barrier between its phases.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace nncore::runtime {

// Threads that parallel work may use: set_thread_limit, else NNCORE_NUM_THREADS, else the CPUs this
// process may use (affinity and cgroup quota). 1 in a forked child of a process that had already
// started threads: the OpenMP runtime does not survive a fork.
int thread_limit();
// Throws std::invalid_argument unless 1 <= threads <= 1024.
void set_thread_limit(int threads);
// "4.5" and the like, or "" when built without OpenMP (then std::thread does the work).
const char* openmp_version();

// A spinning barrier for one team; 50 to 100 ns where an OpenMP barrier takes 500. It yields the
// CPU after a while, so that more threads than CPUs are slow but never stuck.
class Barrier {
 public:
    void set_size(int threads) { size_ = threads; }
    void wait() noexcept;

 private:
    int size_ = 1;
    alignas(64) std::atomic<int> arrived_{0};
    alignas(64) std::atomic<std::uint32_t> generation_{0};
};

// One thread's place in a team.
struct Member {
    int thread;
    int threads;
    Barrier& barrier;

    // This thread's share of `count` items, [first, last): fixed by the counts alone.
    struct Range {
        std::ptrdiff_t first, last;
    };
    Range share(std::ptrdiff_t count) const {
        return {count * thread / threads, count * (thread + 1) / threads};
    }
};

// What a team runs: a reference to somebody's function object, which costs no allocation.
class TeamBody {
 public:
    template <class Body>
        requires(!std::is_same_v<std::remove_cvref_t<Body>, TeamBody>)
    TeamBody(const Body& body)  // NOLINT: lambdas are meant to convert
        : body_(&body), call_([](const void* b, const Member& member) {
              (*static_cast<const Body*>(b))(member);
          }) {}
    void operator()(const Member& member) const { call_(body_, member); }

 private:
    const void* body_;
    void (*call_)(const void*, const Member&);
};

// Runs body once on each thread of a team of at most `threads` (the runtime may give fewer: the
// body must take the size from its Member). The body must not throw.
void run_team(int threads, const TeamBody& body);

}  // namespace nncore::runtime
