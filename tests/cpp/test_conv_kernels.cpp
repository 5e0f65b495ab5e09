// The kernels of convolutions: every instruction set against the reference, bit for bit; the
// reference against double arithmetic.
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

// Half of the values are zero, as after relu.
GuardedArray<float> rectified(Random& random, ptrdiff_t count, ptrdiff_t offset) {
    auto array = random_floats(random, count, offset);
    for (float& x : array) x = std::max(0.0f, x);
    return array;
}

// An image with a border and the way a convolution walks it.
struct Geometry {
    ptrdiff_t rows, columns;  // of the output
    ptrdiff_t channels, kernel_rows, kernel_columns, stride;

    ptrdiff_t width() const { return (columns - 1) * stride + kernel_columns; }
    ptrdiff_t height() const { return (rows - 1) * stride + kernel_rows; }
    std::string describe() const {
        return std::to_string(rows) + "x" + std::to_string(columns) + ", kernel " +
               std::to_string(kernel_rows) + "x" + std::to_string(kernel_columns) + "x" +
               std::to_string(channels) + ", stride " + std::to_string(stride);
    }
};

const Geometry kGeometries[] = {
    {1, 1, 1, 1, 1, 1},
    {1, 2, 3, 1, 1, 1},
    {3, 5, 1, 3, 3, 1},
    {2, 6, 3, 3, 3, 1},
    {2, 7, 5, 2, 3, 2},
    {3, 13, 3, 5, 5, 1},
    {2, 14, 16, 3, 3, 1},
    {1, 15, 17, 1, 2, 3},
    {2, 29, 6, 5, 5, 1},
    {9, 9, 2, 3, 1, 1},
    {1, 70, 1, 3, 3, 1},
    {3, 30, 4, 2, 2, 2},
    // One channel, whose rows have whole and partial vectors and more than one strip.
    {5, 28, 1, 5, 5, 1},
    {2, 16, 1, 3, 2, 1},
    {3, 19, 1, 1, 3, 1},
    {2, 131, 1, 2, 2, 1},
    // Pixels that follow each other across lines, in one strip and in several; many weights.
    {7, 7, 20, 1, 1, 1},
    {25, 9, 96, 1, 1, 1},
    {110, 1, 70, 1, 1, 1},
    {3, 5, 150, 3, 3, 1},
};

// Calls body(tap, index of the input) for the inputs of an output pixel, in the chain's order.
template <class Args, class Body>
void for_taps(const Args& p, ptrdiff_t row, ptrdiff_t column, Body body) {
    ptrdiff_t tap = 0;
    for (ptrdiff_t k = 0; k < p.kernel_rows; ++k)
        for (ptrdiff_t r = 0; r < p.runs; ++r)
            for (ptrdiff_t i = 0; i < p.run; ++i)
                body(tap++,
                     row * p.x_row + column * p.x_pixel + k * p.kernel_row + r * p.run_step + i);
}

template <class Args>
Args walk(const Geometry& g, bool dilated) {
    Args args{};
    args.kernel_rows = g.kernel_rows;
    args.kernel_row = g.width() * g.channels;
    // A kernel row in one run, or pixel by pixel.
    args.runs = dilated ? g.kernel_columns : 1;
    args.run = dilated ? g.channels : g.kernel_columns * g.channels;
    args.run_step = g.channels;
    args.rows = g.rows;
    args.columns = g.columns;
    args.x_row = g.stride * args.kernel_row;
    args.x_pixel = g.stride * g.channels;
    return args;
}

