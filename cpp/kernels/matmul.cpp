#include "matmul.h"

#include <algorithm>

#include "../runtime/aligned_buffer.h"
#include "../runtime/parallel.h"
#include "dispatch.h"

namespace nncore::kernels {
namespace {

// Starting a team takes a few microseconds: below this many multiply-adds one thread is faster.
constexpr double kParallelThreshold = 1.0e6;

struct Offsets {
    ptrdiff_t a, b, c;
};

Offsets batch_offsets(const MatmulArgs& p, ptrdiff_t index) {
    // One dimension, as most have, takes no division: with small matrices that counts.
    if (p.batch_shape.size() == 1)
        return {index * p.a_batch[0], index * p.b_batch[0], index * p.c_batch[0]};
    Offsets offsets{0, 0, 0};
    for (std::size_t d = p.batch_shape.size(); d-- > 0;) {
        const ptrdiff_t i = index % p.batch_shape[d];
        index /= p.batch_shape[d];
        offsets.a += i * p.a_batch[d];
        offsets.b += i * p.b_batch[d];
        offsets.c += i * p.c_batch[d];
    }
    return offsets;
}

// A stack of matrices times one matrix is one taller product if the stack has no gaps.
MatmulArgs merge_batch(const MatmulArgs& args) {
    MatmulArgs p = args;
    while (!p.batch_shape.empty() && p.b_batch.back() == 0 && p.M > 0 &&
           p.a_batch.back() == p.M * p.a_row && p.c_batch.back() == p.M * p.c_row) {
        p.M *= p.batch_shape.back();
        p.batch_shape.pop_back();
        p.a_batch.pop_back();
        p.b_batch.pop_back();
        p.c_batch.pop_back();
    }
    return p;
}

}  // namespace

void matmul(const MatmulArgs& args) {
    const MatmulArgs p = merge_batch(args);
    const Kernels& kernels = active();
    ptrdiff_t batches = 1;
    for (const ptrdiff_t n : p.batch_shape) batches *= n;
    if (batches == 0 || p.M == 0 || p.N == 0) return;

    const double work = static_cast<double>(batches) * static_cast<double>(p.M) *
                        static_cast<double>(p.N) * static_cast<double>(std::max<ptrdiff_t>(p.K, 1));
    const int limit = work < kParallelThreshold ? 1 : runtime::thread_limit();
    // Each matrix is cut along its longer side, if there are fewer matrices than threads.
    const bool by_rows = p.M >= p.N;
    const ptrdiff_t side = by_rows ? p.M : p.N;
    const ptrdiff_t cuts = std::clamp<ptrdiff_t>((limit + batches - 1) / batches, 1,
                                                 std::max<ptrdiff_t>(1, side / 16));
    const ptrdiff_t tasks = batches * cuts;
    const int threads = static_cast<int>(std::min<ptrdiff_t>(limit, tasks));

    // One scratch per calling thread, kept between calls; the team shares it by slices.
    const std::size_t scratch_floats =
        static_cast<std::size_t>(padded(kernels.gemm_scratch_floats));
    thread_local runtime::AlignedBuffer scratch;
    const std::size_t needed = scratch_floats * static_cast<std::size_t>(threads);
    if (scratch.size() < needed) scratch = runtime::AlignedBuffer(needed);
    float* const scratch_data = scratch.data();

    runtime::run_team(threads, [&](const runtime::Team& team) {
        GemmArgs whole;
        whole.M = p.M;
        whole.N = p.N;
        whole.K = p.K;
        whole.alpha = p.alpha;
        whole.a_row = p.a_row;
        whole.a_column = p.a_column;
        whole.b_row = p.b_row;
        whole.b_column = p.b_column;
        whole.accumulate = p.accumulate;
        whole.c_row = p.c_row;
        team.for_ranges(tasks, 1, [&](ptrdiff_t begin, ptrdiff_t end, int thread) {
            float* const own = scratch_data + static_cast<std::size_t>(thread) * scratch_floats;
            GemmArgs g = whole;
            for (ptrdiff_t task = begin; task < end; ++task) {
                const Offsets at = batch_offsets(p, cuts == 1 ? task : task / cuts);
                g.a = p.a + at.a;
                g.b = p.b + at.b;
                g.c = p.c + at.c;
                if (cuts > 1) {
                    const ptrdiff_t cut = task % cuts;
                    // Cuts fall on multiples of 16 columns, so that no vector is torn.
                    const ptrdiff_t unit = by_rows ? 1 : 16;
                    const ptrdiff_t units = (side + unit - 1) / unit;
                    const ptrdiff_t first = units * cut / cuts * unit;
                    const ptrdiff_t last = std::min(side, units * (cut + 1) / cuts * unit);
                    if (first >= last) continue;
                    (by_rows ? g.M : g.N) = last - first;
                    g.a += by_rows ? first * p.a_row : 0;
                    g.b += by_rows ? 0 : first * p.b_column;
                    g.c += by_rows ? first * p.c_row : first;
                }
                kernels.gemm(g, own);
            }
        });
    });
}

}  // namespace nncore::kernels
