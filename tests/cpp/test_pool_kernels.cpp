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

    ptrdiff_t width() const { return (columns - 1) * step_columns + window_columns; }
    ptrdiff_t height() const { return (rows - 1) * step_rows + window_rows; }
    PoolArgs args() const {
        const ptrdiff_t x_pixel = channels + offset, y_pixel = channels + 2 * offset;
        return {window_rows,  window_columns,
                rows,         columns,
                channels,     width() * x_pixel + offset,
                x_pixel,      step_rows,
                step_columns, columns * y_pixel + offset,
                y_pixel};
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
               std::to_string(step_columns);
    }
};

// Calls body(window's corner in x, place in y, place in a compact output).
template <class Body>
void for_outputs(const Case& test, Body body) {
    const PoolArgs p = test.args();
    for (ptrdiff_t row = 0; row < p.rows; ++row)
        for (ptrdiff_t column = 0; column < p.columns; ++column)
            for (ptrdiff_t c = 0; c < p.channels; ++c)
                body(row * p.step_rows * p.x_row + column * p.step_columns * p.x_pixel + c,
                     row * p.y_row + column * p.y_pixel + c,
                     (row * p.columns + column) * p.channels + c);
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
                const Case any{rows,  columns,      channels,     window,
                               other, 1 + turn % 3, 1 + turn % 2, turn % 4};
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
        for_outputs(test, [&](ptrdiff_t from, ptrdiff_t to, ptrdiff_t compact) {
            y[to] = x[from];
            for (ptrdiff_t r = 0; r < p.window_rows; ++r)
                for (ptrdiff_t k = 0; k < p.window_columns; ++k) {
                    const float value = x[from + r * p.x_row + k * p.x_pixel];
                    if (value > y[to]) {
                        y[to] = value;
                        winners[compact] = static_cast<std::uint16_t>(r * p.window_columns + k);
                    }
                }
        });
        const auto dy = random_floats(random, winners.size(), test.offset);
        GuardedArray<float> dx(test.x_size(), test.offset);
        for_outputs(test, [&](ptrdiff_t from, ptrdiff_t, ptrdiff_t compact) {
            const ptrdiff_t winner = winners[compact];
            dx[from + winner / p.window_columns * p.x_row +
               winner % p.window_columns * p.x_pixel] += dy[compact];
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
        for_outputs(test, [&](ptrdiff_t from, ptrdiff_t to, ptrdiff_t compact) {
            best[to] = x[from];
            for (ptrdiff_t k = 1; k < 4; ++k) {
                const float value = x[from + k / 2 * p.x_row + k % 2 * p.x_pixel];
                if (value > best[to]) {
                    best[to] = value;
                    winners[compact] = static_cast<std::uint8_t>(k);
                }
            }
        });
        // The activation itself is the business of test_elementwise.cpp.
        for_outputs(test, [&](ptrdiff_t, ptrdiff_t to, ptrdiff_t) {
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
    for_cases(false, [&](const Case& test) {
        const PoolArgs p = test.args();
        const auto x = pixels(random, test.x_size(), test.offset, false);
        const float share = 1.0f / static_cast<float>(p.window_rows * p.window_columns);
        auto y = untouched(test.y_size(), 3 - test.offset);
        const auto dy = random_floats(random, p.rows * p.columns * p.channels, test.offset);
        GuardedArray<float> dx(test.x_size(), test.offset);
        for_outputs(test, [&](ptrdiff_t from, ptrdiff_t to, ptrdiff_t compact) {
            float sum = 0.0f;
            for (ptrdiff_t r = 0; r < p.window_rows; ++r)
                for (ptrdiff_t k = 0; k < p.window_columns; ++k) {
                    const ptrdiff_t at = from + r * p.x_row + k * p.x_pixel;
                    sum += x[at];
                    const float part = dy[compact] * share;
                    dx[at] += part;
                }
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
