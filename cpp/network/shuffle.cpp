#include "shuffle.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "../kernels/dispatch.h"
#include "../runtime/philox.h"

namespace nncore::network {

// A Fisher-Yates shuffle whose draws are keyed on (seed, epoch, position).
void shuffled_indices(std::uint64_t seed, std::uint32_t epoch, std::int32_t count,
                      std::int32_t* order) {
    constexpr std::int32_t kAtOnce = 64;  // draws
    const auto& kernels = kernels::active();
    const kernels::RandomKey key{static_cast<std::uint32_t>(seed),
                                 static_cast<std::uint32_t>(seed >> 32), 0, epoch,
                                 static_cast<std::uint32_t>(runtime::Purpose::shuffle)};
    std::uint32_t high[kAtOnce], low[kAtOnce];
    std::iota(order, order + count, 0);
    for (std::int32_t end = count; end > 1;) {
        const std::int32_t first = std::max(end - kAtOnce, 1);
        kernels.random_words(key, static_cast<std::uint32_t>(first), end - first, high, low);
        for (std::int32_t i = end - 1; i >= first; --i) {
            // The upper half of 64 random bits times the range: the bias is below 2^-32.
            const auto range = static_cast<std::uint64_t>(i) + 1;
            const std::uint64_t carry = low[i - first] * range >> 32;
            const auto j = static_cast<std::int32_t>((high[i - first] * range + carry) >> 32);
            std::swap(order[i], order[j]);
        }
        end = first;
    }
}

}  // namespace nncore::network
