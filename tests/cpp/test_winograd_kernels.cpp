// Winograd's minimal filtering: every instruction set against the reference, bit for bit; the
// reference against the direct sums in double arithmetic.
//
// The bound of an error: each of the 16 places is a sum of `length` products of transformed
// numbers, and the transforms have a dozen roundings; none of that can be off by more than the same
// with magnitudes for numbers, once for each rounding.
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

// The matrices of the transforms, row by row.
const std::vector<double> kInput = {1, 0, -1, 0, 0, 1, 1, 0, 0, -1, 1, 0, 0, 1, 0, -1};  // B'
const std::vector<double> kWeights = {1, 0, 0, .5, .5, .5, .5, -.5, .5, 0, 0, 1};        // G
const std::vector<double> kOutput = {1, 1, 1, 0, 0, 1, -1, -1};                          // A'
constexpr int kRoundings = 24;  // of all transforms of one result

std::vector<double> transposed(const std::vector<double>& matrix, std::size_t columns) {
    const std::size_t rows = matrix.size() / columns;
    std::vector<double> result(matrix.size());
    for (std::size_t r = 0; r < rows; ++r)
        for (std::size_t c = 0; c < columns; ++c) result[c * rows + r] = matrix[r * columns + c];
    return result;
}

// matrix x matrix', x being columns x columns; of magnitudes: |matrix| |x| |matrix'|.
std::vector<double> sandwich(const std::vector<double>& matrix, std::size_t columns,
                             const std::vector<double>& x, bool magnitudes) {
    const std::size_t rows = matrix.size() / columns;
    std::vector<double> result(rows * rows, 0.0);
    for (std::size_t r = 0; r < rows; ++r)
        for (std::size_t c = 0; c < rows; ++c)
            for (std::size_t i = 0; i < columns; ++i)
                for (std::size_t j = 0; j < columns; ++j) {
                    const double product =
                        matrix[r * columns + i] * x[i * columns + j] * matrix[c * columns + j];
                    result[r * rows + c] += magnitudes ? std::fabs(product) : product;
                }
    return result;
}

struct Shape {
    ptrdiff_t images, rows, columns, inputs, outputs;
    ptrdiff_t top, left, bottom, right;  // zeros around the image

    ptrdiff_t x_rows() const { return rows + 2 - top - bottom; }
    ptrdiff_t x_columns() const { return columns + 2 - left - right; }
    std::string describe() const {
        return std::to_string(images) + " images of " + std::to_string(rows) + "x" +
               std::to_string(columns) + "x" + std::to_string(inputs) + " to " +
               std::to_string(outputs) + ", " + std::to_string(top) + ", " + std::to_string(left) +
               ", " + std::to_string(bottom) + ", " + std::to_string(right) + " around";
    }
};

const Shape kShapes[] = {
    {1, 1, 1, 1, 1, 0, 0, 0, 0},
    {1, 2, 2, 3, 5, 1, 1, 1, 1},
    {2, 3, 5, 16, 16, 1, 1, 1, 1},
    {3, 4, 4, 17, 33, 0, 1, 1, 0},
    {1, 7, 7, 32, 48, 1, 1, 1, 1},
    // More than one strip; a strip that ends within an image and within a line.
    {2, 13, 15, 20, 80, 2, 0, 0, 2},
    {1, 6, 31, 40, 64, 1, 1, 1, 1},
    {5, 7, 3, 70, 15, 2, 2, 2, 2},
    // Windows that see nothing but zeros.
    {1, 5, 6, 8, 16, 3, 3, 1, 1},
    // So many channels that weights and gradients go past the caches, where they are aligned.
    {1, 3, 3, 170, 160, 1, 1, 1, 1},
    {1, 3, 5, 180, 172, 1, 1, 1, 1},
};

WinogradTiles tiles_of(const Shape& s, ptrdiff_t gap) {
    WinogradTiles t{};
    t.rows = s.rows, t.columns = s.columns, t.inputs = s.inputs;
    t.x_rows = s.x_rows(), t.x_columns = s.x_columns();
    t.x_pixel = s.inputs + gap;
    t.x_row = t.x_columns * t.x_pixel + gap;
    t.x_image = t.x_rows * t.x_row + gap;
    t.top = s.top, t.left = s.left;
    t.last = s.images * winograd_tiles(s.rows, s.columns);
    return t;
}

