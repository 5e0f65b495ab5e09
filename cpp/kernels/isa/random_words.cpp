// Random numbers as they are, many at a time.
#include "../declarations.h"
#include "philox.h"

namespace nncore::kernels::NNCORE_TARGET {

void random_words(const RandomKey& key, uint32_t first, ptrdiff_t count, uint32_t* words0,
                  uint32_t* words1) {
    for (ptrdiff_t i = 0; i < count; i += kLanes) {
        uvec words[4];
        philox(key, first + (uint32_t)i, words);
        const int lanes = (int)min_size(kLanes, count - i);
        for (int lane = 0; lane < lanes; ++lane) {
            words0[i + lane] = words[0][lane];
            words1[i + lane] = words[1][lane];
        }
    }
}

}  // namespace nncore::kernels::NNCORE_TARGET
