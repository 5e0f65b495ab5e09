// The kernels of convolutions in many small groups: every instruction set against the reference,
// bit for bit; the reference against double arithmetic.
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

constexpr ptrdiff_t kOverread = 15;  // floats beyond the last plane that may be read

// Of the output, and of the kernel with the inputs of one group.
struct Geometry {
    ptrdiff_t rows, columns, kernel_rows, kernel_columns, inputs, stride, dilation;

    ptrdiff_t height() const { return (rows - 1) * stride + (kernel_rows - 1) * dilation + 1; }
    ptrdiff_t width() const { return (columns - 1) * stride + (kernel_columns - 1) * dilation + 1; }
    ptrdiff_t taps() const { return kernel_rows * kernel_columns * inputs; }
    std::string describe() const {
        return std::to_string(rows) + "x" + std::to_string(columns) + ", kernel " +
               std::to_string(kernel_rows) + "x" + std::to_string(kernel_columns) + "x" +
               std::to_string(inputs) + ", stride " + std::to_string(stride) + ", dilation " +
               std::to_string(dilation);
    }
};

const Geometry kGeometries[] = {
    {1, 1, 1, 1, 1, 1, 1},
    {2, 3, 3, 3, 1, 1, 1},
    {3, 14, 3, 3, 1, 2, 1},
    {2, 15, 5, 5, 1, 1, 1},
    {1, 29, 1, 3, 1, 1, 2},
    {2, 7, 2, 3, 2, 1, 1},
    {3, 6, 3, 2, 3, 2, 2},
    {2, 66, 3, 1, 1, 1, 3},
    {9, 9, 2, 2, 4, 1, 1},
    {11, 5, 3, 3, 1, 1, 1},
    {9, 4, 5, 5, 1, 2, 1},
    // Each height of a tile, and each number of inputs in a kernel row that has tiles of its own.
    {2, 1, 2, 2, 1, 1, 1},
    {1, 2, 3, 3, 1, 1, 1},
    {1, 3, 1, 5, 1, 1, 1},
    {6, 4, 3, 1, 1, 2, 1},
    {2, 5, 1, 2, 1, 1, 1},
    {1, 6, 2, 3, 1, 3, 1},
    {2, 7, 2, 5, 1, 1, 2},
    {2, 8, 1, 1, 1, 1, 1},
    {1, 9, 3, 2, 1, 2, 1},
    {1, 10, 1, 3, 1, 1, 1},
    {1, 11, 2, 5, 1, 1, 1},
    {5, 12, 1, 1, 1, 1, 1},
    {1, 13, 1, 2, 1, 1, 1},
    {1, 26, 2, 3, 1, 2, 1},
};
const ptrdiff_t kGroups[] = {1, 3, 8, 15, 16, 17, 31, 48};
const ptrdiff_t kOutputs[] = {1, 2, 3, 4, 7};

// x in planes of `plane` floats, pixels and lines apart by a little more than they need.
template <class Args>
Args walk(const Geometry& g, ptrdiff_t plane, ptrdiff_t gap) {
    Args args{};
    const ptrdiff_t pixel = g.inputs * plane + gap;
    args.plane = plane;
    args.kernel_rows = g.kernel_rows;
    args.runs = g.kernel_columns;
    args.run = g.inputs;
    args.run_step = g.dilation * pixel;
    args.rows = g.rows;
    args.columns = g.columns;
    args.x_pixel = g.stride * pixel;
    const ptrdiff_t line = g.width() * pixel + gap;
    args.kernel_row = g.dilation * line;
    args.x_row = g.stride * line;
    return args;
}
template <class Args>
ptrdiff_t image_floats(const Args& p, ptrdiff_t groups) {
    return (p.rows - 1) * p.x_row + (p.columns - 1) * p.x_pixel +
           (p.kernel_rows - 1) * p.kernel_row + (p.runs - 1) * p.run_step + (p.run - 1) * p.plane +
           groups + kOverread;
}

// Calls body(tap, index of the input's plane) for the inputs of an output pixel.
template <class Args, class Body>
void for_taps(const Args& p, ptrdiff_t row, ptrdiff_t column, Body body) {
    ptrdiff_t tap = 0;
    for (ptrdiff_t k = 0; k < p.kernel_rows; ++k)
        for (ptrdiff_t r = 0; r < p.runs; ++r)
            for (ptrdiff_t i = 0; i < p.run; ++i)
                body(tap++, row * p.x_row + column * p.x_pixel + k * p.kernel_row + r * p.run_step +
                                i * p.plane);
}