ptrdiff_t floats_of(ptrdiff_t images, ptrdiff_t image, ptrdiff_t rows, ptrdiff_t row,
                    ptrdiff_t columns, ptrdiff_t pixel, ptrdiff_t channels) {
    return (images - 1) * image + (rows - 1) * row + (columns - 1) * pixel + channels;
}
ptrdiff_t inputs_of(const Shape& s, const WinogradTiles& t) {
    return floats_of(s.images, t.x_image, t.x_rows, t.x_row, t.x_columns, t.x_pixel, t.inputs);
}

// The input under a window, or the zero beyond the image.
double input_at(const WinogradTiles& t, const GuardedArray<float>& x, ptrdiff_t image,
                ptrdiff_t row, ptrdiff_t column, ptrdiff_t channel) {
    row -= t.top;
    column -= t.left;
    if (row < 0 || row >= t.x_rows || column < 0 || column >= t.x_columns) return 0;
    return static_cast<double>(x[image * t.x_image + row * t.x_row + column * t.x_pixel + channel]);
}
// Where a tile has its first result.
struct Place {
    ptrdiff_t image, row, column;
};
Place place_of(const Shape& s, ptrdiff_t tile) {
    const ptrdiff_t across = (s.columns + 1) / 2, down = (s.rows + 1) / 2;
    return {tile / (across * down), tile / across % down * 2, tile % across * 2};
}

// The inputs under a tile, 4 x 4 of each channel, and what the sizes of the transformed ones are.
struct Patches {
    std::vector<std::vector<double>> values, sizes;
};
Patches patches_of(const WinogradTiles& t, const GuardedArray<float>& x, Place place) {
    Patches patches;
    for (ptrdiff_t channel = 0; channel < t.inputs; ++channel) {
        std::vector<double> patch;
        for (ptrdiff_t k = 0; k < 16; ++k)
            patch.push_back(
                input_at(t, x, place.image, place.row + k / 4, place.column + k % 4, channel));
        patches.sizes.push_back(sandwich(kInput, 4, patch, true));
        patches.values.push_back(std::move(patch));
    }
    return patches;
}

// Weights [tap][row][column]; the same as [output][input][tap] for the convolution, and the sizes
// of what they are transformed to.
struct Weights {
    GuardedArray<float> natural;
    std::vector<std::vector<double>> taps, sizes;
    WinogradWeightsArgs args{};

    Weights(Random& random, const Shape& s, bool turned, ptrdiff_t offset)
        : natural(random_floats(
              random, 9 * (turned ? s.outputs * padded(s.inputs) : s.inputs * padded(s.outputs)),
              offset)) {
        const ptrdiff_t rows = turned ? s.outputs : s.inputs;
        args.inputs = s.inputs;
        args.blocks = blocks_of(s.outputs);
        args.weights = natural.data();
        args.weights_row = padded(turned ? s.inputs : s.outputs);
        args.weights_tap = rows * args.weights_row;
        args.turned = turned;
        args.rows = s.outputs;
        // As in a network, there are zeros where there are no channels.
        for (ptrdiff_t i = 0; i < natural.size(); ++i)
            if (i % args.weights_row >= (turned ? s.inputs : s.outputs)) natural[i] = 0.0f;
        for (ptrdiff_t o = 0; o < s.outputs; ++o)
            for (ptrdiff_t i = 0; i < s.inputs; ++i) {
                std::vector<double> g(9);
                for (ptrdiff_t tap = 0; tap < 9; ++tap)
                    g[static_cast<std::size_t>(turned ? 8 - tap : tap)] = static_cast<double>(
                        natural[tap * args.weights_tap +
                                (turned ? o * args.weights_row + i : i * args.weights_row + o)]);
                sizes.push_back(sandwich(kWeights, 3, g, true));
                taps.push_back(std::move(g));
            }
    }
};

ptrdiff_t transformed_floats(const Shape& s) {
    return kWinogradPlaces * s.inputs * padded(s.outputs);
}

