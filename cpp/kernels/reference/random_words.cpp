// Random numbers as they are.
#include "../../runtime/philox.h"
#include "../declarations.h"

namespace nncore::kernels::reference {

void random_words(const RandomKey& key, uint32_t first, ptrdiff_t count, uint32_t* words0,
                  uint32_t* words1) {
    for (ptrdiff_t i = 0; i < count; ++i) {
        const auto block = first + static_cast<uint32_t>(i);
        const auto words = runtime::philox({block, key.sample, key.stream, key.purpose},
                                           {key.seed_low, key.seed_high});
        words0[i] = words[0];
        words1[i] = words[1];
    }
}

}  // namespace nncore::kernels::reference
