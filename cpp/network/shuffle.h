// The order of an epoch.
#pragma once

#include <cstdint>

namespace nncore::network {

// Writes 0 .. count - 1, shuffled, to `order`: a pure function of its arguments, fixed for ever,
// because runs are resumed by it.
void shuffled_indices(std::uint64_t seed, std::uint32_t epoch, std::int32_t count,
                      std::int32_t* order);

}  // namespace nncore::network
