// Dropout with counter-based random numbers.
#include "../declarations.h"
#include "philox.h"

namespace nncore::kernels::NNCORE_TARGET {

void dropout_mask(ptrdiff_t count, const RandomKey& key, uint32_t threshold, float scale,
                  float* mask) {
    const ivec limit = broadcast_int((int32_t)threshold);
    const vec kept = broadcast(scale);
    for (ptrdiff_t group = 0; group < count; group += kDropoutGroup) {
        for (int part = 0; part < kVectorsPerBlock; ++part) {
            uvec words[4];
            philox(key, (uint32_t)(group / 8) + (uint32_t)(part * kLanes), words);
            NNCORE_UNROLL
            for (int half = 0; half < 8; ++half) {
                const ptrdiff_t first = group + half * kBlock + part * kLanes;
                const int lanes = (int)min_size(kLanes, count - first);
                const uvec word = words[half / 2];
                const ivec bits = (ivec)(half % 2 == 0 ? word & 0xffffu : word >> 16);
                const vec factor = bits >= limit ? kept : zero();
                if (lanes == kLanes) {
                    store(mask + first, factor);
                } else if (lanes > 0) {
                    store_partial(mask + first, factor, lanes);
                }
            }
        }
    }
}

void multiply(ptrdiff_t count, const float* x, const float* factors, float* y) {
    ptrdiff_t i = 0;
    for (; i + kLanes <= count; i += kLanes) store(y + i, load(x + i) * load(factors + i));
    for (; i < count; ++i) y[i] = x[i] * factors[i];
}

}  // namespace nncore::kernels::NNCORE_TARGET
