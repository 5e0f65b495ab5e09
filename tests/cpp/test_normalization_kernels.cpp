// Batch and layer normalization: every instruction set against the reference, bit for bit; the
// reference against double arithmetic, within bounds that grow with the length of the sums.
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

using Floats = GuardedArray<float>;

constexpr Activation kActivations[] = {Activation::linear, Activation::relu, Activation::sigmoid,
                                       Activation::tanh};
// Around the widths of vectors and blocks, and around the four chains of a sum over pixels.
constexpr ptrdiff_t kChannels[] = {1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 47, 64, 65, 100};
constexpr ptrdiff_t kPixels[] = {1, 2, 3, 4, 5, 7, 8, 9, 49};
constexpr ptrdiff_t kOffsets[] = {0, 1, 3};

// Half a unit in the last place of 1: the largest relative error of one rounding.

std::string sizes(const Kernels* table, ptrdiff_t pixels, ptrdiff_t channels, ptrdiff_t offset) {
    return std::string(table->isa) + ", " + std::to_string(pixels) + " x " +
           std::to_string(channels) + ", offset " + std::to_string(offset);
}

double at(const Floats& x, ptrdiff_t i) { return static_cast<double>(x[i]); }

// body(pixels, channels, offset)
template <class Body>
void for_sizes(Body body) {
    for (const ptrdiff_t pixels : kPixels)
        for (const ptrdiff_t channels : kChannels)
            for (const ptrdiff_t offset : kOffsets) body(pixels, channels, offset);
}

TEST(moments_are_the_same_bits) {
    Random random(1);
    const auto tables = fast_tables();
    const Kernels& reference = reference_table();
    for_sizes([&](ptrdiff_t pixels, ptrdiff_t channels, ptrdiff_t offset) {
        const Floats x = random_floats(random, pixels * channels, offset, -3.0f, 5.0f);
        const auto moments = [&](const Kernels& table, Floats& means, Floats& squares) {
            table.channel_moments(pixels, channels, x.data(), means.data(), squares.data());
        };
        Floats means = untouched(channels, 3 - offset), squares = untouched(channels, offset);
        moments(reference, means, squares);
        // Here the "pixels" are samples: rows of moments with a gap between them.
        const ptrdiff_t stride = channels + 5, rows = (pixels - 1) * stride + channels;
        const Floats all_means = random_floats(random, rows, offset);
        const Floats all_squares = random_floats(random, rows, 3 - offset, 0.0f, 9.0f);
        const auto combine = [&](const Kernels& table, Floats& mean, Floats& variance) {
            table.combine_moments(pixels, stride, 49, channels, all_means.data(),
                                  all_squares.data(), mean.data(), variance.data());
        };
        Floats mean = untouched(channels, offset), variance = untouched(channels, 3 - offset);
        combine(reference, mean, variance);
        for (const Kernels* table : tables) {
            const std::string what = sizes(table, pixels, channels, offset);
            Floats a = untouched(channels, 3 - offset), b = untouched(channels, offset);
            moments(*table, a, b);
            CHECK_SAME(means, a, what << " means");
            CHECK_SAME(squares, b, what << " squares");
            Floats c = untouched(channels, offset), d = untouched(channels, 3 - offset);
            combine(*table, c, d);
            CHECK_SAME(mean, c, what << " mean");
            CHECK_SAME(variance, d, what << " variance");
        }
    });
}

// What the kernels of normalization read per channel.
struct PerChannel {
    Floats mean, scale, shift;
    PerChannel(Random& random, ptrdiff_t channels, ptrdiff_t offset)
        : mean(random_floats(random, channels, offset)),
          scale(random_floats(random, channels, 3 - offset, -2.0f, 2.0f)),
          shift(random_floats(random, channels, (offset + 2) % 4)) {}
    NormalizeArgs args(ptrdiff_t pixels) const {
        return {pixels, mean.size(), mean.data(), scale.data(), shift.data()};
    }
    NormalizeGradientArgs gradient_args(ptrdiff_t pixels) const {
        return {pixels, mean.size(), mean.data(), scale.data(), shift.data(), mean.data()};
    }
};

