// Asks for memory before it is needed, little by little, where the order in which it is read or
// written is not one that the processor guesses.
#pragma once

#include "simd.h"

namespace nncore::kernels::NNCORE_TARGET {

// So many floats from `place` on.
struct Lines {
    const float* place;
    ptrdiff_t floats;
};

// What will be read (Write = 0) or written (1), in equal parts, one for each `ask`.
template <int Write>
class Requests {
 public:
    Requests(const Lines& lines, ptrdiff_t turns)
        : next_(lines.place), end_(lines.place + lines.floats), step_(lines.floats / turns + 1) {}

    __attribute__((always_inline)) void ask() {
        constexpr ptrdiff_t kLine = 16;
        const ptrdiff_t count = min_size(step_, end_ - next_);
        for (ptrdiff_t i = 0; i < count; i += kLine) __builtin_prefetch(next_ + i, Write, 2);
        next_ += count;
    }

 private:
    const float *next_, *end_;
    ptrdiff_t step_;
};

}  // namespace nncore::kernels::NNCORE_TARGET
