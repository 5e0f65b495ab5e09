// Bias, activations, weight update, bytes: every instruction set against the reference, bit for
// bit; the reference against what its definition says.
#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
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
constexpr ptrdiff_t kCounts[] = {0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 100};

// Ordinary numbers with the odd ones among them.
GuardedArray<float> with_specials(Random& random, ptrdiff_t count, ptrdiff_t offset) {
    const float specials[] = {0.0f,   -0.0f,   INFINITY, -INFINITY, std::nanf(""),
                              1e-45f, -1e-45f, 1e-38f,   3.4e38f,   -3.4e38f,
                              0.625f, -0.625f, 88.7f,    -88.7f,    104.0f};
    auto x = random_floats(random, count, offset, -10.0f, 10.0f);
    for (float& value : x)
        if (random.below(4) == 0) value = specials[random.below(15)];
    return x;
}

TEST(add_bias) {
    Random random(1);
    const Kernels& reference = reference_table();
    const auto tables = fast_tables();
    for (const ptrdiff_t rows : {0, 1, 2, 5})
        for (const ptrdiff_t columns : kCounts)
            for (const ptrdiff_t offset : {0, 1, 2, 3}) {
                const ptrdiff_t x_row = columns + offset, y_row = columns + 2 * offset;
                const auto x = with_specials(random, rows * x_row, offset);
                const auto bias = with_specials(random, columns, 3 - offset);
                const auto start = untouched(rows * y_row, (offset + 1) % 4);
                GuardedArray<float> expected = start, by_hand = start;
                reference.add_bias(rows, columns, x.data(), x_row, bias.data(), expected.data(),
                                   y_row);
                for (ptrdiff_t r = 0; r < rows; ++r)
                    for (ptrdiff_t c = 0; c < columns; ++c)
                        by_hand[r * y_row + c] = x[r * x_row + c] + bias[c];
                CHECK_SAME(by_hand, expected, "reference " << rows << " x " << columns);
                for (const Kernels* table : tables) {
                    GuardedArray<float> actual = start;
                    table->add_bias(rows, columns, x.data(), x_row, bias.data(), actual.data(),
                                    y_row);
                    CHECK_SAME(expected, actual, table->isa << " " << rows << " x " << columns);
                }
            }
}

TEST(bias_gradient) {
    Random random(2);
    const Kernels& reference = reference_table();
    const auto tables = fast_tables();
    for (const ptrdiff_t rows : {0, 1, 2, 17, 100})
        for (const ptrdiff_t columns : kCounts)
            for (const ptrdiff_t offset : {0, 1, 3}) {
                const ptrdiff_t dy_row = columns + offset;
                const auto dy = random_floats(random, rows * dy_row, offset);
                GuardedArray<float> expected(columns, 3 - offset);
                reference.bias_gradient(rows, columns, dy.data(), dy_row, true, expected.data());
                long wrong = 0;
                for (ptrdiff_t c = 0; c < columns; ++c) {
                    double sum = 0, size = 0;
                    for (ptrdiff_t r = 0; r < rows; ++r) {
                        sum += static_cast<double>(dy[r * dy_row + c]);
                        size += std::fabs(static_cast<double>(dy[r * dy_row + c]));
                    }
                    const double bound = std::ldexp(1.0, -24) * static_cast<double>(rows) * size;
                    wrong += std::fabs(static_cast<double>(expected[c]) - sum) <= bound ? 0 : 1;
                }
                CHECK_THAT(wrong == 0, "reference " << rows << " x " << columns);
                for (const Kernels* table : tables) {
                    auto actual = untouched(columns, 3 - offset);
                    table->bias_gradient(rows, columns, dy.data(), dy_row, true, actual.data());
                    CHECK_SAME(expected, actual, table->isa << " " << rows << " x " << columns);
                    // In two parts.
                    const ptrdiff_t half = rows / 2;
                    table->bias_gradient(half, columns, dy.data(), dy_row, true, actual.data());
                    table->bias_gradient(rows - half, columns, dy.data() + half * dy_row, dy_row,
                                         false, actual.data());
                    CHECK_SAME(expected, actual, table->isa << " " << rows << " x " << columns);
                }
            }
}