TEST(normalizing_is_the_same_bits) {
    Random random(2);
    const auto tables = fast_tables();
    const Kernels& reference = reference_table();
    for_sizes([&](ptrdiff_t pixels, ptrdiff_t channels, ptrdiff_t offset) {
        const ptrdiff_t count = pixels * channels;
        const PerChannel values(random, channels, offset);
        const Floats x = random_floats(random, count, offset, -4.0f, 4.0f);
        const Floats dy = random_floats(random, count, (offset + 1) % 4);
        for (const Activation kind : kActivations) {
            // x of the gradient is the output of an activation: zeros among it.
            Floats seen = x;
            reference.activation(kind, count, x.data(), seen.data());
            Floats y = untouched(count, 3 - offset), dx = untouched(count, offset);
            reference.normalize(values.args(pixels), kind, x.data(), y.data());
            reference.normalize_gradient(values.gradient_args(pixels), kind, seen.data(), dy.data(),
                                         dx.data());
            for (const Kernels* table : tables) {
                const std::string what = sizes(table, pixels, channels, offset) + ", activation " +
                                         std::to_string(static_cast<int>(kind));
                Floats a = untouched(count, 3 - offset), b = untouched(count, offset);
                table->normalize(values.args(pixels), kind, x.data(), a.data());
                CHECK_SAME(y, a, what << " y");
                table->normalize_gradient(values.gradient_args(pixels), kind, seen.data(),
                                          dy.data(), b.data());
                CHECK_SAME(dx, b, what << " dx");
            }
        }
        Floats chains = untouched(2 * kNormalizeChains * padded(channels), offset);
        const Floats start = chains;
        reference.normalize_gradient_chains(values.args(pixels), 0, x.data(), dy.data(),
                                            chains.data());
        // In one go, and with a cut anywhere.
        for (const ptrdiff_t cut : {ptrdiff_t{0}, ptrdiff_t{1}, pixels / 2, pixels - 1}) {
            const auto run = [&](const Kernels& table) {
                Floats parts = start;
                if (cut > 0)
                    table.normalize_gradient_chains(values.args(cut), 0, x.data(), dy.data(),
                                                    parts.data());
                table.normalize_gradient_chains(values.args(pixels - cut), cut,
                                                x.data() + cut * channels,
                                                dy.data() + cut * channels, parts.data());
                CHECK_SAME(chains, parts,
                           sizes(&table, pixels, channels, offset) << ", cut at " << cut);
            };
            if (cut >= pixels) continue;
            run(reference);
            for (const Kernels* table : tables) run(*table);
        }
    });
}

// One block of rows and its neighbours, rows with gaps between them.
TEST(layer_normalization_is_the_same_bits) {
    Random random(3);
    const auto tables = fast_tables();
    const Kernels& reference = reference_table();
    for (const ptrdiff_t rows : {0, 1, 2, 15, 16, 17, 33})
        for (const ptrdiff_t columns : kChannels)
            for (const ptrdiff_t gap : {0, 5}) {
                const ptrdiff_t row = columns + gap, count = (rows - 1) * row + columns;
                const ptrdiff_t offset = gap == 0 ? 1 : 3;
                const Floats x = random_floats(random, count, offset, -4.0f, 4.0f);
                const Floats dy = random_floats(random, count, 3 - offset);
                const Floats scale = random_floats(random, columns, 1, -2.0f, 2.0f);
                const Floats shift = random_floats(random, columns, 2);
                const LayerNormArgs args{rows, columns, 1e-3f, x.data(), row};
                struct Results {
                    Floats y, dx, products, scratch;
                } expected{untouched(count, 2), untouched(count, 0), untouched(count, 1),
                           Floats(48 * columns)},
                    start = expected;
                const auto run = [&](const Kernels& table, Results& to) {
                    table.layer_norm(args, scale.data(), shift.data(), to.y.data(), row,
                                     to.scratch.data());
                    table.layer_norm_gradient(args, scale.data(), dy.data(), row, to.dx.data(), row,
                                              to.products.data(), row, to.scratch.data());
                };
                run(reference, expected);
                for (const Kernels* table : tables) {
                    const std::string what = sizes(table, rows, columns, gap);
                    Results actual = start;
                    run(*table, actual);
                    CHECK_SAME(expected.y, actual.y, what << " y");
                    CHECK_SAME(expected.dx, actual.dx, what << " dx");
                    CHECK_SAME(expected.products, actual.products, what << " products");
                    CHECK_INTACT(actual.scratch, what << " scratch");
                }
            }
}

