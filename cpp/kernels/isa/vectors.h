// Loops over arrays of any length, vector by vector.
#pragma once

#include "simd.h"

namespace nncore::kernels::NNCORE_TARGET {

// Calls body(offset, count) for vectors of kLanes and once for the rest.
template <class Body>
NNCORE_INLINE void for_vectors(ptrdiff_t count, Body body) {
    ptrdiff_t i = 0;
    for (; i + kLanes <= count; i += kLanes) body(i, kLanes);
    if (i < count) body(i, static_cast<int>(count - i));
}

NNCORE_INLINE vec load_some(const float* p, int count) {
    return count == kLanes ? load(p) : load_partial(p, count);
}
NNCORE_INLINE void store_some(float* p, vec v, int count) {
    if (count == kLanes) {
        store(p, v);
    } else {
        store_partial(p, v, count);
    }
}

}  // namespace nncore::kernels::NNCORE_TARGET