// Accuracy over all floats: test_math.cpp. Here: tails, alignment, and working in place.
TEST(activations) {
    Random random(3);
    const Kernels& reference = reference_table();
    const auto tables = fast_tables();
    for (const Activation kind : kActivations)
        for (const ptrdiff_t count : kCounts)
            for (const ptrdiff_t offset : {0, 1, 2, 3}) {
                const auto x = with_specials(random, count, offset);
                GuardedArray<float> expected(count, 3 - offset);
                reference.activation(kind, count, x.data(), expected.data());
                for (const Kernels* table : tables) {
                    auto actual = untouched(count, 3 - offset);
                    table->activation(kind, count, x.data(), actual.data());
                    CHECK_SAME(expected, actual,
                               table->isa << " activation " << static_cast<int>(kind) << " count "
                                          << count);
                    GuardedArray<float> in_place = x;
                    table->activation(kind, count, in_place.data(), in_place.data());
                    CHECK_SAME(expected, in_place, table->isa << " in place, count " << count);
                }
            }
}

TEST(relu_by_hand) {
    const float x[] = {-1.0f,    -0.0f,         0.0f,    2.0f,  -INFINITY,
                       INFINITY, std::nanf(""), -1e-45f, 1e-45f};
    const float y[] = {0.0f, -0.0f, 0.0f, 2.0f, 0.0f, INFINITY, std::nanf(""), 0.0f, 1e-45f};
    for (const std::string& isa : available_isas()) {
        GuardedArray<float> actual(9);
        table_named(isa).activation(Activation::relu, 9, x, actual.data());
        for (ptrdiff_t i = 0; i < 9; ++i)
            CHECK_THAT(same(y[i], actual[i]),
                       isa << ": relu(" << check::show(x[i]) << ") is " << check::show(actual[i]));
    }
}

TEST(leaky_relu_by_hand) {
    const float x[] = {-5.0f, -0.0f, 0.0f, 2.0f, -INFINITY, INFINITY, std::nanf(""), 1e-45f};
    const float y[] = {-1.0f, -0.0f, 0.0f, 2.0f, -INFINITY, INFINITY, std::nanf(""), 1e-45f};
    for (const std::string& isa : available_isas()) {
        GuardedArray<float> actual(8);
        table_named(isa).activation(Activation::leaky_relu, 8, x, actual.data());
        for (ptrdiff_t i = 0; i < 8; ++i)
            CHECK_THAT(same(y[i], actual[i]), isa << ": leaky_relu(" << check::show(x[i]) << ") is "
                                                  << check::show(actual[i]));
    }
}

TEST(limited_activations_by_hand) {
    const float x[] = {-5.0f, -3.0f, -0.0f, 1.5f, 3.0f, 6.0f, 7.0f, -INFINITY, INFINITY};
    const float relu6[] = {0.0f, 0.0f, 0.0f, 1.5f, 3.0f, 6.0f, 6.0f, 0.0f, 6.0f};
    const float hard[] = {0.0f, 0.0f, 0.5f, 0.75f, 1.0f, 1.0f, 1.0f, 0.0f, 1.0f};
    const float nan = std::nanf("");
    for (const std::string& isa : available_isas()) {
        const Kernels& table = table_named(isa);
        for (const auto& [kind, expected] :
             {std::pair{Activation::relu6, relu6}, std::pair{Activation::hard_sigmoid, hard}}) {
            GuardedArray<float> actual(9), of_nan(1);
            table.activation(kind, 9, x, actual.data());
            for (ptrdiff_t i = 0; i < 9; ++i)
                CHECK_THAT(actual[i] == expected[i],
                           isa << ": " << check::show(x[i]) << " gives " << check::show(actual[i]));
            table.activation(kind, 1, &nan, of_nan.data());
            CHECK(std::isnan(of_nan[0]));
        }
        const float y[] = {0.0f, 0.5f, 1.0f, 5.0f, 6.0f}, dy[] = {1.0f, 1.0f, 1.0f, 1.0f, 1.0f};
        const float slopes6[] = {0.0f, 1.0f, 1.0f, 1.0f, 0.0f};
        GuardedArray<float> dx(5);
        table.activation_gradient(Activation::relu6, 5, y, dy, dx.data());
        for (ptrdiff_t i = 0; i < 5; ++i) CHECK_EQUAL(slopes6[i], dx[i]);
        table.activation_gradient(Activation::hard_sigmoid, 3, y, dy, dx.data());
        CHECK_EQUAL(0.0f, dx[0]);
        CHECK_EQUAL(kSixth, dx[1]);
        CHECK_EQUAL(0.0f, dx[2]);
        const float z[] = {-4.0f, -3.0f, 0.0f, 3.0f, 4.0f};
        const float swish[] = {0.0f, 0.0f, 0.0f, 3.0f, 4.0f},
                    slopes[] = {0.0f, 0.0f, 0.5f, 1.0f, 1.0f};
        GuardedArray<float> s(5);
        table.self_gated(SelfGated::hard_swish, 5, z, s.data());
        table.self_gated_gradient(SelfGated::hard_swish, 5, z, dy, dx.data());
        for (ptrdiff_t i = 0; i < 5; ++i) {
            CHECK_EQUAL(swish[i], s[i]);
            CHECK_EQUAL(slopes[i], dx[i]);
        }
    }
}

