#include "../sleep.h"

#ifdef __linux__
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace nncore::runtime {

// The futex itself: std::atomic's wait of libstdc++ yields the CPU some times before it sleeps, and
// on a busy machine a yield can take milliseconds.
#if defined(__linux__) && defined(SYS_futex)

static_assert(sizeof(std::atomic<std::uint32_t>) == sizeof(std::uint32_t));

void sleep_while(std::atomic<std::uint32_t>& word, std::uint32_t value) noexcept {
    syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, value, nullptr, nullptr, 0);
}

void wake(std::atomic<std::uint32_t>& word) noexcept {
    syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
}

#else

void sleep_while(std::atomic<std::uint32_t>& word, std::uint32_t value) noexcept {
    word.wait(value);
}

void wake(std::atomic<std::uint32_t>& word) noexcept { word.notify_one(); }

#endif

}  // namespace nncore::runtime
