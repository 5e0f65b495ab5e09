// Dropout with counter-based random numbers, see RandomKey.
#include "../../runtime/philox.h"
#include "../declarations.h"

namespace nncore::kernels::reference {

void dropout_mask(ptrdiff_t count, const RandomKey& key, uint32_t threshold, float scale,
                  float* mask) {
    for (ptrdiff_t e = 0; e < count; ++e) {
        const ptrdiff_t group = e / kDropoutGroup, r = e % kDropoutGroup;
        const auto block = static_cast<uint32_t>(group * kBlock + r % kBlock);
        const auto words = runtime::philox({block, key.sample, key.stream, key.purpose},
                                           {key.seed_low, key.seed_high});
        const auto half = static_cast<std::size_t>(r / kBlock);
        const uint32_t bits = half % 2 == 0 ? words[half / 2] & 0xffffu : words[half / 2] >> 16;
        mask[e] = bits < threshold ? 0.0f : scale;
    }
}

}  // namespace nncore::kernels::reference
