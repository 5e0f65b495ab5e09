// Pooling kernels: every instruction set against what the definitions in kernels.h say, bit for
// bit.
#include <cmath>
#include <limits>
#include <string>

#include "check.h"
#include "guarded.h"
#include "random.h"
#include "tables.h"

using namespace nncore::kernels;

namespace {

struct Case {
    ptrdiff_t rows, columns, channels, window_rows, window_columns, step_rows, step_columns, offset;
    ptrdiff_t top = 0, left = 0, bottom = 0, right = 0;  // by how much windows reach beyond

    ptrdiff_t width() const { return (columns - 1) * step_columns + window_columns - left - right; }
    ptrdiff_t height() const { return (rows - 1) * step_rows + window_rows - top - bottom; }
    PoolArgs args() const {
        const ptrdiff_t x_pixel = channels + offset, y_pixel = channels + 2 * offset;
        return {.window_rows = window_rows,
                .window_columns = window_columns,
                .rows = rows,
                .columns = columns,
                .channels = channels,
                .x_row = width() * x_pixel + offset,
                .x_pixel = x_pixel,
                .step_rows = step_rows,
                .step_columns = step_columns,
                .y_row = columns * y_pixel + offset,
                .y_pixel = y_pixel,
                .x_rows = height(),
                .x_columns = width(),
                .top = top,
                .left = left};
    }
    ptrdiff_t x_size() const {
        const PoolArgs p = args();
        return (height() - 1) * p.x_row + (width() - 1) * p.x_pixel + channels;
    }
    ptrdiff_t y_size() const {
        const PoolArgs p = args();
        return (rows - 1) * p.y_row + (columns - 1) * p.y_pixel + channels;
    }
    std::string describe() const {
        return std::to_string(rows) + "x" + std::to_string(columns) + "x" +
               std::to_string(channels) + ", window " + std::to_string(window_rows) + "x" +
               std::to_string(window_columns) + " by " + std::to_string(step_rows) + "x" +
               std::to_string(step_columns) + ", beyond " + std::to_string(top) + " " +
               std::to_string(left) + " " + std::to_string(bottom) + " " + std::to_string(right);
    }
};

// Calls body(row, column, channel, place in y, place in a compact output).
template <class Body>
void for_outputs(const Case& test, Body body) {
    const PoolArgs p = test.args();
    for (ptrdiff_t row = 0; row < p.rows; ++row)
        for (ptrdiff_t column = 0; column < p.columns; ++column)
            for (ptrdiff_t c = 0; c < p.channels; ++c)
                body(row, column, c, row * p.y_row + column * p.y_pixel + c,
                     (row * p.columns + column) * p.channels + c);
}

// Calls body(index in the window, pixel in x) for the pixels of one output's window that there are.
template <class Body>
void for_window(const PoolArgs& p, ptrdiff_t row, ptrdiff_t column, Body body) {
    for (ptrdiff_t r = 0; r < p.window_rows; ++r)
        for (ptrdiff_t k = 0; k < p.window_columns; ++k) {
            const ptrdiff_t y = row * p.step_rows - p.top + r;
            const ptrdiff_t x = column * p.step_columns - p.left + k;
            if (y >= 0 && x >= 0 && y < p.x_rows && x < p.x_columns)
                body(r * p.window_columns + k, y * p.x_row + x * p.x_pixel);
        }
}

// Few different values, so that there are ties, and odd ones.
GuardedArray<float> pixels(Random& random, ptrdiff_t count, ptrdiff_t offset, bool specials) {
    const float odd[] = {std::nanf(""), std::numeric_limits<float>::infinity(),
                         -std::numeric_limits<float>::infinity(), -0.0f, 0.0f};
    auto x = random_floats(random, count, offset);
    for (float& value : x) {
        if (random.below(3) == 0) value = std::round(value * 2) / 2;
        if (specials && random.below(6) == 0) value = odd[random.below(5)];
    }
    return x;
}

template <class Body>
void for_cases(bool two_by_two, Body body) {
    ptrdiff_t turn = 0;
    for (const ptrdiff_t channels : {1, 3, 4, 5, 8, 9, 15, 16, 17, 33, 64})
        for (const auto& [rows, columns] : {std::pair<ptrdiff_t, ptrdiff_t>{1, 1}, {2, 3}, {5, 2}})
            for (const ptrdiff_t window : {1, 2, 3, 4}) {
                const ptrdiff_t other = 1 + turn % 4;
                Case any{rows,  columns,      channels,     window,
                         other, 1 + turn % 3, 1 + turn % 2, turn % 4};
                // As far as each window keeps a pixel.
                any.top = turn % 5 % window;
                any.bottom = turn % 3 % window;
                any.left = turn % 4 % other;
                any.right = turn % 7 % other;
                if (any.height() < 1 || any.width() < 1 || turn % 2 == 0)
                    any.top = any.bottom = any.left = any.right = 0;
                if (two_by_two) {
                    body(Case{rows, columns, channels, 2, 2, 2, 2, turn % 4});
                } else {
                    body(any);
                }
                ++turn;
            }
}

TEST(max_pool) {
    Random random(1);
    for_cases(false, [&](const Case& test) {
        const PoolArgs p = test.args();
        const auto x = pixels(random, test.x_size(), test.offset, true);
        auto y = untouched(test.y_size(), 3 - test.offset);
        GuardedArray<std::uint16_t> winners(p.rows * p.columns * p.channels, test.offset);
        for_outputs(test, [&](ptrdiff_t row, ptrdiff_t column, ptrdiff_t c, ptrdiff_t to,
                              ptrdiff_t compact) {
            bool found = false;
            for_window(p, row, column, [&](ptrdiff_t index, ptrdiff_t from) {
                if (found && !(x[from + c] > y[to])) return;
                found = true;
                y[to] = x[from + c];
                winners[compact] = static_cast<std::uint16_t>(index);
            });
        });
        const auto dy = random_floats(random, winners.size(), test.offset);
        GuardedArray<float> dx(test.x_size(), test.offset);
        for_outputs(
            test, [&](ptrdiff_t row, ptrdiff_t column, ptrdiff_t c, ptrdiff_t, ptrdiff_t compact) {
                for_window(p, row, column, [&](ptrdiff_t index, ptrdiff_t from) {
                    if (index == winners[compact]) dx[from + c] += dy[compact];
                });
            });
        for (const std::string& isa : available_isas()) {
            const Kernels& table = table_named(isa);
            auto actual = untouched(test.y_size(), 3 - test.offset);
            GuardedArray<std::uint16_t> places(winners.size(), test.offset);
            table.max_pool(p, x.data(), actual.data(), places.data());
            CHECK_SAME(y, actual, isa << " " << test.describe());
            CHECK_SAME(winners, places, isa << " " << test.describe());
            auto again = untouched(test.y_size(), 3 - test.offset);
            table.max_pool(p, x.data(), again.data(), nullptr);
            CHECK_SAME(y, again, isa << " without winners, " << test.describe());
            GuardedArray<float> gradient(test.x_size(), test.offset);
            table.max_pool_gradient(p, dy.data(), winners.data(), gradient.data());
            CHECK_SAME(dx, gradient, isa << " gradient, " << test.describe());
        }
    });
}

TEST(max_pool_2x2) {
    Random random(2);
    int turn = 0;
    for_cases(true, [&](const Case& test) {
        const PoolArgs p = test.args();
        const auto activation = static_cast<Activation>(turn++ % 5);
        const auto x = pixels(random, test.x_size(), test.offset, true);
        auto best = untouched(test.y_size(), 3 - test.offset);
        GuardedArray<std::uint8_t> winners(p.rows * p.columns * p.channels, test.offset);
        for_outputs(test, [&](ptrdiff_t row, ptrdiff_t column, ptrdiff_t c, ptrdiff_t to,
                              ptrdiff_t compact) {
            for_window(p, row, column, [&](ptrdiff_t index, ptrdiff_t from) {
                if (index > 0 && !(x[from + c] > best[to])) return;
                best[to] = x[from + c];
                winners[compact] = static_cast<std::uint8_t>(index);
            });
        });
        // The activation itself is the business of test_elementwise.cpp.
        for_outputs(test, [&](ptrdiff_t, ptrdiff_t, ptrdiff_t, ptrdiff_t to, ptrdiff_t) {
            reference_table().activation(activation, 1, &best[to], &best[to]);
        });
        const auto d = random_floats(random, winners.size(), test.offset);
        const ptrdiff_t target_pixel = p.channels + test.offset;
        const ptrdiff_t target_row = 2 * p.columns * target_pixel + test.offset;
        const ptrdiff_t size =
            (2 * p.rows - 1) * target_row + (2 * p.columns - 1) * target_pixel + p.channels;
        auto spread = untouched(size, 3 - test.offset);
        for (ptrdiff_t row = 0; row < p.rows; ++row)
            for (ptrdiff_t column = 0; column < p.columns; ++column)
                for (ptrdiff_t c = 0; c < p.channels; ++c)
                    for (ptrdiff_t k = 0; k < 4; ++k) {
                        const ptrdiff_t at = (row * p.columns + column) * p.channels + c;
                        spread[(2 * row + k / 2) * target_row +
                               (2 * column + k % 2) * target_pixel + c] =
                            winners[at] == k ? d[at] : 0.0f;
                    }
        for (const std::string& isa : available_isas()) {
            const Kernels& table = table_named(isa);
            auto actual = untouched(test.y_size(), 3 - test.offset);
            GuardedArray<std::uint8_t> places(winners.size(), test.offset);
            table.max_pool_2x2(p, activation, x.data(), actual.data(), places.data());
            CHECK_SAME(best, actual, isa << " " << test.describe());
            CHECK_SAME(winners, places, isa << " " << test.describe());
            auto again = untouched(test.y_size(), 3 - test.offset);
            table.max_pool_2x2(p, activation, x.data(), again.data(), nullptr);
            CHECK_SAME(best, again, isa << " without winners, " << test.describe());
            auto unpooled = untouched(size, 3 - test.offset);
            table.unpool_2x2(p.rows, p.columns, p.channels, d.data(), winners.data(),
                             unpooled.data(), target_row, target_pixel);
            CHECK_SAME(spread, unpooled, isa << " unpooled, " << test.describe());
        }
    });
}

TEST(average_pool) {
    Random random(3);
    int turn = 0;
    for_cases(false, [&](const Case& test) {
        PoolArgs p = test.args();
        p.counts_beyond = turn++ % 3 == 0;
        const auto x = pixels(random, test.x_size(), test.offset, false);
        auto y = untouched(test.y_size(), 3 - test.offset);
        const auto dy = random_floats(random, p.rows * p.columns * p.channels, test.offset);
        GuardedArray<float> dx(test.x_size(), test.offset);
        for_outputs(test, [&](ptrdiff_t row, ptrdiff_t column, ptrdiff_t c, ptrdiff_t to,
                              ptrdiff_t compact) {
            float sum = 0.0f;
            ptrdiff_t count = 0;
            for_window(p, row, column, [&](ptrdiff_t, ptrdiff_t from) {
                sum += x[from + c];
                ++count;
            });
            if (p.counts_beyond) count = p.window_rows * p.window_columns;
            const float share = 1.0f / static_cast<float>(count);
            const float part = dy[compact] * share;
            for_window(p, row, column, [&](ptrdiff_t, ptrdiff_t from) { dx[from + c] += part; });
            y[to] = sum * share;
        });
        for (const std::string& isa : available_isas()) {
            const Kernels& table = table_named(isa);
            auto actual = untouched(test.y_size(), 3 - test.offset);
            table.average_pool(p, x.data(), actual.data());
            CHECK_SAME(y, actual, isa << " " << test.describe());
            GuardedArray<float> gradient(test.x_size(), test.offset);
            table.average_pool_gradient(p, dy.data(), gradient.data());
            CHECK_SAME(dx, gradient, isa << " gradient, " << test.describe());
        }
    });
}

}  // namespace