TEST(winograd_weights) {
    ptrdiff_t turn = 0;
    for (const Shape& s : kShapes)
        for (const bool turned : {false, true}) {
            Random random(static_cast<std::uint64_t>(++turn));
            Weights weights(random, s, turned, turn % 4);
            WinogradWeightsArgs p = weights.args;
            const auto start = untouched(transformed_floats(s), (turn + 1) % 4);
            GuardedArray<float> expected = start;
            p.transformed = expected.data();
            reference_table().winograd_weights(p);
            CHECK_INTACT(expected, s.describe());
            long wrong = 0;
            for (ptrdiff_t o = 0; o < padded(s.outputs); ++o)
                for (ptrdiff_t i = 0; i < s.inputs; ++i) {
                    const bool exists = o < s.outputs;
                    const auto& g = exists
                                        ? weights.taps[static_cast<std::size_t>(o * s.inputs + i)]
                                        : std::vector<double>(9);
                    const auto u = sandwich(kWeights, 3, g, false);
                    const auto size = sandwich(kWeights, 3, g, true);
                    for (std::size_t place = 0; place < 16; ++place) {
                        const auto at =
                            ((o / kBlock * 16 + static_cast<ptrdiff_t>(place)) * s.inputs + i) *
                                kBlock +
                            o % kBlock;
                        wrong += std::fabs(static_cast<double>(expected[at]) - u[place]) <=
                                         6 * kUnit * size[place]
                                     ? 0
                                     : 1;
                    }
                }
            CHECK_THAT(wrong == 0, s.describe() << ": " << wrong << " wrong weights");
            for (const Kernels* table : fast_tables()) {
                GuardedArray<float> actual = start;
                p.transformed = actual.data();
                table->winograd_weights(p);
                CHECK_SAME(expected, actual, table->isa << " " << s.describe());
            }
        }
}

// How many results of a tile are off by more than roundings; `rest` is left without them.
long wrong_in_tile(const Shape& s, const WinogradArgs& p, const Weights& weights,
                   const GuardedArray<float>& x, const GuardedArray<float>& bias,
                   const GuardedArray<float>& activity, ptrdiff_t tile, GuardedArray<float>& rest) {
    const Place place = place_of(s, tile);
    const Patches patches = patches_of(p.tiles, x, place);
    long wrong = 0;
    for (ptrdiff_t c = 0; c < s.outputs; ++c) {
        const double start = p.bias != nullptr ? static_cast<double>(bias[c]) : 0.0;
        std::vector<double> sizes(16, std::fabs(start)), sums(4, start);
        for (std::size_t i = 0; i < patches.values.size(); ++i) {
            const std::size_t pair = static_cast<std::size_t>(c * s.inputs) + i;
            const auto &g = weights.taps[pair], &u = weights.sizes[pair];
            const auto &patch = patches.values[i], &v = patches.sizes[i];
            for (std::size_t k = 0; k < 16; ++k) sizes[k] += u[k] * v[k];
            for (std::size_t k = 0; k < 4; ++k)
                for (std::size_t tap = 0; tap < 9; ++tap)
                    sums[k] += g[tap] * patch[(k / 2 + tap / 3) * 4 + k % 2 + tap % 3];
        }
        const auto size = sandwich(kOutput, 4, sizes, true);
        for (std::size_t k = 0; k < 4; ++k) {
            const ptrdiff_t row = place.row + static_cast<ptrdiff_t>(k / 2);
            const ptrdiff_t column = place.column + static_cast<ptrdiff_t>(k % 2);
            if (row >= s.rows || column >= s.columns) continue;
            const float y = activity[place.image * p.activity_image + row * p.activity_row +
                                     column * p.activity_pixel + c];
            float& result = rest[place.image * p.y_image + row * p.y_row + column * p.y_pixel + c];
            wrong += near_behind(p.activation, p.input_activity != nullptr, sums[k], size[k],
                                 s.inputs + kRoundings, y, result)
                         ? 0
                         : 1;
            result = kUntouched;
        }
    }
    return wrong;
}

