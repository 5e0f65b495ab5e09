#include "thread_limit.h"

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <fstream>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>

namespace nncore::runtime {
namespace {

std::atomic<int> configured_threads{0};
std::atomic<bool> forked_after_start{false};

int affinity_cpus() {
#ifdef __linux__
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set) == 0) return std::max(1, CPU_COUNT(&set));
#endif
    return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

// CPUs granted by a cgroup quota (containers), rounded up; 0 without one.
int cgroup_cpus() {
    std::ifstream v2("/sys/fs/cgroup/cpu.max");
    std::string quota;
    double period = 0;
    if (v2 >> quota >> period && quota != "max" && period > 0)
        return static_cast<int>(std::max(1.0, std::atof(quota.c_str()) / period + 0.999));
    std::ifstream quota_v1("/sys/fs/cgroup/cpu/cpu.cfs_quota_us");
    std::ifstream period_v1("/sys/fs/cgroup/cpu/cpu.cfs_period_us");
    double allowed = 0;
    if (quota_v1 >> allowed && period_v1 >> period && allowed > 0 && period > 0)
        return static_cast<int>(std::max(1.0, allowed / period + 0.999));
    return 0;
}

int default_threads() {
    // Empty is the same as unset, as for NNCORE_ISA.
    if (const char* text = std::getenv("NNCORE_NUM_THREADS"); text != nullptr && *text != '\0') {
        char* end = nullptr;
        const long value = std::strtol(text, &end, 10);
        if (*end == '\0' && value >= 1 && value <= kMaximumThreads) return static_cast<int>(value);
        throw std::invalid_argument("NNCORE_NUM_THREADS must be a whole number from 1 to " +
                                    std::to_string(kMaximumThreads) + ", got \"" + text + "\"");
    }
    const int quota = cgroup_cpus();
    const int cpus = affinity_cpus();
    return quota > 0 ? std::min(cpus, quota) : cpus;
}

}  // namespace

int thread_limit() {
    if (has_lost_threads()) return 1;
    int threads = configured_threads.load();
    if (threads == 0) {
        threads = default_threads();
        configured_threads.store(threads);
    }
    return threads;
}

void set_thread_limit(int threads) {
    if (threads < 1 || threads > kMaximumThreads)
        throw std::invalid_argument("the number of threads must be from 1 to " +
                                    std::to_string(kMaximumThreads) + ", got " +
                                    std::to_string(threads));
    configured_threads.store(threads);
}

void watch_forks() {
    static std::once_flag once;
    std::call_once(
        once, [] { pthread_atfork(nullptr, nullptr, [] { forked_after_start.store(true); }); });
}

bool has_lost_threads() { return forked_after_start.load(); }

}  // namespace nncore::runtime
