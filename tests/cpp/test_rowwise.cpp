// Softmax and the losses: every instruction set against the reference, bit for bit; the reference
// against double arithmetic.
#include <cmath>
#include <string>
#include <vector>

#include "check.h"
#include "guarded.h"
#include "random.h"
#include "tables.h"

using namespace nncore::kernels;

namespace {

constexpr double kUnit = 0x1p-24;  // half a unit in the last place of 1

// A rows x columns matrix in memory with a gap after each row.
struct Table2D {
    ptrdiff_t rows, columns, row;
    GuardedArray<float> storage;

    float at(ptrdiff_t r, ptrdiff_t c) const { return storage[r * row + c]; }
};

ptrdiff_t footprint(ptrdiff_t rows, ptrdiff_t columns, ptrdiff_t row) {
    return rows == 0 ? 0 : (rows - 1) * row + columns;
}

Table2D random_table(Random& random, ptrdiff_t rows, ptrdiff_t columns, ptrdiff_t offset, float low,
                     float high) {
    const ptrdiff_t row = columns + offset;
    Table2D table{rows, columns, row,
                  random_floats(random, footprint(rows, columns, row), offset, low, high)};
    for (ptrdiff_t r = 0; r + 1 < rows; ++r)
        for (ptrdiff_t c = columns; c < row; ++c) table.storage[r * row + c] = std::nanf("");
    return table;
}

// The outputs of the loss kernels.
struct Outcome {
    Outcome(ptrdiff_t rows, ptrdiff_t columns, ptrdiff_t offset)
        : row(columns + offset),
          losses(untouched(rows, offset)),
          gradient(untouched(footprint(rows, columns, row), (offset + 1) % 4)),
          predicted(rows, offset) {}
    ptrdiff_t row;
    GuardedArray<float> losses, gradient;
    GuardedArray<std::int32_t> predicted;
};

std::string describe(const Kernels& table, ptrdiff_t rows, ptrdiff_t columns) {
    return std::string(table.isa) + " " + std::to_string(rows) + " x " + std::to_string(columns);
}

const ptrdiff_t kRows[] = {0, 1, 2, 7, 8, 9, 15, 16, 17, 33};
const ptrdiff_t kColumns[] = {1, 2, 3, 7, 10, 15, 16, 17, 31, 32, 33, 100};

TEST(softmax) {
    Random random(1);
    const Kernels& reference = reference_table();
    const auto tables = fast_tables();
    for (const ptrdiff_t rows : kRows)
        for (const ptrdiff_t columns : kColumns)
            for (const ptrdiff_t offset : {0, 1, 3}) {
                const Table2D x = random_table(random, rows, columns, offset, -20.0f, 20.0f);
                const ptrdiff_t y_row = columns + 2 * offset;
                const auto start = untouched(footprint(rows, columns, y_row), 3 - offset);
                GuardedArray<float> expected = start;
                reference.softmax(rows, columns, x.storage.data(), x.row, expected.data(), y_row,
                                  nullptr);
                CHECK_INTACT(expected, describe(reference, rows, columns));
                long wrong = 0;
                for (ptrdiff_t r = 0; r < rows; ++r) {
                    double largest = -INFINITY, sum = 0;
                    for (ptrdiff_t c = 0; c < columns; ++c)
                        largest = std::max(largest, static_cast<double>(x.at(r, c)));
                    for (ptrdiff_t c = 0; c < columns; ++c)
                        sum += std::exp(static_cast<double>(x.at(r, c)) - largest);
                    for (ptrdiff_t c = 0; c < columns; ++c) {
                        const double argument = static_cast<double>(x.at(r, c)) - largest;
                        const double exact = std::exp(argument) / sum;
                        // The difference, rounded to half a unit, is what exp sees; then exp, the
                        // sum and the division.
                        const double bound =
                            exact * kUnit *
                            (std::fabs(argument) + 8 + static_cast<double>(columns));
                        const double y = static_cast<double>(expected[r * y_row + c]);
                        wrong += std::fabs(y - exact) <= bound ? 0 : 1;
                    }
                    for (ptrdiff_t c = columns; c < y_row && r + 1 < rows; ++c)
                        wrong += expected[r * y_row + c] == kUntouched ? 0 : 1;
                }
                CHECK_THAT(wrong == 0, describe(reference, rows, columns)
                                           << ": " << wrong << " wrong");
                for (const Kernels* table : tables) {
                    GuardedArray<float> actual = start, scratch(3 * 16 * columns);
                    table->softmax(rows, columns, x.storage.data(), x.row, actual.data(), y_row,
                                   scratch.data());
                    CHECK_SAME(expected, actual, describe(*table, rows, columns));
                    CHECK_INTACT(scratch, describe(*table, rows, columns));
                }
            }
}

TEST(softmax_gradient) {
    Random random(2);
    const Kernels& reference = reference_table();
    const auto tables = fast_tables();
    for (const ptrdiff_t rows : kRows)
        for (const ptrdiff_t columns : kColumns)
            for (const ptrdiff_t offset : {0, 1, 3}) {
                const Table2D y = random_table(random, rows, columns, offset, 0.0f, 1.0f);
                const Table2D dy = random_table(random, rows, columns, 3 - offset, -1.0f, 1.0f);
                const ptrdiff_t dx_row = columns + 2 * offset;
                const auto start = untouched(footprint(rows, columns, dx_row), offset);
                GuardedArray<float> expected = start;
                reference.softmax_gradient(rows, columns, y.storage.data(), y.row,
                                           dy.storage.data(), dy.row, expected.data(), dx_row,
                                           nullptr);
                CHECK_INTACT(expected, describe(reference, rows, columns));
                long wrong = 0;
                for (ptrdiff_t r = 0; r < rows; ++r) {
                    double dot = 0, size = 0;
                    for (ptrdiff_t c = 0; c < columns; ++c) {
                        const double product =
                            static_cast<double>(y.at(r, c)) * static_cast<double>(dy.at(r, c));
                        dot += product;
                        size += std::fabs(product);
                    }
                    for (ptrdiff_t c = 0; c < columns; ++c) {
                        const double d = static_cast<double>(dy.at(r, c));
                        const double exact = static_cast<double>(y.at(r, c)) * (d - dot);
                        const double bound = kUnit * (static_cast<double>(columns + 2) * size +
                                                      2 * std::fabs(d) + 2 * std::fabs(exact));
                        const double actual = static_cast<double>(expected[r * dx_row + c]);
                        wrong += std::fabs(actual - exact) <= bound ? 0 : 1;
                    }
                }
                CHECK_THAT(wrong == 0, describe(reference, rows, columns)
                                           << ": " << wrong << " wrong");
                for (const Kernels* table : tables) {
                    GuardedArray<float> actual = start, scratch(3 * 16 * columns);
                    table->softmax_gradient(rows, columns, y.storage.data(), y.row,
                                            dy.storage.data(), dy.row, actual.data(), dx_row,
                                            scratch.data());
                    CHECK_SAME(expected, actual, describe(*table, rows, columns));
                    CHECK_INTACT(scratch, describe(*table, rows, columns));
                    // In place, as the network uses it behind a softmax with an activation.
                    GuardedArray<float> in_place = dy.storage;
                    table->softmax_gradient(rows, columns, y.storage.data(), y.row, in_place.data(),
                                            dy.row, in_place.data(), dy.row, scratch.data());
                    long different = 0;
                    for (ptrdiff_t r = 0; r < rows; ++r)
                        for (ptrdiff_t c = 0; c < columns; ++c)
                            different +=
                                same(expected[r * dx_row + c], in_place[r * dy.row + c]) ? 0 : 1;
                    CHECK_THAT(different == 0, describe(*table, rows, columns) << " in place");
                }
            }
}

using LossKernel = decltype(Kernels::squared_error);

void run_loss(LossKernel kernel, const Table2D& output, const Table2D& target, float scale,
              Outcome& outcome, float* scratch) {
    kernel(output.rows, output.columns, scale, output.storage.data(), output.row,
           target.storage.data(), target.row, outcome.losses.data(), outcome.gradient.data(),
           outcome.row, outcome.predicted.data(), scratch);
}

// Every table against the outcome of the reference, also with some results not asked for.
void compare_loss(LossKernel Kernels::* kernel, const Table2D& output, const Table2D& target,
                  float scale, ptrdiff_t offset, const Outcome& expected,
                  const std::vector<const Kernels*>& tables) {
    for (const Kernels* table : tables) {
        const std::string what = describe(*table, output.rows, output.columns);
        GuardedArray<float> scratch(3 * 16 * output.columns);
        Outcome all(output.rows, output.columns, offset);
        run_loss(table->*kernel, output, target, scale, all, scratch.data());
        CHECK_SAME(expected.losses, all.losses, what << " losses");
        CHECK_SAME(expected.gradient, all.gradient, what << " gradient");
        CHECK_SAME(expected.predicted, all.predicted, what << " predicted");
        CHECK_INTACT(scratch, what);
        for (int wanted = 0; wanted < 8; ++wanted) {
            Outcome some(output.rows, output.columns, offset);
            (table->*kernel)(output.rows, output.columns, scale, output.storage.data(), output.row,
                             target.storage.data(), target.row,
                             (wanted & 1) != 0 ? some.losses.data() : nullptr,
                             (wanted & 2) != 0 ? some.gradient.data() : nullptr, some.row,
                             (wanted & 4) != 0 ? some.predicted.data() : nullptr, scratch.data());
            if ((wanted & 1) != 0) CHECK_SAME(expected.losses, some.losses, what << " losses only");
            if ((wanted & 2) != 0)
                CHECK_SAME(expected.gradient, some.gradient, what << " gradient only");
            if ((wanted & 4) != 0)
                CHECK_SAME(expected.predicted, some.predicted, what << " predicted only");
        }
    }
}

ptrdiff_t first_largest(const Table2D& table, ptrdiff_t r) {
    ptrdiff_t index = 0;
    for (ptrdiff_t c = 1; c < table.columns; ++c)
        if (table.at(r, c) > table.at(r, index)) index = c;
    return index;
}

TEST(squared_error) {
    Random random(3);
    const Kernels& reference = reference_table();
    const auto tables = fast_tables();
    for (const ptrdiff_t rows : kRows)
        for (const ptrdiff_t columns : kColumns)
            for (const ptrdiff_t offset : {0, 1, 3}) {
                Table2D output = random_table(random, rows, columns, offset, -1.0f, 1.0f);
                const Table2D target = random_table(random, rows, columns, 3 - offset, 0.0f, 1.0f);
                // Equal largest outputs: the first one counts.
                for (ptrdiff_t r = 0; r < rows; r += 2)
                    output.storage[r * output.row + columns - 1] =
                        output.at(r, first_largest(output, r));
                const float scale = 0.3f;
                Outcome expected(rows, columns, offset);
                run_loss(reference.squared_error, output, target, scale, expected, nullptr);
                CHECK_INTACT(expected.gradient, describe(reference, rows, columns));
                long wrong = 0;
                for (ptrdiff_t r = 0; r < rows; ++r) {
                    double sum = 0;
                    for (ptrdiff_t c = 0; c < columns; ++c) {
                        const double difference = static_cast<double>(output.at(r, c)) -
                                                  static_cast<double>(target.at(r, c));
                        sum += difference * difference;
                        const double exact = 2 * static_cast<double>(scale) * difference;
                        const double g =
                            static_cast<double>(expected.gradient[r * expected.row + c]);
                        wrong += std::fabs(g - exact) <= 3 * kUnit * std::fabs(exact) ? 0 : 1;
                    }
                    const double bound = kUnit * sum * static_cast<double>(columns + 3);
                    wrong +=
                        std::fabs(static_cast<double>(expected.losses[r]) - sum) <= bound ? 0 : 1;
                    wrong += expected.predicted[r] == first_largest(output, r) ? 0 : 1;
                }
                CHECK_THAT(wrong == 0, describe(reference, rows, columns)
                                           << ": " << wrong << " wrong");
                compare_loss(&Kernels::squared_error, output, target, scale, offset, expected,
                             tables);
            }
}

// Truth Cat, output (0.37, 0.50, 0.13): SSE 0.6638, predicted label Dog.
TEST(squared_error_of_the_lesson) {
    const float output[] = {0.37f, 0.50f, 0.13f}, target[] = {1.0f, 0.0f, 0.0f};
    for (const std::string& isa : available_isas()) {
        GuardedArray<float> scratch(3 * 16 * 3), gradient(3);
        float loss = 0;
        std::int32_t predicted = -1;
        table_named(isa).squared_error(1, 3, 1.0f, output, 3, target, 3, &loss, gradient.data(), 3,
                                       &predicted, scratch.data());
        CHECK(std::fabs(loss - 0.6638f) < 1e-6f);
        CHECK_EQUAL(1, predicted);
        CHECK(std::fabs(gradient[0] + 1.26f) < 1e-6f);
        CHECK(std::fabs(gradient[1] - 1.0f) < 1e-6f);
        CHECK(std::fabs(gradient[2] - 0.26f) < 1e-6f);
    }
}

TEST(softmax_cross_entropy) {
    Random random(4);
    const Kernels& reference = reference_table();
    const auto tables = fast_tables();
    for (const ptrdiff_t rows : kRows)
        for (const ptrdiff_t columns : kColumns)
            for (const ptrdiff_t offset : {0, 1, 3}) {
                const Table2D logits = random_table(random, rows, columns, offset, -15.0f, 15.0f);
                Table2D target = random_table(random, rows, columns, 3 - offset, 0.0f, 1.0f);
                // Even rows are one-hot, odd ones soft, with sums other than 1.
                for (ptrdiff_t r = 0; r < rows; r += 2) {
                    const ptrdiff_t label = random.below(columns);
                    for (ptrdiff_t c = 0; c < columns; ++c)
                        target.storage[r * target.row + c] = c == label ? 1.0f : 0.0f;
                }
                const float scale = 0.125f;
                Outcome expected(rows, columns, offset);
                run_loss(reference.softmax_cross_entropy, logits, target, scale, expected, nullptr);
                CHECK_INTACT(expected.gradient, describe(reference, rows, columns));
                long wrong = 0;
                for (ptrdiff_t r = 0; r < rows; ++r) {
                    double largest = -INFINITY, sum = 0, weight = 0, loss = 0;
                    for (ptrdiff_t c = 0; c < columns; ++c)
                        largest = std::max(largest, static_cast<double>(logits.at(r, c)));
                    for (ptrdiff_t c = 0; c < columns; ++c) {
                        sum += std::exp(static_cast<double>(logits.at(r, c)) - largest);
                        weight += static_cast<double>(target.at(r, c));
                    }
                    for (ptrdiff_t c = 0; c < columns; ++c)
                        loss += static_cast<double>(target.at(r, c)) *
                                (std::log(sum) + largest - static_cast<double>(logits.at(r, c)));
                    const double n = static_cast<double>(columns);
                    // 30: the spread of the logits, whose differences are rounded.
                    const double bound = kUnit * weight * (n + 8) * 30;
                    wrong +=
                        std::fabs(static_cast<double>(expected.losses[r]) - loss) <= bound ? 0 : 1;
                    for (ptrdiff_t c = 0; c < columns; ++c) {
                        const double p =
                            std::exp(static_cast<double>(logits.at(r, c)) - largest) / sum * weight;
                        const double t = static_cast<double>(target.at(r, c));
                        const double exact = static_cast<double>(scale) * (p - t);
                        const double g =
                            static_cast<double>(expected.gradient[r * expected.row + c]);
                        wrong += std::fabs(g - exact) <=
                                         static_cast<double>(scale) * kUnit * (p * (2 * n + 40) + t)
                                     ? 0
                                     : 1;
                    }
                    wrong += expected.predicted[r] == first_largest(logits, r) ? 0 : 1;
                }
                CHECK_THAT(wrong == 0, describe(reference, rows, columns)
                                           << ": " << wrong << " wrong");
                compare_loss(&Kernels::softmax_cross_entropy, logits, target, scale, offset,
                             expected, tables);
            }
}

TEST(softmax_focal) {
    Random random(7);
    const Kernels& reference = reference_table();
    const auto tables = fast_tables();
    for (const ptrdiff_t rows : kRows)
        for (const ptrdiff_t columns : kColumns) {
            const Table2D logits = random_table(random, rows, columns, 1, -6.0f, 6.0f);
            Table2D target = random_table(random, rows, columns, 2, 0.0f, 1.0f);
            for (ptrdiff_t r = 0; r < rows; r += 2) {
                const ptrdiff_t label = random.below(columns);
                for (ptrdiff_t c = 0; c < columns; ++c)
                    target.storage[r * target.row + c] = c == label ? 1.0f : 0.0f;
            }
            const float scale = 0.125f;
            Outcome expected(rows, columns, 1);
            run_loss(reference.softmax_focal, logits, target, scale, expected, nullptr);
            long wrong = 0;
            for (ptrdiff_t r = 0; r < rows; ++r) {
                // The slope of the definition, by its derivative with respect to each p.
                std::vector<double> p, slope;
                double sum = 0, loss = 0, dot = 0, weight = 0;
                for (ptrdiff_t c = 0; c < columns; ++c)
                    sum += std::exp(static_cast<double>(logits.at(r, c)));
                for (ptrdiff_t c = 0; c < columns; ++c) {
                    const double t = static_cast<double>(target.at(r, c));
                    p.push_back(std::exp(static_cast<double>(logits.at(r, c))) / sum);
                    const double rest = 1 - p.back(), log_p = std::log(p.back());
                    loss -= t * rest * rest * log_p;
                    slope.push_back(t * (2 * rest * log_p - rest * rest / p.back()));
                    dot += slope.back() * p.back();
                    weight += t;
                }
                const double n = static_cast<double>(columns);
                // 12: the spread of the logits. 1 - p has the rounding of p, whatever is left.
                const double bound = kUnit * weight * (n + 12) * 12;
                wrong += std::fabs(static_cast<double>(expected.losses[r]) - loss) <= bound ? 0 : 1;
                for (std::size_t c = 0; c < p.size(); ++c) {
                    const double exact = static_cast<double>(scale) * p[c] * (slope[c] - dot);
                    const double g = static_cast<double>(
                        expected.gradient[r * expected.row + static_cast<ptrdiff_t>(c)]);
                    wrong += std::fabs(g - exact) <= static_cast<double>(scale) * bound ? 0 : 1;
                }
                wrong += expected.predicted[r] == first_largest(logits, r) ? 0 : 1;
            }
            CHECK_THAT(wrong == 0, describe(reference, rows, columns) << ": " << wrong << " wrong");
            compare_loss(&Kernels::softmax_focal, logits, target, scale, 1, expected, tables);
        }
}

// Rows with NaN, infinities and huge logits; only the bits have to agree, but a NaN must show.
TEST(special_rows) {
    Random random(5);
    const Kernels& reference = reference_table();
    const auto tables = fast_tables();
    const float specials[] = {std::nanf(""), INFINITY, -INFINITY, 3e38f,
                              -3e38f,        0.0f,     -0.0f,     200.0f};
    for (const ptrdiff_t columns : {1, 2, 3, 10, 17})
        for (int round = 0; round < 30; ++round) {
            const ptrdiff_t rows = 19;
            Table2D x = random_table(random, rows, columns, 1, -2.0f, 2.0f);
            const Table2D target = random_table(random, rows, columns, 2, 0.0f, 1.0f);
            for (ptrdiff_t r = 0; r < rows; ++r)
                for (ptrdiff_t c = 0; c < columns; ++c)
                    if (random.below(5) == 0) x.storage[r * x.row + c] = specials[random.below(8)];
            GuardedArray<float> y(rows * columns);
            reference.softmax(rows, columns, x.storage.data(), x.row, y.data(), columns, nullptr);
            Outcome squared(rows, columns, 1), entropy(rows, columns, 1);
            run_loss(reference.squared_error, x, target, 1.0f, squared, nullptr);
            run_loss(reference.softmax_cross_entropy, x, target, 1.0f, entropy, nullptr);
            for (ptrdiff_t r = 0; r < rows; ++r)
                for (ptrdiff_t c = 0; c < columns; ++c)
                    if (std::isnan(x.at(r, c))) {
                        CHECK(std::isnan(y[r * columns + c]));
                        CHECK(std::isnan(squared.losses[r]));
                        CHECK(std::isnan(entropy.losses[r]));
                    }
            for (const Kernels* table : tables) {
                GuardedArray<float> actual(rows * columns), scratch(3 * 16 * columns);
                table->softmax(rows, columns, x.storage.data(), x.row, actual.data(), columns,
                               scratch.data());
                CHECK_SAME(y, actual, describe(*table, rows, columns) << " special");
            }
            compare_loss(&Kernels::squared_error, x, target, 1.0f, 1, squared, tables);
            compare_loss(&Kernels::softmax_cross_entropy, x, target, 1.0f, 1, entropy, tables);
        }
}

// Below 2^-60 a gradient is 0, so that its products do not end among the subnormal numbers.
TEST(smallest_slopes) {
    const float logits[] = {0.0f, 0.0f}, target[] = {1.0f, 0.0f};
    for (const auto loss : {&Kernels::softmax_cross_entropy, &Kernels::softmax_focal})
        for (const std::string& isa : available_isas())
            for (const bool kept : {true, false}) {
                GuardedArray<float> scratch(3 * 16 * 2), gradient(2);
                (table_named(isa).*loss)(1, 2, kept ? 0x1p-58f : 0x1p-60f, logits, 2, target, 2,
                                         nullptr, gradient.data(), 2, nullptr, scratch.data());
                CHECK_EQUAL(kept, gradient[0] < 0.0f);
                CHECK_EQUAL(kept, gradient[1] > 0.0f);
                CHECK_EQUAL(0.0f, gradient[0] + gradient[1]);
            }
}

// A class whose logit is -infinity has probability 0; without weight it costs nothing.
TEST(impossible_class) {
    const float logits[] = {1.0f, -INFINITY, 2.0f}, target[] = {1.0f, 0.0f, 0.0f};
    for (const std::string& isa : available_isas()) {
        GuardedArray<float> scratch(3 * 16 * 3), gradient(3);
        float loss = 0;
        table_named(isa).softmax_cross_entropy(1, 3, 1.0f, logits, 3, target, 3, &loss,
                                               gradient.data(), 3, nullptr, scratch.data());
        CHECK(std::fabs(loss - 1.3132617f) < 1e-6f);
        CHECK_EQUAL(0.0f, gradient[1]);
    }
}

}  // namespace