void check_conv(const Shape& s, Activation activation, bool backward, bool bias_used,
                ptrdiff_t offset) {
    Random random(static_cast<std::uint64_t>(s.inputs * 31 + s.outputs));
    const Kernels& reference = reference_table();
    Weights weights(random, s, offset % 2 == 1, offset);
    GuardedArray<float> transformed(transformed_floats(s), (offset + 1) % 4);
    weights.args.transformed = transformed.data();
    reference.winograd_weights(weights.args);
    WinogradArgs p{};
    p.tiles = tiles_of(s, offset);
    const auto x = random_floats(random, inputs_of(s, p.tiles), offset);
    const auto bias = random_floats(random, padded(s.outputs), (offset + 2) % 4);
    p.tiles.x = x.data();
    p.blocks = blocks_of(s.outputs);
    p.channels = s.outputs;
    p.weights = transformed.data();
    p.bias = bias_used ? bias.data() : nullptr;
    p.activation = activation;
    p.y_pixel = s.outputs + offset;
    p.y_row = s.columns * p.y_pixel + offset;
    p.y_image = s.rows * p.y_row + offset;
    p.activity_pixel = s.outputs + 1;
    p.activity_row = s.columns * p.activity_pixel + 2;
    p.activity_image = s.rows * p.activity_row + 3;
    auto activity = random_floats(random,
                                  floats_of(s.images, p.activity_image, s.rows, p.activity_row,
                                            s.columns, p.activity_pixel, s.outputs),
                                  (offset + 3) % 4);
    for (float& value : activity) value = std::max(0.0f, value);  // as after relu
    p.input_activity = backward ? activity.data() : nullptr;
    const auto start = untouched(
        floats_of(s.images, p.y_image, s.rows, p.y_row, s.columns, p.y_pixel, s.outputs), offset);
    GuardedArray<float> scratch(winograd_scratch(s.inputs, p.blocks), kAtFence);
    p.scratch = scratch.data();
    const auto message = [&](const Kernels& table) {
        return std::string(table.isa) + " " + s.describe() + ", activation " +
               std::to_string(static_cast<int>(activation)) + (backward ? " backward" : "");
    };
    GuardedArray<float> expected = start;
    p.y = expected.data();
    reference.winograd_conv(p);
    CHECK_INTACT(expected, message(reference));
    GuardedArray<float> rest = expected;
    long wrong = 0;
    for (ptrdiff_t tile = 0; tile < p.tiles.last; ++tile)
        wrong += wrong_in_tile(s, p, weights, x, bias, activity, tile, rest);
    for (const float value : rest) wrong += value == kUntouched ? 0 : 1;
    CHECK_THAT(wrong == 0, message(reference) << ": " << wrong << " wrong elements");
    for (const Kernels* table : fast_tables()) {
        GuardedArray<float> actual = start;
        p.y = actual.data();
        table->winograd_conv(p);
        CHECK_SAME(expected, actual, message(*table));
        CHECK_INTACT(scratch, message(*table));
        // In two parts.
        GuardedArray<float> parts = start;
        WinogradArgs part = p;
        part.y = parts.data();
        part.tiles.last = p.tiles.last / 2;
        table->winograd_conv(part);
        part.tiles.first = part.tiles.last;
        part.tiles.last = p.tiles.last;
        table->winograd_conv(part);
        CHECK_SAME(expected, parts, message(*table) << ", in parts");
    }
}

TEST(winograd_conv) {
    ptrdiff_t turn = 0;
    for (const Shape& s : kShapes)
        for (const Activation activation :
             {Activation::linear, Activation::relu, Activation::relu6, Activation::leaky_relu,
              Activation::hard_sigmoid, Activation::sigmoid, Activation::tanh}) {
            // All activations on the small ones, in turn on the others.
            if (s.columns > 3 && static_cast<ptrdiff_t>(activation) % 3 != turn % 3) continue;
            check_conv(s, activation, turn % 3 == 0, turn % 2 == 0, turn % 4);
            check_conv(s, activation, turn % 3 != 0, turn % 2 == 1, (turn + 1) % 4);
            ++turn;
        }
}

// The differences of a tile's results, 2 x 2 of a channel.
std::vector<double> deltas_at(const Shape& s, const WinogradWeightGradientArgs& p,
                              const GuardedArray<float>& d, Place place, ptrdiff_t channel) {
    std::vector<double> delta(4);
    for (ptrdiff_t k = 0; k < 4; ++k) {
        const ptrdiff_t row = place.row + k / 2, column = place.column + k % 2;
        if (row < s.rows && column < s.columns && channel < s.outputs)
            delta[static_cast<std::size_t>(k)] = static_cast<double>(
                d[place.image * p.d_image + row * p.d_row + column * p.d_pixel + channel]);
    }
    return delta;
}

