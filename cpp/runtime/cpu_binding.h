// What the system tells a thread of its CPU, and how a thread chooses among those that it may use.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>

namespace nncore::runtime {

// The CPU that this thread is on; -1 where that is not told.
int this_cpu() noexcept;

// How often others have got this thread's CPU while it had something to do; always 0 where that is
// not told.
long times_stopped() noexcept;

// How long this thread has computed; where that is not told, all the time.
std::chrono::steady_clock::duration time_computed() noexcept;

// Of the thread that uses it: the CPUs that it is bound to for a while. Where the system lets
// nobody choose, it is never bound.
class CpuBinding {
 public:
    CpuBinding() = default;
    ~CpuBinding() { release(); }
    CpuBinding(const CpuBinding&) = delete;
    CpuBinding& operator=(const CpuBinding&) = delete;

    // To this CPU, or to all others. False where nothing changes: the thread may not use that one,
    // or the CPUs are not just as many as the `members` of its team. Where there are more, the
    // system finds a free one for each.
    bool bind(int cpu, bool to_it, int members) noexcept;
    void release() noexcept;

 private:
    bool bound_ = false;
    // The CPUs before, as the system writes them.
    alignas(std::max_align_t) std::array<std::byte, 128> anywhere_{};
};

}  // namespace nncore::runtime
