// From a number known at run time to one known to the compiler.
#pragma once

#include "simd.h"

namespace nncore::kernels::NNCORE_TARGET {

// Calls body.template operator()<N>() with the N of 1, 2, ..., Max that is `value`, if one is.
template <int Max, class Body>
NNCORE_INLINE void with_constant(ptrdiff_t value, Body body) {
    if (value == Max) {
        body.template operator()<Max>();
    } else if constexpr (Max > 1) {
        with_constant<Max - 1>(value, body);
    }
}

}  // namespace nncore::kernels::NNCORE_TARGET
