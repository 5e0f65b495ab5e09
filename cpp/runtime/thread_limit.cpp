#include "thread_limit.h"

#include <atomic>
#include <cstdlib>
#include <mutex>
#include <stdexcept>
#include <string>

#include "forks.h"
#include "usable_cpus.h"

namespace nncore::runtime {
namespace {

std::atomic<int> configured_threads{0};
std::atomic<bool> forked_after_start{false};

int default_threads() {
    // Empty is the same as unset, as for NNCORE_ISA.
    if (const char* text = std::getenv("NNCORE_NUM_THREADS"); text != nullptr && *text != '\0') {
        char* end = nullptr;
        const long value = std::strtol(text, &end, 10);
        if (*end == '\0' && value >= 1 && value <= kMaximumThreads) return static_cast<int>(value);
        throw std::invalid_argument("NNCORE_NUM_THREADS must be a whole number from 1 to " +
                                    std::to_string(kMaximumThreads) + ", got \"" + text + "\"");
    }
    return usable_cpus();
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
    std::call_once(once, [] { in_forked_children([] { forked_after_start.store(true); }); });
}

bool has_lost_threads() { return forked_after_start.load(); }

}  // namespace nncore::runtime