// Accuracy: test_math.cpp. Here: tails, alignment, working in place, and the factor dy.
TEST(self_gated) {
    Random random(6);
    const Kernels& reference = reference_table();
    for (const SelfGated kind : {SelfGated::gelu, SelfGated::silu, SelfGated::hard_swish})
        for (const ptrdiff_t count : kCounts)
            for (const ptrdiff_t offset : {0, 1, 2, 3}) {
                const auto x = with_specials(random, count, offset);
                const auto dy = with_specials(random, count, (offset + 1) % 4);
                const std::vector<float> ones(static_cast<std::size_t>(count), 1.0f);
                GuardedArray<float> y(count), dx(count);
                reference.self_gated(kind, count, x.data(), y.data());
                reference.self_gated_gradient(kind, count, x.data(), ones.data(), dx.data());
                for (ptrdiff_t i = 0; i < count; ++i) dx[i] = dy[i] * dx[i];
                for (const std::string& isa : available_isas()) {
                    const Kernels& table = table_named(isa);
                    auto actual = untouched(count, 3 - offset);
                    table.self_gated(kind, count, x.data(), actual.data());
                    CHECK_SAME(y, actual, isa << " count " << count);
                    GuardedArray<float> in_place = x;
                    table.self_gated(kind, count, in_place.data(), in_place.data());
                    CHECK_SAME(y, in_place, isa << " in place, count " << count);
                    auto gradient = untouched(count, 3 - offset);
                    table.self_gated_gradient(kind, count, x.data(), dy.data(), gradient.data());
                    CHECK_SAME(dx, gradient, isa << " gradient, count " << count);
                    GuardedArray<float> over_dy = dy;
                    table.self_gated_gradient(kind, count, x.data(), over_dy.data(),
                                              over_dy.data());
                    CHECK_SAME(dx, over_dy, isa << " gradient in place, count " << count);
                }
            }
}

TEST(multiply_add) {
    Random random(7);
    for (const ptrdiff_t count : kCounts)
        for (const ptrdiff_t offset : {0, 1, 2, 3}) {
            const auto x = with_specials(random, count, offset);
            const auto factors = random_floats(random, count, 3 - offset);
            const auto summands = random_floats(random, count, (offset + 2) % 4);
            GuardedArray<float> expected(count);
            for (ptrdiff_t i = 0; i < count; ++i)
                expected[i] = std::fma(x[i], factors[i], summands[i]);
            for (const std::string& isa : available_isas()) {
                auto actual = untouched(count, (offset + 1) % 4);
                table_named(isa).multiply_add(count, x.data(), factors.data(), summands.data(),
                                              actual.data());
                CHECK_SAME(expected, actual, isa << " count " << count);
                GuardedArray<float> in_place = x;
                table_named(isa).multiply_add(count, in_place.data(), factors.data(),
                                              summands.data(), in_place.data());
                CHECK_SAME(expected, in_place, isa << " in place, count " << count);
            }
        }
}

