#include "../cpu_binding.h"

#ifdef __linux__
#include <sched.h>
#include <sys/resource.h>
#include <time.h>

#include <cstring>
#endif

namespace nncore::runtime {

#ifdef __linux__

int this_cpu() noexcept { return sched_getcpu(); }

long times_stopped() noexcept {
    rusage usage;
    return getrusage(RUSAGE_THREAD, &usage) == 0 ? usage.ru_nivcsw : 0;
}

std::chrono::steady_clock::duration time_computed() noexcept {
    timespec time;
    if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time) != 0) return {};
    return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

bool CpuBinding::bind(int cpu, bool to_it, int members) noexcept {
    cpu_set_t anywhere, chosen;
    static_assert(sizeof anywhere <= sizeof anywhere_);
    std::memcpy(&anywhere, anywhere_.data(), sizeof anywhere);
    if (!bound_) {
        CPU_ZERO(&anywhere);
        if (sched_getaffinity(0, sizeof anywhere, &anywhere) != 0) return false;
        if (CPU_COUNT(&anywhere) != members) return false;
    }
    const auto place = static_cast<std::size_t>(cpu);
    if (!CPU_ISSET(place, &anywhere)) return false;
    chosen = anywhere;
    CPU_CLR(place, &chosen);
    if (to_it) CPU_XOR(&chosen, &chosen, &anywhere);
    if (sched_setaffinity(0, sizeof chosen, &chosen) != 0) return false;
    std::memcpy(anywhere_.data(), &anywhere, sizeof anywhere);
    bound_ = true;
    return true;
}

void CpuBinding::release() noexcept {
    if (!bound_) return;
    bound_ = false;
    cpu_set_t anywhere;
    std::memcpy(&anywhere, anywhere_.data(), sizeof anywhere);
    (void)sched_setaffinity(0, sizeof anywhere, &anywhere);
}

#else

int this_cpu() noexcept { return -1; }
long times_stopped() noexcept { return 0; }
std::chrono::steady_clock::duration time_computed() noexcept {
    return std::chrono::steady_clock::now().time_since_epoch();
}
bool CpuBinding::bind(int, bool, int) noexcept { return false; }
void CpuBinding::release() noexcept {}

#endif

}  // namespace nncore::runtime
