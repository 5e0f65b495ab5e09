#include "shuffle.h"

#include <numeric>
#include <utility>

#include "../runtime/philox.h"

namespace nncore::network {

// A Fisher-Yates shuffle whose draws are keyed on (seed, epoch, position).
void shuffled_indices(std::uint64_t seed, std::uint32_t epoch, std::int32_t count,
                      std::int32_t* order) {
    std::iota(order, order + count, 0);
    for (std::int32_t i = count - 1; i > 0; --i) {
        const auto block = runtime::random_block(seed, runtime::Purpose::shuffle, epoch,
                                                 static_cast<std::uint64_t>(i));
        // The upper half of 64 random bits times the range: the bias is below 2^-32.
        const auto range = static_cast<std::uint64_t>(i) + 1;
        const std::uint64_t carry = block[1] * range >> 32;
        const auto j = static_cast<std::int32_t>((block[0] * range + carry) >> 32);
        std::swap(order[i], order[j]);
    }
}

}  // namespace nncore::network