void check_conv(const Geometry& g, ptrdiff_t groups, ptrdiff_t outputs, Activation activation,
                bool backward, bool bias_used, ptrdiff_t offset) {
    Random random(static_cast<std::uint64_t>(groups * 31 + g.columns));
    // One input lies as in an image, without padding between the pixels.
    auto p = walk<DepthwiseConvArgs>(g, g.inputs == 1 ? groups : padded(groups),
                                     g.inputs == 1 ? 0 : offset);
    const ptrdiff_t lanes = outputs * padded(groups);
    const auto x = random_floats(random, image_floats(p, groups), offset);
    const auto weights = random_floats(random, g.taps() * lanes, (offset + 1) % 4);
    const auto bias = random_floats(random, lanes, (offset + 2) % 4);
    p.x = x.data();
    p.groups = groups;
    p.outputs = outputs;
    p.weights = weights.data();
    p.bias = bias_used ? bias.data() : nullptr;
    p.activation = activation;
    p.y_plane = groups + offset;
    p.y_pixel = outputs * p.y_plane + offset;
    p.y_row = g.columns * p.y_pixel + offset;
    p.activity_pixel = groups + 1;
    p.activity_row = g.columns * p.activity_pixel + 2;
    auto activity = random_floats(
        random, (g.rows - 1) * p.activity_row + (g.columns - 1) * p.activity_pixel + groups,
        (offset + 3) % 4);
    for (float& value : activity) value = std::max(0.0f, value);  // as after relu
    p.input_activity = backward ? activity.data() : nullptr;
    const auto start = untouched(
        (g.rows - 1) * p.y_row + (g.columns - 1) * p.y_pixel + (outputs - 1) * p.y_plane + groups,
        offset);
    const auto message = [&](const Kernels& table) {
        return std::string(table.isa) + " " + g.describe() + ", " + std::to_string(groups) +
               " groups to " + std::to_string(outputs) + ", activation " +
               std::to_string(static_cast<int>(activation)) + (backward ? " backward" : "");
    };
    GuardedArray<float> expected = start;
    p.y = expected.data();
    const Kernels& reference = reference_table();
    reference.depthwise_conv(p);
    CHECK_INTACT(expected, message(reference));
    GuardedArray<float> rest = expected;
    long wrong = 0;
    for (ptrdiff_t row = 0; row < g.rows; ++row)
        for (ptrdiff_t column = 0; column < g.columns; ++column)
            for (ptrdiff_t i = 0; i < outputs * groups; ++i) {
                const ptrdiff_t output = i / groups, group = i % groups;
                const ptrdiff_t lane = output * padded(groups) + group;
                double sum = bias_used ? static_cast<double>(bias[lane]) : 0.0;
                double size = std::fabs(sum);
                for_taps(p, row, column, [&](ptrdiff_t tap, ptrdiff_t at) {
                    const double product = static_cast<double>(x[at + group]) *
                                           static_cast<double>(weights[tap * lanes + lane]);
                    sum += product;
                    size += std::fabs(product);
                });
                const float y = activity[row * p.activity_row + column * p.activity_pixel + group];
                const ptrdiff_t place =
                    row * p.y_row + column * p.y_pixel + output * p.y_plane + group;
                wrong +=
                    near_behind(activation, backward, sum, size, g.taps() + 1, y, expected[place])
                        ? 0
                        : 1;
                rest[place] = kUntouched;
            }
    for (const float value : rest) wrong += value == kUntouched ? 0 : 1;
    CHECK_THAT(wrong == 0, message(reference) << ": " << wrong << " wrong elements");
    for (const Kernels* table : fast_tables()) {
        GuardedArray<float> actual = start;
        p.y = actual.data();
        table->depthwise_conv(p);
        CHECK_SAME(expected, actual, message(*table));
        CHECK_INTACT(actual, message(*table));
    }
}

TEST(depthwise_conv) {
    ptrdiff_t turn = 0;
    for (const Geometry& g : kGeometries)
        for (const ptrdiff_t groups : kGroups)
            for (const ptrdiff_t outputs : kOutputs) {
                for (const Activation activation :
                     {Activation::linear, Activation::relu, Activation::tanh}) {
                    const bool backward = outputs == 1 && turn % 2 == 1;
                    check_conv(g, groups, outputs, activation, backward, turn % 3 == 0, turn % 4);
                    ++turn;
                }
            }
}