// How many elements of the gradient are off by more than roundings.
long wrong_gradients(const Shape& s, const WinogradWeightGradientArgs& p,
                     const GuardedArray<float>& x, const GuardedArray<float>& d,
                     const GuardedArray<float>& gradient) {
    const auto delta_matrix = transposed(kOutput, 4);      // A, 4 x 2
    const auto gradient_matrix = transposed(kWeights, 3);  // G', 3 x 4
    const ptrdiff_t outputs = padded(s.outputs);
    const auto pairs = static_cast<std::size_t>(s.inputs * outputs);
    std::vector<std::vector<double>> sums(pairs, std::vector<double>(9)),
        sizes(pairs, std::vector<double>(16));
    for (ptrdiff_t tile = p.tiles.first; tile < p.tiles.last; ++tile) {
        const Place place = place_of(s, tile);
        const Patches patches = patches_of(p.tiles, x, place);
        for (ptrdiff_t c = 0; c < outputs; ++c) {
            const auto delta = deltas_at(s, p, d, place, c);
            const auto e = sandwich(delta_matrix, 2, delta, true);
            for (std::size_t i = 0; i < patches.values.size(); ++i) {
                const std::size_t pair =
                    i * static_cast<std::size_t>(outputs) + static_cast<std::size_t>(c);
                const auto &patch = patches.values[i], &v = patches.sizes[i];
                for (std::size_t k = 0; k < 4; ++k)
                    for (std::size_t tap = 0; tap < 9; ++tap)
                        sums[pair][tap] +=
                            delta[k] * patch[(k / 2 + tap / 3) * 4 + k % 2 + tap % 3];
                for (std::size_t k = 0; k < 16; ++k) sizes[pair][k] += v[k] * e[k];
            }
        }
    }
    const auto length = static_cast<double>(p.tiles.last - p.tiles.first + kRoundings);
    long wrong = 0;
    for (std::size_t pair = 0; pair < pairs; ++pair) {
        const auto size = sandwich(gradient_matrix, 4, sizes[pair], true);
        for (std::size_t tap = 0; tap < 9; ++tap) {
            const float value = gradient[static_cast<ptrdiff_t>(tap * pairs + pair)];
            const double off = std::fabs(static_cast<double>(value) - sums[pair][tap]);
            wrong += off <= kUnit * length * size[tap] ? 0 : 1;
        }
    }
    return wrong;
}

TEST(winograd_weight_gradient) {
    const Kernels& reference = reference_table();
    ptrdiff_t turn = 0;
    for (const Shape& s : kShapes) {
        Random random(static_cast<std::uint64_t>(++turn));
        const ptrdiff_t offset = turn % 4, padded_outputs = padded(s.outputs);
        WinogradWeightGradientArgs p{};
        p.tiles = tiles_of(s, offset);
        p.tiles.first = s.images > 1 ? 1 : 0;  // not all of the first image
        p.blocks = blocks_of(s.outputs);
        p.channels = s.outputs;
        p.d_pixel = s.outputs + offset;
        p.d_row = s.columns * p.d_pixel + offset;
        p.d_image = s.rows * p.d_row + offset;
        const auto x = random_floats(random, inputs_of(s, p.tiles), offset);
        const auto d = random_floats(
            random,
            floats_of(s.images, p.d_image, s.rows, p.d_row, s.columns, p.d_pixel, s.outputs),
            3 - offset);
        p.tiles.x = x.data();
        p.d = d.data();
        GuardedArray<float> scratch(
            winograd_gradient_scratch(p.tiles.last - p.tiles.first, s.inputs, p.blocks), kAtFence);
        p.scratch = scratch.data();
        const auto start = untouched(9 * s.inputs * padded_outputs, (offset + 1) % 4);
        GuardedArray<float> expected = start;
        p.gradient = expected.data();
        reference.winograd_weight_gradient(p);
        CHECK_INTACT(expected, s.describe());

        const long wrong = wrong_gradients(s, p, x, d, expected);
        CHECK_THAT(wrong == 0, s.describe() << ": " << wrong << " wrong elements");
        for (const Kernels* table : fast_tables()) {
            GuardedArray<float> actual = start;
            p.gradient = actual.data();
            table->winograd_weight_gradient(p);
            CHECK_SAME(expected, actual, table->isa << " " << s.describe());
            CHECK_INTACT(scratch, table->isa << " " << s.describe());
        }
    }
}

}  // namespace