// --- accuracy -------------------------------------------------------------------------------

// Numbers around 0, and numbers that differ little from a large mean, where the mean of squares
// less the square of the mean would keep no digit.
struct Range {
    float low, high;
};
constexpr Range kRanges[] = {{-1.0f, 1.0f}, {999.0f, 1001.0f}, {1000.0f, 1000.01f}};

// Roundings of a sum over pixels in four chains, its division included.
double roundings(ptrdiff_t pixels) { return static_cast<double>((pixels + 3) / 4 + 3); }

TEST(moments_by_definition) {
    Random random(4);
    const Kernels& reference = reference_table();
    for (const Range range : kRanges)
        for (const ptrdiff_t pixels : {1, 2, 5, 49, 784, 4096}) {
            const ptrdiff_t channels = 3, samples = 7, stride = 4, size = pixels * channels;
            const double count = static_cast<double>(pixels);
            Floats x = random_floats(random, samples * size, 0, range.low, range.high);
            Floats means(samples * stride), squares(samples * stride), mean(channels),
                variance(channels);
            for (ptrdiff_t s = 0; s < samples; ++s)
                reference.channel_moments(pixels, channels, x.data() + s * size,
                                          means.data() + s * stride, squares.data() + s * stride);
            reference.combine_moments(samples, stride, pixels, channels, means.data(),
                                      squares.data(), mean.data(), variance.data());
            for (ptrdiff_t c = 0; c < channels; ++c) {
                const auto each = [&](ptrdiff_t s, auto body) {
                    for (ptrdiff_t p = 0; p < pixels; ++p) body(at(x, s * size + p * channels + c));
                };
                double all = 0, all_sizes = 0, within_error = 0, mean_error = 0;
                for (ptrdiff_t s = 0; s < samples; ++s) {
                    double sum = 0, sizes = 0, square = 0;
                    each(s, [&](double v) { sum += v, sizes += std::fabs(v); });
                    const double exact = sum / count;
                    each(s, [&](double v) { square += (v - exact) * (v - exact); });
                    // Squares are taken around the rounded mean: (its error)^2 more per pixel.
                    const double error = roundings(pixels) * kUnit * sizes / count;
                    const double square_error = (roundings(pixels) + 2) * kUnit * square +
                                                2 * count * error * error + 1e-30;
                    CHECK_THAT(std::fabs(at(means, s * stride + c) - exact) <= error,
                               pixels << " pixels: " << check::show(means[s * stride + c])
                                      << ", exactly " << exact);
                    CHECK_THAT(std::fabs(at(squares, s * stride + c) - square) <= square_error,
                               pixels << " pixels: " << check::show(squares[s * stride + c])
                                      << ", exactly " << square);
                    all += sum, all_sizes += sizes;
                    within_error += square_error / (count * static_cast<double>(samples));
                    mean_error = std::max(mean_error, error);
                }
                const double total = count * static_cast<double>(samples), exact = all / total;
                double exact_variance = 0;
                for (ptrdiff_t s = 0; s < samples; ++s)
                    each(s, [&](double v) { exact_variance += (v - exact) * (v - exact) / total; });
                const double more = static_cast<double>(samples) + 1;
                mean_error += more * kUnit * all_sizes / total;
                CHECK(std::fabs(at(mean, c) - exact) <= mean_error);
                // The means' errors enter squared, and times the differences between the means.
                const double allowed = within_error + (more + 3) * kUnit * exact_variance +
                                       4 * mean_error * mean_error +
                                       4 * mean_error * std::sqrt(exact_variance / count);
                CHECK_THAT(std::fabs(at(variance, c) - exact_variance) <= allowed,
                           pixels << " pixels around " << static_cast<double>(range.low) << ": "
                                  << check::show(variance[c]) << ", exactly " << exact_variance
                                  << ", allowed " << allowed);
                // And the bound says something: the mean of squares less the squared mean would
                // have errors of the size of this variance.
                if (range.high - range.low > 1 && pixels <= 784)
                    CHECK(allowed < 0.05 * exact_variance);
            }
        }
}

