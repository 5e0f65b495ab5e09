// The kernels of dense layers: product with epilogue, weight gradient and update, transposition.
#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "check.h"
#include "exact.h"
#include "guarded.h"
#include "random.h"
#include "tables.h"

using namespace nncore::kernels;

namespace {

constexpr Activation kActivations[] = {
    Activation::linear,       Activation::relu,    Activation::relu6, Activation::leaky_relu,
    Activation::hard_sigmoid, Activation::sigmoid, Activation::tanh};

struct ProductCase {
    ptrdiff_t rows, K, blocks, offset;
    bool bias, backward;
    Activation activation;
};

void check_product(const ProductCase& test, const Kernels& reference,
                   const std::vector<const Kernels*>& tables) {
    Random random(static_cast<std::uint64_t>(test.rows * 7919 + test.K * 131 + test.blocks));
    const ptrdiff_t columns = test.blocks * kBlock;
    const ptrdiff_t a_row = test.K + test.offset, y_row = columns + test.offset,
                    x_row = columns + 2 * test.offset;
    const ptrdiff_t panel_stride = test.K * kBlock + kBlock * test.offset;
    const auto a = random_floats(random, (test.rows - 1) * a_row + test.K, test.offset);
    const auto panels = random_floats(random, (test.blocks - 1) * panel_stride + test.K * kBlock,
                                      (test.offset + 1) % 4);
    const auto bias = random_floats(random, columns, (test.offset + 2) % 4);
    auto x = random_floats(random, (test.rows - 1) * x_row + columns, (test.offset + 3) % 4,
                           test.activation == Activation::sigmoid ? 0.0f : -1.0f);
    // What relu gives: half of it is zero.
    if (test.activation == Activation::relu)
        for (float& value : x) value = std::max(0.0f, value);
    const auto start = untouched((test.rows - 1) * y_row + columns, test.offset);
    DenseProductArgs args{test.rows,
                          test.K,
                          test.blocks,
                          a.data(),
                          a_row,
                          panels.data(),
                          panel_stride,
                          test.bias ? bias.data() : nullptr,
                          test.activation,
                          test.backward ? x.data() : nullptr,
                          x_row,
                          nullptr,
                          y_row};
    const auto message = [&](const Kernels& table) {
        return std::string(table.isa) + " rows=" + std::to_string(test.rows) +
               " K=" + std::to_string(test.K) + " blocks=" + std::to_string(test.blocks) +
               (test.bias ? " bias" : "") + (test.backward ? " backward" : "") + " activation " +
               std::to_string(static_cast<int>(test.activation));
    };
    GuardedArray<float> expected = start;
    args.y = expected.data();
    reference.dense_product(args);
    CHECK_INTACT(expected, message(reference));
    long wrong = 0;
    for (ptrdiff_t r = 0; r < test.rows; ++r) {
        for (ptrdiff_t c = 0; c < columns; ++c) {
            double sum = test.bias ? static_cast<double>(bias[c]) : 0.0, size = std::fabs(sum);
            for (ptrdiff_t k = 0; k < test.K; ++k) {
                const double product =
                    static_cast<double>(a[r * a_row + k]) *
                    static_cast<double>(
                        panels[c / kBlock * panel_stride + k * kBlock + c % kBlock]);
                sum += product;
                size += std::fabs(product);
            }
            const double exact =
                test.backward
                    ? sum * derivative(test.activation, static_cast<double>(x[r * x_row + c]))
                    : activate(test.activation, sum);
            // K + 1 roundings of the sum (no derivative here exceeds 1), a few of the epilogue.
            const double bound = std::ldexp(1.0, -24) * (static_cast<double>(test.K + 1) * size +
                                                         4 * (std::fabs(exact) + std::fabs(sum)));
            const double error = std::fabs(static_cast<double>(expected[r * y_row + c]) - exact);
            wrong += error <= bound ? 0 : 1;
        }
        for (ptrdiff_t c = columns; c < y_row && r + 1 < test.rows; ++c)
            wrong += expected[r * y_row + c] == kUntouched ? 0 : 1;
    }
    CHECK_THAT(wrong == 0, message(reference) << ": " << wrong << " wrong elements");
    for (const Kernels* table : tables) {
        GuardedArray<float> actual = start;
        args.y = actual.data();
        table->dense_product(args);
        CHECK_SAME(expected, actual, message(*table));
    }
}

TEST(product) {
    const Kernels& reference = reference_table();
    const auto tables = fast_tables();
    ptrdiff_t turn = 0;
    for (const ptrdiff_t rows : {1, 2, 3, 5, 6, 7, 12, 13, 14, 15, 16, 28, 29, 33})
        for (const ptrdiff_t K : {1, 2, 3, 16, 17, 64})
            for (const ptrdiff_t blocks : {1, 2, 3, 4, 5})
                for (const bool backward : {false, true}) {
                    // All four activations on small cases, in turn on the others.
                    for (const Activation activation : kActivations)
                        if (K < 16 || static_cast<ptrdiff_t>(activation) == turn % 4)
                            check_product({rows, K, blocks, turn % 4, turn % 3 > 0 && !backward,
                                           backward, activation},
                                          reference, tables);
                    turn += 1 + (turn % 5 == 0 ? 1 : 0);
                }
    // No input at all: the bias alone.
    check_product({15, 0, 3, 1, true, false, Activation::tanh}, reference, tables);
}

// A team's threads each compute some of the columns, or some of the rows: parts make the whole.
TEST(product_in_parts) {
    const ptrdiff_t rows = 29, K = 33, blocks = 5, columns = blocks * kBlock;
    Random random(3);
    const auto a = random_floats(random, rows * K),
               panels = random_floats(random, blocks * K * kBlock),
               bias = random_floats(random, columns);
    for (const std::string& isa : available_isas()) {
        const Kernels& table = table_named(isa);
        GuardedArray<float> whole(rows * columns), by_columns(rows * columns),
            by_rows(rows * columns);
        DenseProductArgs args{rows,       K,           blocks,           a.data(), K, panels.data(),
                              K * kBlock, bias.data(), Activation::relu, nullptr,  0, whole.data(),
                              columns};
        table.dense_product(args);
        for (ptrdiff_t block = 0; block < blocks; ++block) {
            DenseProductArgs part = args;
            part.blocks = 1;
            part.panels += block * part.panel_stride;
            part.bias += block * kBlock;
            part.y = by_columns.data() + block * kBlock;
            table.dense_product(part);
        }
        for (ptrdiff_t first = 0; first < rows; first += 10) {
            DenseProductArgs part = args;
            part.rows = std::min<ptrdiff_t>(10, rows - first);
            part.a += first * K;
            part.y = by_rows.data() + first * columns;
            table.dense_product(part);
        }
        CHECK_SAME(whole, by_columns, isa);
        CHECK_SAME(whole, by_rows, isa);
    }
}

struct GradientCase {
    ptrdiff_t rows, inputs, begin, end, blocks, offset;
    bool update;
};

void check_gradient(const GradientCase& test, const Kernels& reference,
                    const std::vector<const Kernels*>& tables) {
    Random random(static_cast<std::uint64_t>(test.rows * 7919 + test.inputs * 131 + test.blocks));
    const ptrdiff_t columns = test.blocks * kBlock;
    const ptrdiff_t x_row = test.inputs + test.offset, d_row = columns + test.offset;
    const ptrdiff_t panel_stride = test.inputs * kBlock + kBlock * test.offset;
    const ptrdiff_t size = (test.blocks - 1) * panel_stride + test.inputs * kBlock;
    const auto x = random_floats(
        random, std::max<ptrdiff_t>(0, (test.rows - 1) * x_row + test.inputs), test.offset);
    const auto d = random_floats(random, std::max<ptrdiff_t>(0, (test.rows - 1) * d_row + columns),
                                 (test.offset + 1) % 4);
    const float learning_rate = 0.37f;
    const auto start = test.update ? random_floats(random, size, (test.offset + 2) % 4)
                                   : untouched(size, (test.offset + 2) % 4);
    DenseWeightGradientArgs args{test.rows,    test.begin, test.end, test.blocks,
                                 x.data(),     x_row,      d.data(), d_row,
                                 panel_stride, nullptr,    nullptr,  learning_rate};
    const auto message = [&](const Kernels& table) {
        return std::string(table.isa) + " rows=" + std::to_string(test.rows) + " inputs " +
               std::to_string(test.begin) + ".." + std::to_string(test.end) + " of " +
               std::to_string(test.inputs) + " blocks=" + std::to_string(test.blocks) +
               (test.update ? " update" : "");
    };
    const auto run = [&](const Kernels& table, GuardedArray<float>& result) {
        (test.update ? args.weights : args.gradient) = result.data();
        table.dense_weight_gradient(args);
    };
    GuardedArray<float> expected = start;
    run(reference, expected);
    CHECK_INTACT(expected, message(reference));
    long wrong = 0;
    // Everything starts as "must not change"; inputs outside [begin, end) and gaps stay so.
    std::vector<char> written(static_cast<std::size_t>(size), 0);
    for (ptrdiff_t i = test.begin; i < test.end; ++i)
        for (ptrdiff_t o = 0; o < columns; ++o) {
            double sum = 0, magnitude = 0;
            for (ptrdiff_t n = 0; n < test.rows; ++n) {
                const double product =
                    static_cast<double>(x[n * x_row + i]) * static_cast<double>(d[n * d_row + o]);
                sum += product;
                magnitude += std::fabs(product);
            }
            const ptrdiff_t at = o / kBlock * panel_stride + i * kBlock + o % kBlock;
            written[static_cast<std::size_t>(at)] = 1;
            double exact = sum;
            if (test.update) {
                exact = static_cast<double>(start[at]) - static_cast<double>(learning_rate) * sum;
                magnitude = magnitude * static_cast<double>(learning_rate) + std::fabs(exact);
            }
            const double bound =
                std::ldexp(1.0, -24) * static_cast<double>(test.rows + 2) * magnitude;
            wrong += std::fabs(static_cast<double>(expected[at]) - exact) <= bound ? 0 : 1;
        }
    for (ptrdiff_t at = 0; at < size; ++at)
        if (written[static_cast<std::size_t>(at)] == 0)
            wrong += same(expected[at], start[at]) ? 0 : 1;
    CHECK_THAT(wrong == 0, message(reference) << ": " << wrong << " wrong elements");
    for (const Kernels* table : tables) {
        GuardedArray<float> actual = start;
        run(*table, actual);
        CHECK_SAME(expected, actual, message(*table));
    }
}

TEST(weight_gradient_and_update) {
    const Kernels& reference = reference_table();
    const auto tables = fast_tables();
    ptrdiff_t turn = 0;
    for (const ptrdiff_t rows : {0, 1, 2, 5, 17, 33})
        for (const ptrdiff_t inputs : {1, 2, 3, 5, 6, 7, 13, 14, 15, 16, 29, 100})
            for (const ptrdiff_t blocks : {1, 2, 3, 4}) {
                check_gradient({rows, inputs, 0, inputs, blocks, turn % 4, turn % 2 == 0},
                               reference, tables);
                check_gradient({rows, inputs, 0, inputs, blocks, turn % 3, turn % 2 == 1},
                               reference, tables);
                check_gradient({rows, inputs, inputs / 3, inputs - inputs / 4, blocks, turn % 4,
                                turn % 2 == 0},
                               reference, tables);
                check_gradient({rows, inputs, inputs, inputs, blocks, 0, true}, reference, tables);
                ++turn;
            }
}

// An update is the gradient followed by sgd_update, bit for bit.
TEST(fused_update) {
    Random random(11);
    const ptrdiff_t rows = 19, inputs = 45, blocks = 3, size = blocks * inputs * kBlock;
    const auto x = random_floats(random, rows * inputs),
               d = random_floats(random, rows * blocks * kBlock), w = random_floats(random, size);
    for (const std::string& isa : available_isas()) {
        const Kernels& table = table_named(isa);
        GuardedArray<float> gradient(size), separate = w, fused = w;
        DenseWeightGradientArgs args{
            rows,    0,        inputs,          blocks,          x.data(),
            inputs,  d.data(), blocks * kBlock, inputs * kBlock, gradient.data(),
            nullptr, 0.05f};
        table.dense_weight_gradient(args);
        table.sgd_update(size, 0.05f, gradient.data(), separate.data());
        args.gradient = nullptr;
        args.weights = fused.data();
        table.dense_weight_gradient(args);
        CHECK_SAME(separate, fused, isa);
    }
}

TEST(transposed_panels) {
    for (const ptrdiff_t inputs : {1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 40, 100})
        for (const ptrdiff_t output_blocks : {1, 2, 3})
            for (const ptrdiff_t offset : {0, 1, 3}) {
                const ptrdiff_t input_blocks = blocks_of(inputs);
                const ptrdiff_t panel_stride = inputs * kBlock + offset;
                const ptrdiff_t transposed_stride = output_blocks * kBlock * kBlock + offset;
                Random random(static_cast<std::uint64_t>(inputs));
                const auto panels = random_floats(
                    random, (output_blocks - 1) * panel_stride + inputs * kBlock, offset);
                const auto start = untouched(
                    (input_blocks - 1) * transposed_stride + output_blocks * kBlock * kBlock,
                    (offset + 1) % 4);
                for (const ptrdiff_t blocks : {ptrdiff_t{0}, input_blocks / 2, input_blocks}) {
                    GuardedArray<float> expected = start;
                    for (ptrdiff_t i = 0; i < blocks * kBlock; ++i)
                        for (ptrdiff_t o = 0; o < output_blocks * kBlock; ++o)
                            expected[i / kBlock * transposed_stride + o * kBlock + i % kBlock] =
                                i < inputs
                                    ? panels[o / kBlock * panel_stride + i * kBlock + o % kBlock]
                                    : 0.0f;
                    for (const std::string& isa : available_isas()) {
                        GuardedArray<float> actual = start;
                        table_named(isa).transpose_panels(inputs, output_blocks, panels.data(),
                                                          panel_stride, blocks, actual.data(),
                                                          transposed_stride);
                        CHECK_SAME(expected, actual,
                                   isa << " inputs=" << inputs << " output blocks=" << output_blocks
                                       << " first " << blocks);
                    }
                }
            }
}

}  // namespace
