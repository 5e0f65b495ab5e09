// The batched, threaded product: batches, broadcasting, cuts; the same bits for any team.
#include <string>
#include <vector>

#include "check.h"
#include "guarded.h"
#include "kernels/matmul.h"
#include "random.h"
#include "runtime/parallel.h"
#include "tables.h"

using namespace nncore;
using namespace nncore::kernels;

namespace {

struct Case {
    const char* what;
    ptrdiff_t M, N, K;
    std::vector<ptrdiff_t> batch;
    // Which batch dimensions of A and of B are broadcast.
    std::vector<bool> a_repeats, b_repeats;
    // Floats between two matrices of A and of C.
    ptrdiff_t a_gap = 0, c_gap = 0;
};

// Row-major stacks: the strides of each dimension, 0 where it repeats.
std::vector<ptrdiff_t> strides_of(const std::vector<ptrdiff_t>& batch,
                                  const std::vector<bool>& repeats, ptrdiff_t matrix,
                                  ptrdiff_t& total) {
    std::vector<ptrdiff_t> strides(batch.size());
    for (std::size_t d = batch.size(); d-- > 0;) {
        strides[d] = repeats[d] ? 0 : matrix;
        if (!repeats[d]) matrix *= batch[d];
    }
    total = matrix;
    return strides;
}

ptrdiff_t offset_of(ptrdiff_t index, const std::vector<ptrdiff_t>& batch,
                    const std::vector<ptrdiff_t>& strides) {
    ptrdiff_t offset = 0;
    for (std::size_t d = batch.size(); d-- > 0;) {
        offset += index % batch[d] * strides[d];
        index /= batch[d];
    }
    return offset;
}

void check_case(const Case& test, float alpha, bool accumulate, ptrdiff_t gap) {
    Random random(static_cast<std::uint64_t>(test.M * 31 + test.N * 7 + test.K));
    MatmulArgs p;
    p.M = test.M, p.N = test.N, p.K = test.K;
    p.alpha = alpha;
    p.accumulate = accumulate;
    p.a_row = test.K, p.a_column = 1;
    p.b_row = test.N, p.b_column = 1;
    p.c_row = test.N + gap;
    p.batch_shape = test.batch;
    ptrdiff_t a_size = 0, b_size = 0, c_size = 0;
    p.a_batch = strides_of(test.batch, test.a_repeats, test.M * test.K + test.a_gap, a_size);
    p.b_batch = strides_of(test.batch, test.b_repeats, test.K * test.N, b_size);
    p.c_batch = strides_of(test.batch, std::vector<bool>(test.batch.size()),
                           test.M * p.c_row + test.c_gap, c_size);
    const auto a = random_floats(random, a_size, kAtFence),
               b = random_floats(random, b_size, kAtFence);
    p.a = a.data(), p.b = b.data();
    auto start = untouched(c_size, kAtFence);
    ptrdiff_t batches = 1;
    for (const ptrdiff_t n : test.batch) batches *= n;
    for (ptrdiff_t m = 0; m < batches; ++m)
        for (ptrdiff_t i = 0; i < test.M; ++i)
            for (ptrdiff_t j = 0; j < test.N; ++j)
                start[offset_of(m, test.batch, p.c_batch) + i * p.c_row + j] = random.uniform();

    GuardedArray<float> expected = start;
    for (ptrdiff_t m = 0; m < batches; ++m)
        reference_table().gemm(
            {p.M, p.N, p.K, alpha, p.a + offset_of(m, test.batch, p.a_batch), p.a_row, p.a_column,
             p.b + offset_of(m, test.batch, p.b_batch), p.b_row, p.b_column, accumulate,
             expected.data() + offset_of(m, test.batch, p.c_batch), p.c_row},
            nullptr);
    for (const std::string& isa : available_isas()) {
        select_isa(isa);
        for (const int threads : {1, 2, 3, 8}) {
            runtime::set_thread_limit(threads);
            GuardedArray<float> actual = start;
            p.c = actual.data();
            matmul(p);
            CHECK_SAME(expected, actual,
                       test.what << ", " << isa << ", " << threads << " threads, gap " << gap);
        }
    }
}

const Case kCases[] = {
    {"one small product", 5, 7, 9, {}, {}, {}},
    // Above the size from which teams work (1e6): cut by rows, by columns, hardly at all.
    {"tall", 301, 37, 91, {}, {}, {}},
    {"wide", 37, 301, 91, {}, {}, {}},
    {"wide with a torn vector", 33, 1001, 31, {}, {}, {}},
    {"too narrow to cut", 15, 15, 4500, {}, {}, {}},
    {"a last sliver of four columns", 8, 100, 64, {2}, {false}, {false}},
    {"a stack", 20, 30, 11, {3}, {false}, {false}},
    {"a tall stack", 50, 60, 70, {5}, {false}, {false}},
    {"two matrices for three threads", 101, 80, 63, {2}, {false}, {false}},
    {"a stack times one matrix", 33, 40, 29, {2, 3}, {false, false}, {true, true}},
    {"a large stack times one matrix", 65, 70, 60, {2, 3}, {false, false}, {true, true}},
    {"a stack with gaps times one matrix", 9, 40, 29, {3}, {false}, {true}, 5, 0},
    {"a stack times one matrix, results with gaps", 9, 40, 29, {3}, {false}, {true}, 0, 5},
    {"one matrix times one matrix, several times", 9, 40, 29, {3}, {true}, {true}},
    {"one matrix times a stack", 33, 40, 29, {4}, {true}, {false}},
    {"outer batches", 9, 10, 11, {3, 4}, {false, true}, {true, false}},
    {"inner batches", 9, 10, 11, {3, 4}, {true, false}, {false, true}},
    {"single batch dimensions", 9, 10, 11, {1, 2, 1}, {false, false, true}, {true, false, false}},
    {"an empty batch", 3, 4, 5, {2, 0}, {false, false}, {false, false}},
    {"no rows", 0, 4, 5, {2}, {false}, {true}},
    {"no columns", 4, 0, 5, {2}, {false}, {false}},
    {"no terms", 4, 5, 0, {2}, {false}, {false}},
};

TEST(batches_and_teams) {
    for (const Case& test : kCases) {
        check_case(test, 1.0f, false, 0);
        check_case(test, -0.5f, true, 3);
    }
}

}  // namespace