TEST(normalizing_by_definition) {
    Random random(5);
    const Kernels& reference = reference_table();
    for (const Range range : kRanges)
        for (const ptrdiff_t pixels : {1, 6, 784}) {
            const ptrdiff_t channels = 5, count = pixels * channels;
            PerChannel values(random, channels, 0);
            for (float& mean : values.mean) mean = random.uniform(range.low, range.high);
            const Floats x = random_floats(random, count, 0, range.low, range.high);
            const Floats dy = random_floats(random, count);
            Floats y(count), rectified(count), dx(count), shift(channels), scale(channels);
            const NormalizeArgs args = values.args(pixels);
            NormalizeGradientArgs gradient_args = values.gradient_args(pixels);
            gradient_args.constant = values.shift.data();
            reference.normalize(args, Activation::linear, x.data(), y.data());
            reference.normalize(args, Activation::relu, x.data(), rectified.data());
            reference.normalize_gradient(gradient_args, Activation::linear, x.data(), dy.data(),
                                         dx.data());
            Floats chains(2 * kNormalizeChains * padded(channels));
            reference.normalize_gradient_chains(args, 0, x.data(), dy.data(), chains.data());
            for (ptrdiff_t i = 0; i < kNormalizeChains * channels; ++i) {
                const ptrdiff_t c = i % channels, k = i / channels;
                shift.data()[c] += chains.data()[k * padded(channels) + c];
                scale.data()[c] += chains.data()[(kNormalizeChains + k) * padded(channels) + c];
            }
            std::vector<double> sums(5), products(5), sum_sizes(5), product_sizes(5);
            for (ptrdiff_t i = 0; i < count; ++i) {
                const ptrdiff_t c = i % channels;
                const double off = at(x, i) - at(values.mean, c), d = at(dy, i);
                const double exact = off * at(values.scale, c) + at(values.shift, c);
                // One rounding of the difference, one of the result.
                const double allowed =
                    1.01 * kUnit * (std::fabs(off * at(values.scale, c)) + std::fabs(exact));
                CHECK(std::fabs(at(y, i) - exact) <= allowed);
                CHECK(std::fabs(at(rectified, i) - std::max(exact, 0.0)) <= allowed);
                const double by_input = at(values.shift, c) * off;
                const double rest = by_input + at(values.shift, c);
                const double slope = at(values.scale, c) * d + rest;
                CHECK(std::fabs(at(dx, i) - slope) <=
                      1.01 * kUnit * (std::fabs(by_input) + std::fabs(rest) + std::fabs(slope)));
                const auto k = static_cast<std::size_t>(c);
                sums[k] += d, products[k] += d * off;
                sum_sizes[k] += std::fabs(d), product_sizes[k] += std::fabs(d * off);
            }
            for (ptrdiff_t c = 0; c < channels; ++c) {
                const auto k = static_cast<std::size_t>(c);
                const double n = (roundings(pixels) + 1) * kUnit;
                CHECK(std::fabs(at(shift, c) - sums[k]) <= n * sum_sizes[k]);
                CHECK(std::fabs(at(scale, c) - products[k]) <= n * product_sizes[k]);
            }
        }
}

