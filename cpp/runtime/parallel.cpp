#include "parallel.h"

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#ifdef _OPENMP
#include <omp.h>
#endif
#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace nncore::runtime {
namespace {

constexpr int kMaximumThreads = 1024;
// Some 10 microseconds: longer than a balanced phase's wait, short enough that on a busy machine
// the CPU soon goes to the thread that is waited for.
constexpr int kSpins = 300;

std::atomic<int> configured_threads{0};
std::atomic<bool> team_started{false};
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

void watch_forks() {
    static std::once_flag once;
    std::call_once(once, [] {
        pthread_atfork(nullptr, nullptr, [] {
            if (team_started.load()) forked_after_start.store(true);
        });
    });
}

inline void pause() {
#if defined(__x86_64__)
    _mm_pause();
#elif defined(__aarch64__)
    __asm__ __volatile__("yield");
#endif
}

}  // namespace

int thread_limit() {
    if (forked_after_start.load()) return 1;
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

const char* openmp_version() {
#ifdef _OPENMP
    switch (_OPENMP) {
        case 201511:
            return "4.5";
        case 201811:
            return "5.0";
        case 202011:
            return "5.1";
        default:
            return "found";
    }
#else
    return "";
#endif
}

void Barrier::wait() noexcept {
    if (size_ == 1) return;
    const std::uint32_t generation = generation_.load(std::memory_order_relaxed);
    if (arrived_.fetch_add(1, std::memory_order_acq_rel) == size_ - 1) {
        arrived_.store(0, std::memory_order_relaxed);
        generation_.store(generation + 1, std::memory_order_release);
        return;
    }
    for (int spins = 0; generation_.load(std::memory_order_acquire) == generation; ++spins) {
        if (spins < kSpins) {
            pause();
        } else {
            std::this_thread::yield();
        }
    }
}

void run_team(int threads, const TeamBody& body) {
    Barrier barrier;
    if (threads <= 1) {
        body(Member{0, 1, barrier});
        return;
    }
    watch_forks();
    team_started.store(true);
#ifdef _OPENMP
#pragma omp parallel num_threads(threads)
    {
        // The team may be smaller than asked for: everybody works with its real size.
        const int size = omp_get_num_threads();
#pragma omp single
        barrier.set_size(size);
        body(Member{omp_get_thread_num(), size, barrier});
    }
#else
    barrier.set_size(threads);
    std::vector<std::thread> team;
    int started = 1;
    try {
        team.reserve(static_cast<std::size_t>(threads - 1));
    } catch (...) {
        threads = 1;
    }
    // A thread that cannot be had must not leave the others at the barrier: all wait for the
    // final size before they begin.
    std::atomic<int> size{0};
    auto run = [&](int thread) {
        int final_size;
        while ((final_size = size.load(std::memory_order_acquire)) == 0) std::this_thread::yield();
        body(Member{thread, final_size, barrier});
    };
    for (; started < threads; ++started) {
        try {
            team.emplace_back(run, started);
        } catch (...) {
            break;
        }
    }
    barrier.set_size(started);
    size.store(started, std::memory_order_release);
    run(0);
    for (auto& thread : team) thread.join();
#endif
}

}  // namespace nncore::runtime