void check_conv(const Geometry& g, ptrdiff_t channels, Activation activation, bool backward,
                bool bias_used, bool dilated, ptrdiff_t offset) {
    Random random(static_cast<std::uint64_t>(channels * 31 + g.columns));
    const Kernels& reference = reference_table();
    ConvArgs p = walk<ConvArgs>(g, dilated);
    p.blocks = blocks_of(channels);
    p.channels = channels;
    const ptrdiff_t taps = p.kernel_rows * p.runs * p.run, padded = p.blocks * kBlock;
    // In panels; or rows of all channels of the weights, or of some.
    const bool panels = offset == 2;
    p.weights_row = panels ? kBlock : padded + offset % 2 * kBlock;
    p.weights_block = panels ? (taps + 1) * kBlock : kBlock;
    const ptrdiff_t last_block = (p.blocks - 1) * p.weights_block;
    const auto x = random_floats(random, g.height() * g.width() * g.channels, offset);
    const auto weights =
        random_floats(random, (taps - 1) * p.weights_row + last_block + kBlock, (offset + 1) % 4);
    const auto bias = random_floats(random, padded, (offset + 2) % 4);
    p.y_pixel = channels + offset;
    p.y_row = g.columns * p.y_pixel + offset;
    p.activity_pixel = channels + 1;
    p.activity_row = g.columns * p.activity_pixel + 2;
    const auto activity = rectified(
        random, (g.rows - 1) * p.activity_row + (g.columns - 1) * p.activity_pixel + channels,
        (offset + 3) % 4);
    const auto start =
        untouched((g.rows - 1) * p.y_row + (g.columns - 1) * p.y_pixel + channels, offset);
    p.x = x.data();
    p.weights = weights.data();
    p.bias = bias_used ? bias.data() : nullptr;
    p.activation = activation;
    p.input_activity = backward ? activity.data() : nullptr;

    const auto message = [&](const Kernels& table) {
        return std::string(table.isa) + " " + g.describe() + " to " + std::to_string(channels) +
               ", activation " + std::to_string(static_cast<int>(activation)) +
               (backward ? " backward" : "");
    };
    GuardedArray<float> expected = start;
    p.y = expected.data();
    reference.conv(p);
    CHECK_INTACT(expected, message(reference));
    GuardedArray<float> rest = expected;
    long wrong = 0;
    for (ptrdiff_t row = 0; row < g.rows; ++row)
        for (ptrdiff_t column = 0; column < g.columns; ++column)
            for (ptrdiff_t c = 0; c < channels; ++c) {
                double sum = bias_used ? static_cast<double>(bias[c]) : 0.0, size = std::fabs(sum);
                for_taps(p, row, column, [&](ptrdiff_t tap, ptrdiff_t at) {
                    const double product =
                        static_cast<double>(x[at]) *
                        static_cast<double>(weights[tap * p.weights_row +
                                                    c / kBlock * p.weights_block + c % kBlock]);
                    sum += product;
                    size += std::fabs(product);
                });
                const float y = activity[row * p.activity_row + column * p.activity_pixel + c];
                const ptrdiff_t place = row * p.y_row + column * p.y_pixel + c;
                wrong += near_behind(activation, backward, sum, size, taps + 1, y, expected[place])
                             ? 0
                             : 1;
                rest[place] = kUntouched;
            }
    for (const float value : rest) wrong += value == kUntouched ? 0 : 1;
    CHECK_THAT(wrong == 0, message(reference) << ": " << wrong << " wrong elements");
    for (const Kernels* table : fast_tables()) {
        GuardedArray<float> actual = start;
        p.y = actual.data();
        table->conv(p);
        CHECK_SAME(expected, actual, message(*table));
    }
}

TEST(conv) {
    ptrdiff_t turn = 0;
    for (const Geometry& g : kGeometries)
        for (const ptrdiff_t channels : {1, 3, 6, 15, 16, 17, 32, 40, 48, 64, 80}) {
            for (const Activation activation :
                 {Activation::linear, Activation::relu, Activation::relu6, Activation::leaky_relu,
                  Activation::hard_sigmoid, Activation::sigmoid, Activation::tanh}) {
                // All activations on the small ones, in turn on the others.
                if (g.columns > 3 && static_cast<ptrdiff_t>(activation) != turn % 7) continue;
                check_conv(g, channels, activation, turn % 3 == 0, turn % 2 == 0, turn % 5 == 0,
                           turn % 4);
            }
            // The common case of both directions always.
            check_conv(g, channels, Activation::relu, turn % 2 == 0, turn % 2 == 1, false, 0);
            ++turn;
        }
}