TEST(layer_normalization_by_definition) {
    Random random(6);
    const Kernels& reference = reference_table();
    for (const Range range : kRanges)
        for (const ptrdiff_t columns : {1, 2, 7, 64, 1000}) {
            const ptrdiff_t rows = 4, count = rows * columns;
            const double size = static_cast<double>(columns);
            const double epsilon = static_cast<double>(1e-3f);
            const Floats x = random_floats(random, count, 0, range.low, range.high);
            const Floats dy = random_floats(random, count);
            const Floats scale = random_floats(random, columns, 0, -2.0f, 2.0f);
            const Floats shift = random_floats(random, columns);
            Floats y(count), dx(count), products(count), scratch(48 * columns);
            const LayerNormArgs args{rows, columns, 1e-3f, x.data(), columns};
            reference.layer_norm(args, scale.data(), shift.data(), y.data(), columns,
                                 scratch.data());
            reference.layer_norm_gradient(args, scale.data(), dy.data(), columns, dx.data(),
                                          columns, products.data(), columns, scratch.data());
            for (ptrdiff_t r = 0; r < rows; ++r) {
                const auto each = [&](auto body) {
                    for (ptrdiff_t c = 0; c < columns; ++c) body(c, r * columns + c);
                };
                double mean = 0, sizes = 0, variance = 0;
                each([&](ptrdiff_t, ptrdiff_t i) { mean += at(x, i) / size; });
                each([&](ptrdiff_t, ptrdiff_t i) { sizes += std::fabs(at(x, i)) / size; });
                each([&](ptrdiff_t, ptrdiff_t i) {
                    variance += (at(x, i) - mean) * (at(x, i) - mean) / size;
                });
                const double inverse = 1 / std::sqrt(variance + epsilon);
                // One chain over the columns; the deviation is taken around the rounded mean.
                const double n = (size + 3) * kUnit, mean_error = n * sizes;
                const double inverse_error =
                    n + mean_error * mean_error * inverse * inverse + 3 * kUnit;  // relative
                const auto normalized = [&](ptrdiff_t i) { return (at(x, i) - mean) * inverse; };
                const auto normalized_error = [&](ptrdiff_t i) {
                    return 1.1 * (mean_error * inverse +
                                  std::fabs(normalized(i)) * (inverse_error + 2 * kUnit));
                };
                double sum = 0, sum_sizes = 0, dot = 0, dot_sizes = 0, dot_errors = 0;
                each([&](ptrdiff_t c, ptrdiff_t i) {
                    const double g = at(dy, i) * at(scale, c);
                    sum += g / size, sum_sizes += std::fabs(g) / size;
                    dot += g * normalized(i) / size;
                    dot_sizes += std::fabs(g * normalized(i)) / size;
                    dot_errors += std::fabs(g) * normalized_error(i) / size;
                });
                each([&](ptrdiff_t c, ptrdiff_t i) {
                    const double exact = normalized(i) * at(scale, c) + at(shift, c);
                    CHECK_THAT(
                        std::fabs(at(y, i) - exact) <=
                            std::fabs(at(scale, c)) * normalized_error(i) +
                                2 * kUnit * std::fabs(exact),
                        columns << " columns: " << check::show(y[i]) << ", exactly " << exact);
                    const double d = at(dy, i), g = d * at(scale, c);
                    CHECK(std::fabs(at(products, i) - d * normalized(i)) <=
                          std::fabs(d) * (normalized_error(i) + kUnit * std::fabs(normalized(i))));
                    const double slope = (g - sum - normalized(i) * dot) * inverse;
                    const double inner_error =
                        2 * kUnit * std::fabs(g) + 2 * n * sum_sizes +
                        std::fabs(normalized(i)) * (2 * n * dot_sizes + dot_errors) +
                        normalized_error(i) * std::fabs(dot);
                    CHECK_THAT(
                        std::fabs(at(dx, i) - slope) <=
                            1.1 * (inner_error * inverse +
                                   std::fabs(slope) * (inverse_error + 2 * kUnit)),
                        columns << " columns: " << check::show(dx[i]) << ", exactly " << slope);
                });
            }
        }
}

}  // namespace