TEST(activation_gradients) {
    Random random(4);
    const Kernels& reference = reference_table();
    const auto tables = fast_tables();
    for (const Activation kind : kActivations)
        for (const ptrdiff_t count : kCounts)
            for (const ptrdiff_t offset : {0, 1, 2, 3}) {
                auto y = random_floats(random, count, offset,
                                       kind == Activation::sigmoid ? 0.0f : -1.0f);
                if (kind == Activation::relu)
                    for (float& value : y) value = std::max(0.0f, value);
                const auto dy = with_specials(random, count, (offset + 1) % 4);
                GuardedArray<float> expected(count, 3 - offset);
                reference.activation_gradient(kind, count, y.data(), dy.data(), expected.data());
                for (ptrdiff_t i = 0; i < count; ++i) {
                    if (!std::isfinite(dy[i])) continue;
                    const double value = static_cast<double>(y[i]), d = static_cast<double>(dy[i]);
                    const double exact = d * derivative(kind, value);
                    // Three roundings, or one unit of the subnormals.
                    const double bound =
                        3 * std::ldexp(std::fabs(exact), -24) + std::ldexp(1.0, -149);
                    CHECK_THAT(std::fabs(static_cast<double>(expected[i]) - exact) <= bound,
                               "activation " << static_cast<int>(kind) << " y=" << check::show(y[i])
                                             << " dy=" << check::show(dy[i]));
                }
                for (const Kernels* table : tables) {
                    auto actual = untouched(count, 3 - offset);
                    table->activation_gradient(kind, count, y.data(), dy.data(), actual.data());
                    CHECK_SAME(expected, actual,
                               table->isa << " activation " << static_cast<int>(kind) << " count "
                                          << count);
                    GuardedArray<float> in_place = dy;
                    table->activation_gradient(kind, count, y.data(), in_place.data(),
                                               in_place.data());
                    CHECK_SAME(expected, in_place, table->isa << " in place, count " << count);
                }
            }
}

// A sum is one rounding, which the addition of two floats makes too; then the activation.
TEST(add) {
    Random random(9);
    const Kernels& reference = reference_table();
    const auto tables = fast_tables();
    for (const Activation kind : kActivations)
        for (const ptrdiff_t count : kCounts)
            for (const ptrdiff_t offset : {0, 1, 2, 3}) {
                const auto a = with_specials(random, count, offset);
                const auto b = with_specials(random, count, 3 - offset);
                const auto start = untouched(count, (offset + 1) % 4);
                GuardedArray<float> sums = start, by_hand = start, expected = start;
                for (ptrdiff_t i = 0; i < count; ++i) sums[i] = a[i] + b[i];
                reference.activation(kind, count, sums.data(), by_hand.data());
                reference.add(kind, count, a.data(), b.data(), expected.data());
                CHECK_SAME(by_hand, expected, "reference count " << count);
                for (const Kernels* table : tables) {
                    GuardedArray<float> actual = start, in_place = b;
                    const std::string what = std::string(table->isa) + " activation " +
                                             std::to_string(static_cast<int>(kind)) + " count " +
                                             std::to_string(count);
                    table->add(kind, count, a.data(), b.data(), actual.data());
                    CHECK_SAME(expected, actual, what);
                    table->add(kind, count, a.data(), in_place.data(), in_place.data());
                    CHECK_SAME(expected, in_place, what << " in place");
                }
            }
}

TEST(sgd_update) {
    Random random(5);
    for (const ptrdiff_t count : kCounts)
        for (const ptrdiff_t offset : {0, 1, 2, 3}) {
            const auto gradient = with_specials(random, count, offset);
            const auto start = random_floats(random, count, 3 - offset);
            GuardedArray<float> expected = start;
            for (ptrdiff_t i = 0; i < count; ++i)
                expected[i] = std::fma(-0.01f, gradient[i], start[i]);
            for (const std::string& isa : available_isas()) {
                GuardedArray<float> actual = start;
                table_named(isa).sgd_update(count, 0.01f, gradient.data(), actual.data());
                CHECK_SAME(expected, actual, isa << " count " << count);
            }
        }
}

// The lesson's own step: W = 0.38, gradient -0.55, learning rate 0.01.
TEST(sgd_update_of_the_lesson) {
    for (const std::string& isa : available_isas()) {
        float weight = 0.38f;
        const float gradient = -0.55f;
        table_named(isa).sgd_update(1, 0.01f, &gradient, &weight);
        CHECK_THAT(std::fabs(weight - 0.3855f) < 1e-7f, isa << ": " << check::show(weight));
    }
}