// The same as a convolution and then a pool.
TEST(conv_pool_2x2) {
    const Kernels& reference = reference_table();
    ptrdiff_t turn = 0;
    for (const Geometry& g :
         {Geometry{2, 2, 1, 1, 1, 1}, Geometry{2, 28, 1, 5, 5, 1}, Geometry{2, 18, 1, 3, 3, 1},
          Geometry{2, 134, 1, 2, 3, 1}, Geometry{2, 26, 3, 3, 3, 1}, Geometry{2, 10, 6, 5, 5, 1},
          Geometry{2, 20, 1, 3, 3, 2}})
        for (const ptrdiff_t channels : {1, 3, 6, 7, 8, 13, 16, 17, 32, 50})
            for (const bool with_winners : {true, false}) {
                Random random(static_cast<std::uint64_t>(turn));
                const ptrdiff_t offset = ++turn % 4, padded = nncore::kernels::padded(channels);
                ConvPoolArgs p{walk<ConvArgs>(g, false),
                               turn % 3 == 0   ? Activation::tanh
                               : turn % 3 == 1 ? Activation::leaky_relu
                                               : Activation::relu,
                               nullptr, nullptr};
                const auto x = random_floats(random, g.height() * g.width() * g.channels, offset);
                const auto weights =
                    random_floats(random, g.kernel_rows * p.conv.run * padded, (offset + 1) % 4);
                const auto bias = random_floats(random, padded, (offset + 2) % 4);
                p.conv.x = x.data();
                p.conv.blocks = padded / kBlock;
                p.conv.weights_row = padded;
                p.conv.weights_block = kBlock;
                p.conv.channels = p.conv.y_pixel = channels;
                p.conv.y_row = g.columns * channels;
                p.conv.weights = weights.data();
                p.conv.bias = turn % 2 == 0 ? bias.data() : nullptr;
                p.conv.activation = Activation::linear;
                auto lines = untouched(2 * p.conv.y_row, offset);
                p.conv.y = lines.data();
                const auto message = [&](const Kernels& table) {
                    return std::string(table.isa) + " " + g.describe() + " to " +
                           std::to_string(channels);
                };
                GuardedArray<std::uint8_t> winners(g.columns / 2 * channels, offset);
                auto expected = untouched(winners.size(), 3 - offset);
                p.y = expected.data();
                p.winners = winners.data();
                reference.conv_pool_2x2(p);
                CHECK_INTACT(expected, message(reference));
                for (ptrdiff_t i = 0; i < winners.size(); ++i) {
                    const ptrdiff_t column = i / channels * 2, c = i % channels;
                    float best = lines[column * channels + c];
                    int winner = 0;
                    for (int place = 1; place < 4; ++place) {
                        const float value =
                            lines[place / 2 * p.conv.y_row + (column + place % 2) * channels + c];
                        if (value > best) {
                            best = value;
                            winner = place;
                        }
                    }
                    const int won = winners[i];
                    CHECK_EQUAL(winner, won);
                    const float rectified = std::max(0.0f, best), got = expected[i];
                    if (p.activation == Activation::relu) CHECK_EQUAL(rectified, got);
                }
                for (const Kernels* table : fast_tables()) {
                    auto actual = untouched(winners.size(), 3 - offset);
                    GuardedArray<std::uint8_t> chosen(winners.size(), offset);
                    p.y = actual.data();
                    p.winners = with_winners ? chosen.data() : nullptr;
                    table->conv_pool_2x2(p);
                    CHECK_SAME(expected, actual, message(*table));
                    CHECK_INTACT(lines, message(*table));
                    if (with_winners) CHECK_SAME(winners, chosen, message(*table));
                }
            }
}

