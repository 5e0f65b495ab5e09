// Compiled once per instruction set, like cpp/kernels/isa and under its rules: no STL headers, all
// in the namespace NNCORE_TARGET. It opens simd.h and math.h to test_math.cpp.
#include "lanes.h"

#include "kernels/isa/math.h"

#define NNCORE_STRING_(x) #x
#define NNCORE_STRING(x) NNCORE_STRING_(x)

namespace nncore::kernels::NNCORE_TARGET {
namespace {

int rest(ptrdiff_t count, ptrdiff_t i) { return static_cast<int>(min_size(kLanes, count - i)); }

#define NNCORE_UNARY(name, expression)                          \
    void name(ptrdiff_t count, const float* px, float* y) {     \
        for (ptrdiff_t i = 0; i < count; i += kLanes) {         \
            const vec x = load_partial(px + i, rest(count, i)); \
            store_partial(y + i, expression, rest(count, i));   \
        }                                                       \
    }
NNCORE_UNARY(all_exp, vector_exp(x))
NNCORE_UNARY(all_log, vector_log(x))

#define NNCORE_BINARY(name, expression)                                      \
    void name(ptrdiff_t count, const float* pa, const float* pb, float* y) { \
        for (ptrdiff_t i = 0; i < count; i += kLanes) {                      \
            const vec a = load_partial(pa + i, rest(count, i));              \
            const vec b = load_partial(pb + i, rest(count, i));              \
            store_partial(y + i, expression, rest(count, i));                \
        }                                                                    \
    }
NNCORE_BINARY(all_max, max(a, b))
NNCORE_BINARY(all_min, min(a, b))

void all_fma(ptrdiff_t count, const float* pa, const float* pb, const float* pc, float* y) {
    for (ptrdiff_t i = 0; i < count; i += kLanes) {
        const int n = rest(count, i);
        store_partial(
            y + i, fma(load_partial(pa + i, n), load_partial(pb + i, n), load_partial(pc + i, n)),
            n);
    }
}

void all_broadcast(ptrdiff_t count, const float* x, float* y) {
    for (ptrdiff_t i = 0; i < count; ++i) store_partial(y + i, broadcast(x[i]), 1);
}

}  // namespace

const Lanes& lanes();
const Lanes& lanes() {
    static const Lanes all{
        NNCORE_STRING(NNCORE_TARGET), all_exp, all_log, all_fma, all_max, all_min, all_broadcast};
    return all;
}

}  // namespace nncore::kernels::NNCORE_TARGET