TEST(bytes_are_divided_by_255) {
    GuardedArray<std::uint8_t> bytes(256);
    GuardedArray<float> expected(256);
    for (int u = 0; u < 256; ++u) {
        bytes[u] = static_cast<std::uint8_t>(u);
        expected[u] = static_cast<float>(u) / 255.0f;
    }
    for (const std::string& isa : available_isas()) {
        auto actual = untouched(256);
        table_named(isa).bytes_to_floats(256, bytes.data(), 1, nullptr, nullptr, actual.data());
        CHECK_SAME(expected, actual, isa);
    }
}

TEST(bytes_of_images) {
    Random random(6);
    for (const ptrdiff_t channels : {1, 2, 3, 4, 7})
        for (const ptrdiff_t pixels : {0, 1, 2, 5, 8, 11, 16, 33})
            for (const ptrdiff_t offset : {0, 1, 2, 3}) {
                const ptrdiff_t count = pixels * channels;
                GuardedArray<std::uint8_t> bytes(count, offset);
                for (std::uint8_t& u : bytes) u = static_cast<std::uint8_t>(random.below(256));
                const auto scale = random_floats(random, channels, offset, 0.5f, 4.0f);
                const auto shift = random_floats(random, channels, offset);
                GuardedArray<float> plain(count, 3 - offset), normalized(count, 3 - offset);
                for (ptrdiff_t i = 0; i < count; ++i) {
                    plain[i] = static_cast<float>(bytes[i]) / 255.0f;
                    normalized[i] = std::fma(plain[i], scale[i % channels], shift[i % channels]);
                }
                for (const std::string& isa : available_isas()) {
                    const Kernels& table = table_named(isa);
                    auto actual = untouched(count, 3 - offset);
                    table.bytes_to_floats(count, bytes.data(), channels, nullptr, nullptr,
                                          actual.data());
                    CHECK_SAME(plain, actual, isa << " " << pixels << " x " << channels);
                    auto actual_normalized = untouched(count, 3 - offset);
                    table.bytes_to_floats(count, bytes.data(), channels, scale.data(), shift.data(),
                                          actual_normalized.data());
                    CHECK_SAME(normalized, actual_normalized,
                               isa << " normalised, " << pixels << " x " << channels);
                }
            }
}

// The tree with `parts` leaves, as its definition says it: what is left of the middle plus the
// rest.
float tree_sum(const float* leaves, ptrdiff_t parts, ptrdiff_t stride) {
    if (parts == 1) return *leaves;
    return tree_sum(leaves, parts / 2, stride) +
           tree_sum(leaves + parts / 2 * stride, parts / 2, stride);
}

// By a tree, as it is written here for each number of parts; the sum may take the first part's
// place.
TEST(sum_partials) {
    Random random(2);
    for (const ptrdiff_t count : {0, 1, 3, 4, 7, 8, 15, 16, 17, 33, 100})
        for (const ptrdiff_t parts : {1, 2, 4, 8, 16})
            for (const ptrdiff_t offset : {0, 1, 3}) {
                const ptrdiff_t stride = count + offset;
                const auto partials = random_floats(random, (parts - 1) * stride + count, offset);
                GuardedArray<float> expected(count, 3 - offset);
                for (ptrdiff_t i = 0; i < count; ++i)
                    expected[i] = tree_sum(partials.data() + i, parts, stride);
                for (const std::string& isa : available_isas()) {
                    auto actual = untouched(count, 3 - offset);
                    table_named(isa).sum_partials(count, parts, stride, partials.data(),
                                                  actual.data());
                    CHECK_SAME(expected, actual,
                               isa << " " << count << " in " << parts << " parts");
                    GuardedArray<float> in_place = partials;
                    table_named(isa).sum_partials(count, parts, stride, in_place.data(),
                                                  in_place.data());
                    long different = 0;
                    for (ptrdiff_t i = 0; i < count; ++i)
                        different += same(expected[i], in_place[i]) ? 0 : 1;
                    for (ptrdiff_t i = count; i < partials.size(); ++i)
                        different += same(partials[i], in_place[i]) ? 0 : 1;
                    CHECK_THAT(different == 0, isa << " in place, " << count << " in " << parts);
                }
            }
}

}  // namespace