TEST(depthwise_weight_gradient) {
    const Kernels& reference = reference_table();
    ptrdiff_t turn = 0;
    for (const Geometry& g : kGeometries)
        for (const ptrdiff_t groups : kGroups)
            for (const ptrdiff_t outputs : kOutputs) {
                Random random(static_cast<std::uint64_t>(turn));
                const ptrdiff_t offset = ++turn % 4;
                const bool first = turn % 2 == 0;
                auto p = walk<DepthwiseWeightGradientArgs>(
                    g, g.inputs == 1 ? groups : padded(groups), g.inputs == 1 ? 0 : offset);
                const ptrdiff_t lanes = outputs * padded(groups);
                const auto x = random_floats(random, image_floats(p, groups), offset);
                p.x = x.data();
                p.groups = groups;
                p.outputs = outputs;
                p.d_plane = padded(groups);
                p.d_pixel = outputs * p.d_plane + offset;
                p.d_row = g.columns * p.d_pixel + offset;
                p.first = first;
                const auto d = random_floats(random,
                                             (g.rows - 1) * p.d_row + (g.columns - 1) * p.d_pixel +
                                                 (outputs - 1) * p.d_plane + groups + kOverread,
                                             3 - offset);
                p.d = d.data();
                // Its padding must stay as it is.
                auto start = random_floats(random, g.taps() * lanes, (offset + 1) % 4);
                for (ptrdiff_t i = 0; i < start.size(); ++i)
                    if (i % padded(groups) >= groups) start[i] = kUntouched;
                const auto message = [&](const Kernels& table) {
                    return std::string(table.isa) + " " + g.describe() + ", " +
                           std::to_string(groups) + " groups to " + std::to_string(outputs) +
                           (first ? ", first" : "");
                };
                GuardedArray<float> expected = start;
                p.gradient = expected.data();
                reference.depthwise_weight_gradient(p);
                ExactSums sums = first ? ExactSums(start.size()) : ExactSums(start);
                for (ptrdiff_t row = 0; row < g.rows; ++row)
                    for (ptrdiff_t column = 0; column < g.columns; ++column)
                        for_taps(p, row, column, [&](ptrdiff_t tap, ptrdiff_t at) {
                            for (ptrdiff_t i = 0; i < outputs * groups; ++i) {
                                const ptrdiff_t output = i / groups, group = i % groups;
                                sums.add(tap * lanes + output * padded(groups) + group,
                                         x[at + group],
                                         d[row * p.d_row + column * p.d_pixel + output * p.d_plane +
                                           group]);
                            }
                        });
                long wrong = 0;
                for (ptrdiff_t i = 0; i < start.size(); ++i) {
                    const bool right = i % padded(groups) >= groups
                                           ? expected[i] == kUntouched
                                           : sums.near(i, expected[i], g.rows * g.columns + 1);
                    wrong += right ? 0 : 1;
                }
                CHECK_THAT(wrong == 0, message(reference) << ": " << wrong << " wrong elements");
                for (const Kernels* table : fast_tables()) {
                    GuardedArray<float> actual = start;
                    p.gradient = actual.data();
                    table->depthwise_weight_gradient(p);
                    CHECK_SAME(expected, actual, message(*table));
                    CHECK_INTACT(actual, message(*table));
                }
            }
}

TEST(split_and_merge_groups) {
    ptrdiff_t turn = 0;
    auto tables = fast_tables();
    tables.push_back(&reference_table());
    for (const ptrdiff_t pixels : {1, 2, 5})
        for (const ptrdiff_t groups : {1, 3, 4, 7, 8, 15, 16, 17, 33, 64})
            for (const ptrdiff_t parts : {1, 2, 3, 4, 6, 8, 16}) {
                Random random(static_cast<std::uint64_t>(turn));
                const ptrdiff_t offset = ++turn % 4;
                const ptrdiff_t plane = groups + offset, pixel = parts * plane + turn % 3;
                const auto x = random_floats(random, pixels * groups * parts, offset);
                const ptrdiff_t floats = (pixels - 1) * pixel + (parts - 1) * plane + groups;
                auto expected = untouched(floats, 3 - offset);
                for (ptrdiff_t i = 0; i < x.size(); ++i)
                    expected[i / (groups * parts) * pixel + i % parts * plane +
                             i / parts % groups] = x[i];
                for (const Kernels* table : tables) {
                    const auto message = std::string(table->isa) + " " + std::to_string(groups) +
                                         " groups of " + std::to_string(parts);
                    auto split = untouched(floats, 3 - offset);
                    table->split_groups(pixels, groups, parts, x.data(), split.data(), pixel,
                                        plane);
                    CHECK_SAME(expected, split, message);
                    CHECK_INTACT(split, message);
                    auto merged = untouched(x.size(), offset);
                    table->merge_groups(pixels, groups, parts, expected.data(), pixel, plane,
                                        merged.data());
                    CHECK_SAME(x, merged, message);
                    CHECK_INTACT(merged, message);
                }
            }
}

}  // namespace
