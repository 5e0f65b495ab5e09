#include "../sleep.h"

#include "system.h"

namespace nncore::runtime {

// The counterpart of the futex, where libstdc++'s wait of std::atomic would only sleep on a
// condition that all waiting threads share.
static_assert(sizeof(std::atomic<std::uint32_t>) == sizeof(std::uint32_t));

void sleep_while(std::atomic<std::uint32_t>& word, std::uint32_t value) noexcept {
    ::WaitOnAddress(&word, &value, sizeof value, INFINITE);
}

void wake(std::atomic<std::uint32_t>& word) noexcept { ::WakeByAddressSingle(&word); }

}  // namespace nncore::runtime