TEST(conv_weight_gradient) {
    const Kernels& reference = reference_table();
    ptrdiff_t turn = 0;
    for (const Geometry& g : kGeometries)
        for (const ptrdiff_t blocks : {1, 2, 3, 4, 5})
            for (const bool first : {true, false}) {
                Random random(static_cast<std::uint64_t>(turn));
                const ptrdiff_t offset = ++turn % 4;
                auto p = walk<ConvWeightGradientArgs>(g, turn % 5 == 0);
                const ptrdiff_t taps = p.kernel_rows * p.runs * p.run, channels = blocks * kBlock;
                p.blocks = blocks;
                p.d_pixel = channels + offset;
                p.d_row = g.columns * p.d_pixel + offset;
                p.first = first;
                const auto x = random_floats(random, g.height() * g.width() * g.channels, offset);
                const auto d = random_floats(
                    random, (g.rows - 1) * p.d_row + (g.columns - 1) * p.d_pixel + channels,
                    3 - offset);
                const auto start = random_floats(random, taps * channels, (offset + 1) % 4);
                p.x = x.data();
                p.d = d.data();
                const auto message = [&](const Kernels& table) {
                    return std::string(table.isa) + " " + g.describe() + ", " +
                           std::to_string(blocks) + " blocks" + (first ? ", first" : "");
                };
                GuardedArray<float> expected = start;
                p.gradient = expected.data();
                reference.conv_weight_gradient(p);
                ExactSums sums = first ? ExactSums(start.size()) : ExactSums(start);
                for (ptrdiff_t row = 0; row < g.rows; ++row)
                    for (ptrdiff_t column = 0; column < g.columns; ++column)
                        for_taps(p, row, column, [&](ptrdiff_t tap, ptrdiff_t at) {
                            for (ptrdiff_t c = 0; c < channels; ++c)
                                sums.add(tap * channels + c, x[at],
                                         d[row * p.d_row + column * p.d_pixel + c]);
                        });
                const long wrong = sums.wrong(expected, g.rows * g.columns + 1);
                CHECK_THAT(wrong == 0, message(reference) << ": " << wrong << " wrong elements");
                for (const Kernels* table : fast_tables()) {
                    GuardedArray<float> actual = start;
                    p.gradient = actual.data();
                    table->conv_weight_gradient(p);
                    CHECK_SAME(expected, actual, message(*table));
                }
            }
}

TEST(pooled_weight_gradient) {
    const Kernels& reference = reference_table();
    ptrdiff_t turn = 0;
    // Pooled sizes; runs of one vector up to more than the widest tile (12 vectors).
    for (const Geometry& g :
         {Geometry{1, 1, 1, 1, 1, 1}, Geometry{2, 3, 3, 3, 3, 1}, Geometry{3, 5, 1, 5, 5, 1},
          Geometry{1, 17, 16, 3, 3, 1}, Geometry{2, 4, 32, 3, 3, 1}, Geometry{2, 2, 80, 2, 3, 1},
          Geometry{3, 3, 6, 7, 2, 1}, Geometry{20, 2, 17, 1, 1, 1}})
        for (const ptrdiff_t channels : {1, 2, 3, 4, 5, 16, 33})
            for (const bool first : {true, false}) {
                Random random(static_cast<std::uint64_t>(turn));
                const ptrdiff_t offset = ++turn % 4;
                const Geometry whole{2 * g.rows,    2 * g.columns,    g.channels,
                                     g.kernel_rows, g.kernel_columns, 1};
                const ptrdiff_t run = g.kernel_columns * g.channels;
                const ptrdiff_t line = whole.width() * g.channels;
                // Up to 15 floats beyond the last run may be read.
                const auto x = random_floats(random, whole.height() * line + 15, offset);
                const auto d = random_floats(random, g.rows * g.columns * channels, 3 - offset);
                GuardedArray<std::uint8_t> winners(d.size(), offset);
                for (std::uint8_t& winner : winners)
                    winner = static_cast<std::uint8_t>(random.below(4));
                const ptrdiff_t padded_run = nncore::kernels::padded(run),
                                taps = g.kernel_rows * padded_run;
                const auto start = random_floats(random, channels * taps, (offset + 1) % 4);
                PooledWeightGradientArgs p{g.kernel_rows, line,     padded_run,     g.rows,
                                           g.columns,     line,     g.channels,     x.data(),
                                           channels,      d.data(), winners.data(), nullptr,
                                           first};
                const auto message = [&](const Kernels& table) {
                    return std::string(table.isa) + " " + g.describe() + " to " +
                           std::to_string(channels) + (first ? ", first" : "");
                };
                GuardedArray<float> expected = start;
                p.gradient = expected.data();
                reference.pooled_weight_gradient(p);
                ExactSums sums = first ? ExactSums(start.size()) : ExactSums(start);
                for (ptrdiff_t at = 0; at < d.size(); ++at) {
                    const ptrdiff_t window = at / channels, c = at % channels;
                    const ptrdiff_t pixel =
                        (2 * (window / g.columns) + winners[at] / 2) * line +
                        (2 * (window % g.columns) + winners[at] % 2) * g.channels;
                    for (ptrdiff_t k = 0; k < g.kernel_rows; ++k)
                        for (ptrdiff_t i = 0; i < run; ++i)
                            sums.add(c * taps + k * padded_run + i, d[at], x[pixel + k * line + i]);
                }
                // What lies behind a run is computed, too, of whatever follows it in the image.
                long wrong = 0;
                for (ptrdiff_t to = 0; to < start.size(); ++to)
                    if (to % padded_run < run)
                        wrong += sums.near(to, expected[to], g.rows * g.columns + 1) ? 0 : 1;
                CHECK_THAT(wrong == 0, message(reference) << ": " << wrong << " wrong elements");
                for (const Kernels* table : fast_tables()) {
                    GuardedArray<float> actual = start;
                    p.gradient = actual.data();
                    table->pooled_weight_gradient(p);
                    CHECK_SAME(expected, actual, message(*table));
                }
            }
}

