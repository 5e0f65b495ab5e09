// The GEMM kernel of every instruction set against the reference, bit for bit, and the reference
// against double arithmetic.
#include <array>
#include <cmath>
#include <cstdlib>
#include <string>
#include <vector>

#include "check.h"
#include "exact.h"
#include "guarded.h"
#include "random.h"
#include "tables.h"

using namespace nncore::kernels;

namespace {

struct Size {
    ptrdiff_t M, N, K;
};

// A logical matrix laid out in memory in one of several ways.
enum class Layout {
    rows,       // row-major with a gap after each row
    columns,    // its transpose, likewise
    scattered,  // neither dimension contiguous
    backwards,  // row-major, last row first: a negative stride
    pages,      // row-major, each row on a page of its own: rows meet in the cache
};
constexpr std::array<std::array<Layout, 2>, 7> kLayouts{{
    {Layout::rows, Layout::rows},
    {Layout::columns, Layout::rows},
    {Layout::rows, Layout::columns},
    {Layout::columns, Layout::columns},
    {Layout::scattered, Layout::scattered},
    {Layout::backwards, Layout::backwards},
    {Layout::pages, Layout::columns},
}};

struct Matrix {
    GuardedArray<float> storage;
    const float* origin;
    ptrdiff_t row, column;
};

Matrix lay_out(const GuardedArray<float>& values, ptrdiff_t rows, ptrdiff_t columns, Layout layout,
               ptrdiff_t offset, bool at_fence = false) {
    ptrdiff_t row = 0, column = 0, first = 0, size = 0;
    switch (layout) {
        case Layout::rows:
            row = columns + offset, column = 1;
            size = (rows - 1) * row + columns;
            break;
        case Layout::columns:
            row = 1, column = rows + offset;
            size = (columns - 1) * column + rows;
            break;
        case Layout::scattered:
            row = 2, column = 2 * rows + 1;
            size = (columns - 1) * column + (rows - 1) * row + 1;
            break;
        case Layout::pages:
            row = (columns + 1023) / 1024 * 1024, column = 1;
            size = (rows - 1) * row + columns;
            break;
        case Layout::backwards:
            row = -(columns + offset), column = 1;
            first = (rows - 1) * -row;
            size = first + columns;
            break;
    }
    if (rows == 0 || columns == 0) size = 0, first = 0;
    Matrix matrix{GuardedArray<float>(size, at_fence ? kAtFence : offset), nullptr, row, column};
    // A gap that is read spoils the result.
    for (float& x : matrix.storage) x = std::nanf("");
    for (ptrdiff_t i = 0; i < rows; ++i)
        for (ptrdiff_t j = 0; j < columns; ++j)
            matrix.storage[first + i * row + j * column] = values[i * columns + j];
    matrix.origin = matrix.storage.data() + first;
    return matrix;
}

struct Scratch {
    explicit Scratch(const Kernels& kernels) : floats(kernels.gemm_scratch_floats) {}
    GuardedArray<float> floats;
};

std::string describe(const char* isa, Size s, float alpha, bool accumulate, std::size_t layout) {
    return std::string(isa) + " M=" + std::to_string(s.M) + " N=" + std::to_string(s.N) +
           " K=" + std::to_string(s.K) + " alpha=" + std::to_string(alpha) +
           (accumulate ? " accumulate" : "") + " layout " + std::to_string(layout);
}

// One size: the reference against double, every table and layout against the reference.
void check_size(Size s, float alpha, bool accumulate, const Kernels& reference,
                const std::vector<const Kernels*>& tables, std::vector<Scratch>& scratch) {
    Random random(static_cast<std::uint64_t>(s.M * 1000003 + s.N * 1009 + s.K));
    const auto a = random_floats(random, s.M * s.K);
    const auto b = random_floats(random, s.K * s.N);
    const ptrdiff_t gap = random.below(4), c_row = s.N + gap;
    auto start = untouched((s.M - 1) * c_row + s.N, random.below(4));
    for (ptrdiff_t i = 0; i < s.M; ++i)
        for (ptrdiff_t j = 0; j < s.N; ++j) start[i * c_row + j] = random.uniform();

    GuardedArray<float> expected = start;
    reference.gemm({s.M, s.N, s.K, alpha, a.data(), s.K, 1, b.data(), s.N, 1, accumulate,
                    expected.data(), c_row},
                   nullptr);
    ExactSums sums = accumulate ? ExactSums(start) : ExactSums(start.size());
    long wrong = 0;
    for (ptrdiff_t i = 0; i < s.M; ++i) {
        for (ptrdiff_t k = 0; k < s.K; ++k) {
            const double x = static_cast<double>(alpha) * static_cast<double>(a[i * s.K + k]);
            for (ptrdiff_t j = 0; j < s.N; ++j)
                sums.add(i * c_row + j, x * static_cast<double>(b[k * s.N + j]));
        }
        // K additions, each rounded once, and the rounding of alpha * a.
        for (ptrdiff_t j = 0; j < s.N; ++j)
            wrong += sums.near(i * c_row + j, expected[i * c_row + j], s.K + 1) ? 0 : 1;
        for (ptrdiff_t j = s.N; j < c_row && i + 1 < s.M; ++j)
            wrong += expected[i * c_row + j] == kUntouched ? 0 : 1;
    }
    CHECK_THAT(wrong == 0, describe("reference", s, alpha, accumulate, 0)
                               << ": " << wrong << " wrong elements");
    CHECK_INTACT(expected, describe("reference", s, alpha, accumulate, 0));

    for (std::size_t layout = 0; layout < kLayouts.size(); ++layout) {
        const Matrix x = lay_out(a, s.M, s.K, kLayouts[layout][0], random.below(4));
        const Matrix y = lay_out(b, s.K, s.N, kLayouts[layout][1], random.below(4));
        for (std::size_t t = 0; t < tables.size(); ++t) {
            GuardedArray<float> actual = start;
            tables[t]->gemm({s.M, s.N, s.K, alpha, x.origin, x.row, x.column, y.origin, y.row,
                             y.column, accumulate, actual.data(), c_row},
                            scratch[t].floats.data());
            CHECK_SAME(expected, actual, describe(tables[t]->isa, s, alpha, accumulate, layout));
            CHECK_INTACT(scratch[t].floats, describe(tables[t]->isa, s, alpha, accumulate, layout));
        }
    }
}

void check_sizes(const std::vector<ptrdiff_t>& Ms, const std::vector<ptrdiff_t>& Ns,
                 const std::vector<ptrdiff_t>& Ks) {
    const Kernels& reference = reference_table();
    const auto tables = fast_tables();
    std::vector<Scratch> scratch;
    for (const Kernels* table : tables) scratch.emplace_back(*table);
    int turn = 0;
    for (const ptrdiff_t M : Ms)
        for (const ptrdiff_t N : Ns)
            for (const ptrdiff_t K : Ks) {
                // Small products in all four ways, large ones in turn.
                const bool all = M * N * K <= 6000;
                for (int way = 0; way < 4; ++way)
                    if (all || way == turn % 4)
                        check_size({M, N, K}, way % 2 == 0 ? 1.0f : -0.5f, way / 2 == 1, reference,
                                   tables, scratch);
                // 3 sizes of K at least: a step of 1 would give each K always the same way.
                turn += 1 + (turn % 7 == 0 ? 1 : 0);
            }
}

// The register tiles are 14, 6 and 2 rows of 32 or 16 columns; B is packed for three tiles and
// more; products with 8 columns or fewer are turned round.
TEST(tile_edges) {
    check_sizes({1, 2, 3, 5, 6, 7, 13, 14, 15, 29},
                {1, 2, 3, 4, 8, 9, 15, 16, 17, 20, 31, 32, 33, 65}, {1, 2, 3, 15, 16, 17, 33});
}

// Blocks of K (256) and of columns (512).
TEST(block_edges) {
    check_sizes({1, 3, 6, 14, 15, 29}, {1, 3, 16, 33}, {255, 256, 257, 513});
    check_sizes({1, 2, 7, 15, 29}, {511, 512, 513}, {1, 17});
    check_sizes({2, 15, 43}, {513}, {257});
    check_sizes({257, 513}, {1, 3, 9, 15, 33}, {3, 17, 257});
}

TEST(any_scale) {
    const Kernels& reference = reference_table();
    const auto tables = fast_tables();
    std::vector<Scratch> scratch;
    for (const Kernels* table : tables) scratch.emplace_back(*table);
    for (const float alpha : {0.3f, -1.0f, 1e-30f, 0.0f})
        for (const bool accumulate : {false, true})
            for (const Size s : {Size{1, 1, 1}, Size{5, 7, 19}, Size{15, 33, 17}, Size{40, 3, 20}})
                check_size(s, alpha, accumulate, reference, tables, scratch);
}

// Random products whose operands end where their memory ends: a read of one float more, in a lane
// that goes into no result, ends the test. NNCORE_TEST_CALLS=20000 is the long form.
TEST(operands_at_the_end_of_their_memory) {
    const Kernels& reference = reference_table();
    const auto tables = fast_tables();
    std::vector<Scratch> scratch;
    for (const Kernels* table : tables) scratch.emplace_back(*table);
    const char* const asked = std::getenv("NNCORE_TEST_CALLS");
    const long calls = asked == nullptr ? 2000 : std::atol(asked);
    Random random(11);
    for (long call = 0; call < calls; ++call) {
        // First those that a last half sliver of four lanes once read too far.
        constexpr Size kFirst[] = {{8, 100, 1}, {8, 100, 64}, {4, 4, 1}, {2, 20, 5}};
        const Size s = call < 4
                           ? kFirst[call]
                           : Size{1 + random.below(call % 5 == 0 ? 90 : 20), 1 + random.below(140),
                                  1 + random.below(call % 7 == 0 ? 300 : 40)};
        const auto layout = call < 4 ? 0u : static_cast<std::size_t>(random.below(6));
        const float alpha = random.below(3) == 0 ? 0.5f : 1.0f;
        const bool accumulate = random.below(2) == 0;
        const auto a = random_floats(random, s.M * s.K), b = random_floats(random, s.K * s.N);
        const ptrdiff_t c_row = s.N + random.below(2);
        const auto start = random_floats(random, (s.M - 1) * c_row + s.N, kAtFence);
        const ptrdiff_t gap = random.below(2);
        const Matrix x = lay_out(a, s.M, s.K, kLayouts[layout][0], gap, true);
        const Matrix y = lay_out(b, s.K, s.N, kLayouts[layout][1], gap, true);
        GuardedArray<float> expected = start;
        reference.gemm({s.M, s.N, s.K, alpha, a.data(), s.K, 1, b.data(), s.N, 1, accumulate,
                        expected.data(), c_row},
                       nullptr);
        for (std::size_t t = 0; t < tables.size(); ++t) {
            GuardedArray<float> actual = start;
            tables[t]->gemm({s.M, s.N, s.K, alpha, x.origin, x.row, x.column, y.origin, y.row,
                             y.column, accumulate, actual.data(), c_row},
                            scratch[t].floats.data());
            CHECK_SAME(expected, actual, describe(tables[t]->isa, s, alpha, accumulate, layout));
        }
    }
}

// Without terms the sum is 0, or C itself; without rows or columns nothing happens.
TEST(empty_products) {
    auto tables = fast_tables();
    tables.push_back(&reference_table());
    for (const Kernels* table : tables) {
        Scratch scratch(*table);
        for (const bool accumulate : {false, true})
            for (const Size s :
                 {Size{3, 5, 0}, Size{15, 33, 0}, Size{0, 5, 4}, Size{3, 0, 4}, Size{0, 0, 0}}) {
                const ptrdiff_t c_row = s.N + 2;
                auto start = untouched(s.M * c_row);
                for (ptrdiff_t i = 0; i < s.M; ++i)
                    for (ptrdiff_t j = 0; j < s.N; ++j) start[i * c_row + j] = 2.5f;
                GuardedArray<float> expected = start, actual = start;
                for (ptrdiff_t i = 0; i < s.M; ++i)
                    for (ptrdiff_t j = 0; j < s.N; ++j)
                        expected[i * c_row + j] = accumulate ? 2.5f : 0.0f;
                const GuardedArray<float> a(s.M * s.K), b(s.K * s.N);
                table->gemm({s.M, s.N, s.K, 1.0f, a.data(), s.K, 1, b.data(), s.N, 1, accumulate,
                             actual.data(), c_row},
                            scratch.floats.data());
                CHECK_SAME(expected, actual, describe(table->isa, s, 1.0f, accumulate, 0));
            }
    }
}

// Infinities, NaN and zeros of both signs go through as the reference's chain has them.
TEST(special_values) {
    const Kernels& reference = reference_table();
    const auto tables = fast_tables();
    const float values[] = {0.0f,      -0.0f,         1.0f,  -1.0f, INFINITY,
                            -INFINITY, std::nanf(""), 3e38f, 1e-45f};
    Random random(5);
    for (const Size s : {Size{3, 5, 2}, Size{15, 33, 3}, Size{40, 3, 4}}) {
        for (int round = 0; round < 20; ++round) {
            GuardedArray<float> a(s.M * s.K), b(s.K * s.N), expected(s.M * s.N);
            // Rare enough to leave some sums finite.
            for (float& x : a)
                x = random.below(4) == 0 ? values[random.below(9)] : random.uniform();
            for (float& x : b)
                x = random.below(4) == 0 ? values[random.below(9)] : random.uniform();
            const GuardedArray<float> start = expected;
            const auto args = [&](float* c) {
                return GemmArgs{s.M,      s.N, s.K, 1.0f,  a.data(), s.K, 1,
                                b.data(), s.N, 1,   false, c,        s.N};
            };
            reference.gemm(args(expected.data()), nullptr);
            for (const Kernels* table : tables) {
                Scratch scratch(*table);
                GuardedArray<float> actual = start;
                table->gemm(args(actual.data()), scratch.floats.data());
                CHECK_SAME(expected, actual, describe(table->isa, s, 1.0f, false, 0));
            }
        }
    }
}

}  // namespace
