// A thread that has nothing to do sleeps, so that the system can tell who needs a CPU.
#pragma once

#include <atomic>
#include <cstdint>

namespace nncore::runtime {

// Returns once `word` is no longer `value`, or earlier for no reason: the caller looks again.
void sleep_while(std::atomic<std::uint32_t>& word, std::uint32_t value) noexcept;
// Wakes the one thread that sleeps on `word`, which must have been changed before.
void wake(std::atomic<std::uint32_t>& word) noexcept;

// For the few rounds of a loop that waits before it sleeps.
inline void pause() noexcept {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ __volatile__("yield");
#endif
}

}  // namespace nncore::runtime