// Windows beyond one list, runs beyond one group and beyond one tile, lists of any length.
TEST(pooled_input_gradient) {
    const Kernels& reference = reference_table();
    ptrdiff_t turn = 0;
    for (const Geometry& g :
         {Geometry{1, 1, 1, 1, 1, 1}, Geometry{2, 3, 3, 3, 3, 1}, Geometry{3, 5, 6, 5, 5, 1},
          Geometry{9, 7, 2, 3, 3, 1}, Geometry{2, 4, 32, 3, 3, 1}, Geometry{2, 2, 80, 2, 3, 1},
          Geometry{3, 3, 6, 7, 2, 1}, Geometry{2, 2, 3, 3, 3, 2}})
        for (const ptrdiff_t channels : {1, 2, 3, 16, 17, 33, 64, 130}) {
            Random random(static_cast<std::uint64_t>(turn));
            const ptrdiff_t offset = ++turn % 4;
            const Geometry whole{2 * g.rows,    2 * g.columns,    g.channels,
                                 g.kernel_rows, g.kernel_columns, g.stride};
            const ptrdiff_t padded_run = padded(g.kernel_columns * g.channels);
            const ptrdiff_t line = whole.width() * g.channels + padded_run + offset;
            const auto d = rectified(random, g.rows * g.columns * channels, 3 - offset);
            GuardedArray<std::uint8_t> winners(d.size(), offset);
            for (std::uint8_t& winner : winners)
                winner = static_cast<std::uint8_t>(random.below(4));
            const auto weights =
                random_floats(random, g.kernel_rows * channels * padded_run, offset);
            const auto start = random_floats(random, whole.height() * line, (offset + 1) % 4);
            PooledInputGradientArgs p{};
            p.kernel_rows = g.kernel_rows;
            p.padded_run = padded_run;
            p.rows = g.rows;
            p.columns = g.columns;
            p.channels = channels;
            p.d = d.data();
            p.winners = winners.data();
            p.weights = weights.data();
            p.line = line;
            p.x_row = g.stride * line;
            p.x_pixel = g.stride * g.channels;
            GuardedArray<float> scratch(pooled_input_gradient_scratch(channels), 0);
            p.scratch = scratch.data();
            const auto message = [&](const Kernels& table) {
                return std::string(table.isa) + " " + whole.describe() + " to " +
                       std::to_string(channels);
            };
            GuardedArray<float> expected = start;
            p.image = expected.data();
            reference.pooled_input_gradient(p);
            CHECK_INTACT(expected, message(reference));
            ExactSums sums(start);
            for (ptrdiff_t window = 0; window < g.rows * g.columns; ++window)
                for (ptrdiff_t c = 0; c < channels; ++c) {
                    const ptrdiff_t at = window * channels + c;
                    const ptrdiff_t to = (2 * (window / g.columns) + winners[at] / 2) * p.x_row +
                                         (2 * (window % g.columns) + winners[at] % 2) * p.x_pixel;
                    for (ptrdiff_t k = 0; k < g.kernel_rows; ++k)
                        for (ptrdiff_t j = 0; j < padded_run; ++j)
                            sums.add(to + k * line + j, d[at],
                                     weights[(k * channels + c) * padded_run + j]);
                }
            const long wrong =
                sums.wrong(expected, channels + 4 * g.kernel_rows * g.kernel_columns);
            CHECK_THAT(wrong == 0, message(reference) << ": " << wrong << " wrong elements");
            for (const Kernels* table : fast_tables()) {
                GuardedArray<float> actual = start;
                p.image = actual.data();
                table->pooled_input_gradient(p);
                CHECK_SAME(expected, actual, message(*table));
                CHECK_INTACT(scratch, message(*table));
            }
        }
}

