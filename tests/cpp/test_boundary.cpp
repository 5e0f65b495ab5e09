// Random calls of every kernel, at sizes around the widths of vectors, with gaps and from any
// address, each array before a page without access: every instruction set gives the reference's
// bits and touches nothing else. NNCORE_BOUNDARY_CALLS=20000 is the long form; NNCORE_TEST_SEED
// makes other calls.
#include <cstdlib>

#include "boundary/kernels.h"

namespace {

struct Kernel {
    const char* name;
    void (*call)(boundary::Call&);
};

constexpr Kernel kKernels[] = {
#define NNCORE_KERNEL(result, name, arguments) {#name, boundary::name},
#include "kernels/table.inc"
    {"matmul", boundary::matmul},
    {"augment of bytes", boundary::augment_bytes},
    {"augment of floats", boundary::augment_floats},
};

long number_of(const char* variable, long otherwise) {
    const char* const asked = std::getenv(variable);
    return asked == nullptr ? otherwise : std::atol(asked);
}

// All kernels in turn.
TEST(random_calls) {
    const long calls = number_of("NNCORE_BOUNDARY_CALLS", 1000);
    const auto seed = static_cast<std::uint64_t>(number_of("NNCORE_TEST_SEED", 0));
    constexpr long kCount = sizeof kKernels / sizeof kKernels[0];
    for (long number = 0; number < calls; ++number) {
        const Kernel& kernel = kKernels[number % kCount];
        boundary::Call call(kernel.name, seed, number);
        kernel.call(call);
    }
}

}  // namespace