TEST(conv_scatter) {
    const Kernels& reference = reference_table();
    ptrdiff_t turn = 0;
    for (const ptrdiff_t rows : {1, 2, 5, 6, 7, 13, 15, 28})
        for (const ptrdiff_t columns : {1, 2, 9})
            for (const ptrdiff_t channels : {1, 3, 17})
                for (const ptrdiff_t blocks : {1, 2, 3, 5}) {
                    Random random(static_cast<std::uint64_t>(turn));
                    const ptrdiff_t offset = ++turn % 4, kernel_rows = 1 + turn % 3,
                                    step = 1 + turn % 6;
                    const ptrdiff_t run = blocks * kBlock, x_pixel = channels + offset;
                    const ptrdiff_t kernel_row = columns * x_pixel + offset;
                    const ptrdiff_t line = columns * step + run + offset;
                    const auto x =
                        random_floats(random, (rows + kernel_rows - 1) * kernel_row, offset);
                    const auto weights =
                        random_floats(random, kernel_rows * channels * run, 3 - offset);
                    ConvScatterArgs p{kernel_rows, kernel_row, channels, rows,
                                      columns,     x.data(),   x_pixel,  weights.data(),
                                      blocks,      step,       nullptr,  line};
                    const auto message = [&](const Kernels& table) {
                        return std::string(table.isa) + " " + std::to_string(rows) + "x" +
                               std::to_string(columns) + ", " + std::to_string(channels) +
                               " channels, " + std::to_string(blocks) + " blocks";
                    };
                    auto expected = untouched(rows * line, (offset + 1) % 4);
                    p.lines = expected.data();
                    reference.conv_scatter(p);
                    CHECK_INTACT(expected, message(reference));
                    ExactSums sums(rows * line);
                    for (ptrdiff_t y = 0; y < rows; ++y)
                        for (ptrdiff_t column = 0; column < columns; ++column)
                            for (ptrdiff_t j = 0; j < run; ++j)
                                for (ptrdiff_t k = 0; k < kernel_rows; ++k)
                                    for (ptrdiff_t c = 0; c < channels; ++c)
                                        sums.add(y * line + column * step + j,
                                                 x[(y + k) * kernel_row + column * x_pixel + c],
                                                 weights[(k * channels + c) * run + j]);
                    const long wrong = sums.wrong(expected, kernel_rows * channels + columns);
                    CHECK_THAT(wrong == 0, message(reference)
                                               << ": " << wrong << " wrong elements");
                    for (const Kernels* table : fast_tables()) {
                        auto actual = untouched(rows * line, (offset + 1) % 4);
                        p.lines = actual.data();
                        table->conv_scatter(p);
                        CHECK_SAME(expected, actual, message(*table));
                    }
                }
}

TEST(transpose) {
    Random random(1);
    for (const ptrdiff_t rows : {1, 2, 7, 15, 16, 17, 33, 48})
        for (const ptrdiff_t columns : {1, 3, 8, 15, 16, 17, 32, 47})
            for (const ptrdiff_t offset : {0, 1, 3}) {
                const ptrdiff_t source_row = columns + offset, target_row = rows + offset;
                const auto source =
                    random_floats(random, (rows - 1) * source_row + columns, offset);
                const auto start = untouched((columns - 1) * target_row + rows, 3 - offset);
                GuardedArray<float> expected = start;
                for (ptrdiff_t r = 0; r < rows; ++r)
                    for (ptrdiff_t c = 0; c < columns; ++c)
                        expected[c * target_row + r] = source[r * source_row + c];
                for (const std::string& isa : available_isas()) {
                    GuardedArray<float> actual = start;
                    table_named(isa).transpose(rows, columns, source.data(), source_row,
                                               actual.data(), target_row);
                    CHECK_SAME(expected, actual, isa << " " << rows << " x " << columns);
                }
            }
}

}  // namespace
