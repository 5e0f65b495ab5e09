// exp, log, tanh, sigmoid and the vector operations beneath them.
//
// The reference functions are held against the double functions of <cmath>, with the bounds that
// math_constants.h states; every instruction set must then give the reference's bits.
#include <algorithm>
#include <bit>
#include <cmath>
#include <string>
#include <vector>

#include "check.h"
#include "guarded.h"
#include "kernels/reference/activation.h"
#include "lanes.h"
#include "random.h"
#include "tables.h"

namespace nncore::kernels {
#ifdef NNCORE_HAVE_BASELINE
namespace lanes_baseline {
const Lanes& lanes();
}
#endif
#ifdef NNCORE_HAVE_AVX2
namespace lanes_avx2 {
const Lanes& lanes();
}
#endif
#ifdef NNCORE_HAVE_AVX512
namespace lanes_avx512 {
const Lanes& lanes();
}
#endif
#ifdef NNCORE_HAVE_NEON
namespace lanes_neon {
const Lanes& lanes();
}
#endif
}  // namespace nncore::kernels

using namespace nncore::kernels;

namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
const float kNaN = std::nanf("");

// What this machine can run.
std::vector<const Lanes*> available_lanes() {
    std::vector<const Lanes*> all;
    const auto isas = available_isas();
    const auto add = [&](const char* isa, const Lanes& lanes) {
        if (std::find(isas.begin(), isas.end(), isa) != isas.end()) all.push_back(&lanes);
    };
#ifdef NNCORE_HAVE_AVX512
    add("avx512", lanes_avx512::lanes());
#endif
#ifdef NNCORE_HAVE_AVX2
    add("avx2", lanes_avx2::lanes());
#endif
#ifdef NNCORE_HAVE_NEON
    add("neon", lanes_neon::lanes());
#endif
#ifdef NNCORE_HAVE_BASELINE
    add("baseline", lanes_baseline::lanes());
#endif
    return all;
}

// Every kStride-th of all floats, and the ones where something happens.
constexpr std::uint32_t kStride = 3001;

const GuardedArray<float>& sweep() {
    static const GuardedArray<float> all = [] {
        std::vector<float> values;
        for (const float x :
             {0.0f, 1e-45f, 1.1754942e-38f, 1.17549435e-38f, 3.40282347e38f, kInfinity, kNaN, 0.5f,
              1.0f, 2.0f, 0.625f, 0.62499994f, 0.70710678f, 0.70710683f, 1.41421354f, 44.0f, 44.5f,
              87.3f, 87.336544f, 87.33655f, 88.0f, 88.37626f, 88.37627f, 88.722839f, 88.7228394f,
              88.73f, 89.0f, 103.97f, 103.972076f, 103.97208f, 103.98f, 104.0f, 104.5f, 1000.0f,
              // Where an exhaustive run found the largest errors of exp, log, tanh, sigmoid, gelu
              // and silu.
              15.6335268f, 71.0295868f, 87.7716675f, 1.41364205f, 0.63098222f, 7.85921097f,
              16.6396866f, 11.2826595f, 16.6854992f, 11.1684637f, 11.0865259f}) {
            values.push_back(x);
            values.push_back(-x);
        }
        for (std::uint64_t bits = 0; bits <= 0xffffffffu; bits += kStride)
            values.push_back(std::bit_cast<float>(static_cast<std::uint32_t>(bits)));
        GuardedArray<float> array(static_cast<ptrdiff_t>(values.size()), 1);
        std::copy(values.begin(), values.end(), array.begin());
        return array;
    }();
    return all;
}

template <class Function>
GuardedArray<float> apply(const GuardedArray<float>& x, Function function) {
    GuardedArray<float> y(x.size());
    for (ptrdiff_t i = 0; i < x.size(); ++i) y[i] = function(x[i]);
    return y;
}

// |y - exact| in units in the last place of a float of that size; infinite for a wrong special.
double error_in_ulps(float y, double exact) {
    if (std::isnan(exact)) return std::isnan(y) ? 0.0 : HUGE_VAL;
    if (std::isinf(static_cast<float>(exact)))
        return y == static_cast<float>(exact) ? 0.0 : HUGE_VAL;
    if (!std::isfinite(y)) return HUGE_VAL;
    const int exponent = exact == 0.0 ? -126 : std::max(-126, std::ilogb(exact));
    return std::ldexp(std::fabs(static_cast<double>(y) - exact), 23 - exponent);
}

// The largest error over the sweep, restricted to what `within` accepts.
template <class Function, class Exact, class Within>
void check_accuracy(const char* name, Function function, Exact exact, Within within, double bound) {
    double worst = 0;
    float at = 0;
    for (const float x : sweep()) {
        if (!within(x)) continue;
        const double error = error_in_ulps(function(x), exact(static_cast<double>(x)));
        if (error > worst) worst = error, at = x;
    }
    std::printf("%s: largest error %.3f ulp\n", name, worst);
    CHECK_THAT(worst <= bound, name << "(" << check::show(at) << ") is wrong by " << worst
                                    << " ulp, allowed " << bound);
}

const auto anywhere = [](float) { return true; };

float reference_sigmoid(float x) { return reference::activate(Activation::sigmoid, x); }

TEST(accuracy) {
    check_accuracy(
        "exp", reference::exponential, [](double x) { return std::exp(x); }, anywhere, 1.3);
    check_accuracy(
        "log", reference::logarithm, [](double x) { return std::log(x); }, anywhere, 0.9);
    check_accuracy(
        "tanh", reference::hyperbolic_tangent, [](double x) { return std::tanh(x); }, anywhere,
        1.4);
}

// Below -88.7 exp(-x) overflows and the result is 0 where it should be at most 3e-39.
TEST(accuracy_of_sigmoid) {
    const auto exact = [](double x) { return 1 / (1 + std::exp(-x)); };
    check_accuracy("sigmoid", reference_sigmoid, exact, [](float x) { return !(x < -87.0f); }, 3.3);
    for (const float x : sweep())
        if (x < -87.0f) {
            const double error = std::fabs(static_cast<double>(reference_sigmoid(x)) -
                                           exact(static_cast<double>(x)));
            CHECK_THAT(error <= 0x1p-127, "sigmoid(" << check::show(x) << ")");
        }
}

float reference_gelu(float x) { return reference::gated(SelfGated::gelu, x); }
float reference_silu(float x) { return reference::gated(SelfGated::silu, x); }

constexpr double kRootHalf = 0.70710678118654752440, kPi = 3.14159265358979323846;

double exact_gelu(double x) { return x * std::erfc(-x * kRootHalf) / 2; }
double exact_silu(double x) { return x / (1 + std::exp(-x)); }

// Of normal results; those below may be 0.
TEST(accuracy_of_gelu_and_silu) {
    check_accuracy("gelu", reference_gelu, exact_gelu, [](float x) { return !(x < -12.9f); }, 6.3);
    check_accuracy("silu", reference_silu, exact_silu, [](float x) { return !(x < -87.0f); }, 3.1);
    for (const float x : sweep()) {
        if (x == -kInfinity) continue;
        const auto error = [&](float y, double exact) {
            return std::fabs(static_cast<double>(y) - exact);
        };
        const auto wide = static_cast<double>(x);
        if (x < -12.9f) CHECK(error(reference_gelu(x), exact_gelu(wide)) <= 0x1p-120);
        if (x < -87.0f) CHECK(error(reference_silu(x), exact_silu(wide)) <= 0x1p-119);
    }
}

// Where the derivatives pass through 0 they are differences of larger numbers: errors are
// measured against those.
TEST(accuracy_of_the_derivatives_of_gelu_and_silu) {
    const auto check = [](const char* name, SelfGated kind, auto exact, auto size, double bound) {
        double worst = 0;
        float at = 0;
        for (const float x : sweep()) {
            if (!std::isfinite(x)) continue;
            const auto wide = static_cast<double>(x);
            const double error =
                std::fabs(static_cast<double>(reference::gated_derivative(kind, x)) - exact(wide)) /
                (std::ldexp(size(wide), -24) + 0x1p-120);
            if (error > worst) worst = error, at = x;
        }
        std::printf("derivative of %s: largest error %.3f\n", name, worst);
        CHECK_THAT(worst <= bound, name << "'(" << check::show(at) << ") is wrong by " << worst
                                        << " roundings, allowed " << bound);
    };
    const auto distribution = [](double x) { return std::erfc(-x * kRootHalf) / 2; };
    const auto density = [](double x) { return std::exp(-x * x / 2) / std::sqrt(2 * kPi); };
    check(
        "gelu", SelfGated::gelu, [&](double x) { return distribution(x) + x * density(x); },
        [&](double x) { return distribution(x) + std::fabs(x) * density(x); }, 4.5);
    const auto gate = [](double x) { return 1 / (1 + std::exp(-x)); };
    check(
        "silu", SelfGated::silu, [&](double x) { return gate(x) + (x * gate(x)) * (1 - gate(x)); },
        [&](double x) { return gate(x) + (std::fabs(x) * gate(x)) * (1 - gate(x)); }, 4.9);
}

TEST(special_values_of_gelu_and_silu) {
    for (const auto& function : {reference_gelu, reference_silu}) {
        CHECK(same(0.0f, function(0.0f)));
        CHECK(same(-0.0f, function(-0.0f)));
        CHECK_EQUAL(kInfinity, function(kInfinity));
        // As in PyTorch: infinities come from a broken network alone, and that has to show.
        CHECK(std::isnan(function(-kInfinity)));
        CHECK(std::isnan(function(kNaN)));
        CHECK_EQUAL(100.0f, function(100.0f));
        CHECK_EQUAL(3.4e38f, function(3.4e38f));
        CHECK(same(-0.0f, function(-3.4e38f)));
    }
    for (const SelfGated kind : {SelfGated::gelu, SelfGated::silu}) {
        CHECK(std::isnan(reference::gated_derivative(kind, kNaN)));
        CHECK_EQUAL(1.0f, reference::gated_derivative(kind, 3.4e38f));
        CHECK(std::fabs(reference::gated_derivative(kind, 0.0f) - 0.5f) < 1e-7f);
    }
}

TEST(special_values) {
    using namespace reference;
    for (const float zero : {0.0f, -0.0f}) {
        CHECK_EQUAL(1.0f, exponential(zero));
        CHECK_EQUAL(-kInfinity, logarithm(zero));
        CHECK_EQUAL(0.5f, reference_sigmoid(zero));
        CHECK_THAT(same(zero, hyperbolic_tangent(zero)),
                   "tanh(" << check::show(zero) << ") is " << check::show(hyperbolic_tangent(zero))
                           << ", in <cmath> zero keeps its sign");
    }
    CHECK_EQUAL(kInfinity, exponential(kInfinity));
    CHECK_EQUAL(0.0f, exponential(-kInfinity));
    CHECK(std::isnan(exponential(kNaN)));
    CHECK(same(0.0f, logarithm(1.0f)));
    CHECK_EQUAL(kInfinity, logarithm(kInfinity));
    CHECK(std::isnan(logarithm(-kInfinity)));
    CHECK(std::isnan(logarithm(-1.0f)));
    CHECK(std::isnan(logarithm(-1e-45f)));
    CHECK(std::isnan(logarithm(kNaN)));
    CHECK_EQUAL(1.0f, hyperbolic_tangent(kInfinity));
    CHECK_EQUAL(-1.0f, hyperbolic_tangent(-kInfinity));
    CHECK(std::isnan(hyperbolic_tangent(kNaN)));
    CHECK_EQUAL(1.0f, reference_sigmoid(kInfinity));
    CHECK_EQUAL(0.0f, reference_sigmoid(-kInfinity));
    CHECK(std::isnan(reference_sigmoid(kNaN)));
    CHECK_EQUAL(1e-45f, hyperbolic_tangent(1e-45f));
}

TEST(same_bits_everywhere) {
    const GuardedArray<float>& x = sweep();
    const auto exp = apply(x, reference::exponential);
    const auto log = apply(x, reference::logarithm);
    const auto tanh = apply(x, reference::hyperbolic_tangent);
    const auto sigmoid = apply(x, reference_sigmoid);
    const auto gelu = apply(x, reference_gelu), silu = apply(x, reference_silu);
    const auto ones = apply(x, [](float) { return 1.0f; });
    const auto message = [&](const char* isa, const char* function,
                             const GuardedArray<float>& expected,
                             const GuardedArray<float>& actual) {
        const ptrdiff_t at = first_difference(expected, actual);
        return std::string(isa) + " " + function + (at < 0 ? "" : " of " + check::show(x[at]));
    };
    for (const Lanes* lanes : available_lanes()) {
        GuardedArray<float> y(x.size(), 3);
        lanes->exp(x.size(), x.data(), y.data());
        CHECK_SAME(exp, y, message(lanes->isa, "exp", exp, y));
        lanes->log(x.size(), x.data(), y.data());
        CHECK_SAME(log, y, message(lanes->isa, "log", log, y));
    }
    for (const std::string& isa : available_isas()) {
        const Kernels& table = table_named(isa);
        GuardedArray<float> y(x.size(), 3);
        table.activation(Activation::tanh, x.size(), x.data(), y.data());
        CHECK_SAME(tanh, y, message(table.isa, "tanh", tanh, y));
        table.activation(Activation::sigmoid, x.size(), x.data(), y.data());
        CHECK_SAME(sigmoid, y, message(table.isa, "sigmoid", sigmoid, y));
        table.self_gated(SelfGated::gelu, x.size(), x.data(), y.data());
        CHECK_SAME(gelu, y, message(table.isa, "gelu", gelu, y));
        table.self_gated(SelfGated::silu, x.size(), x.data(), y.data());
        CHECK_SAME(silu, y, message(table.isa, "silu", silu, y));
        for (const SelfGated kind : {SelfGated::gelu, SelfGated::silu, SelfGated::hard_swish}) {
            const auto expected =
                apply(x, [&](float value) { return reference::gated_derivative(kind, value); });
            table.self_gated_gradient(kind, x.size(), x.data(), ones.data(), y.data());
            CHECK_SAME(expected, y, message(table.isa, "derivative", expected, y));
        }
    }
}

// --- fma, max, min, broadcast ---------------------------------------------------------------

const float kSpecials[] = {0.0f,
                           -0.0f,
                           1e-45f,
                           -1e-45f,
                           1.1754942e-38f,
                           -1.1754942e-38f,
                           1.17549435e-38f,
                           -1.17549435e-38f,
                           1.0f,
                           -1.0f,
                           1.00000012f,
                           0.99999994f,
                           1.5f,
                           3.0f,
                           -3.0f,
                           3.40282347e38f,
                           -3.40282347e38f,
                           1.70141173e38f,
                           16777216.0f,
                           1e-20f,
                           -1e-20f,
                           kInfinity,
                           -kInfinity,
                           std::nanf("")};

struct Triples {
    explicit Triples(ptrdiff_t count) : a(count), b(count, 1), c(count, 2) {}
    GuardedArray<float> a, b, c;
};

void check_fma(const char* what, const Triples& t) {
    GuardedArray<float> expected(t.a.size());
    for (ptrdiff_t i = 0; i < t.a.size(); ++i) expected[i] = std::fma(t.a[i], t.b[i], t.c[i]);
    for (const Lanes* lanes : available_lanes()) {
        GuardedArray<float> y(t.a.size(), 3);
        lanes->fma(t.a.size(), t.a.data(), t.b.data(), t.c.data(), y.data());
        const ptrdiff_t at = std::max<ptrdiff_t>(0, first_difference(expected, y));
        CHECK_SAME(expected, y,
                   lanes->isa << " fma, " << what << ": " << check::show(t.a[at]) << " * "
                              << check::show(t.b[at]) << " + " << check::show(t.c[at]));
    }
}

TEST(fma_of_special_values) {
    const ptrdiff_t n = std::size(kSpecials);
    Triples t(n * n * n);
    for (ptrdiff_t i = 0; i < t.a.size(); ++i) {
        t.a[i] = kSpecials[i % n];
        t.b[i] = kSpecials[i / n % n];
        t.c[i] = kSpecials[i / n / n];
    }
    check_fma("specials", t);
}

TEST(fma_of_any_bits) {
    Random random(1);
    Triples t(300001);
    for (ptrdiff_t i = 0; i < t.a.size(); ++i) {
        t.a[i] = random.any();
        t.b[i] = random.any();
        t.c[i] = random.any();
    }
    check_fma("any bits", t);
}

// C is the rounded product, negated, a few units away: what remains is the product's low half.
TEST(fma_of_cancellations) {
    Random random(2);
    Triples t(300001);
    for (ptrdiff_t i = 0; i < t.a.size(); ++i) {
        t.a[i] = random.uniform();
        t.b[i] = std::ldexp(random.uniform(), static_cast<int>(random.below(60)) - 30);
        const float product = t.a[i] * t.b[i];
        t.c[i] = std::bit_cast<float>(std::bit_cast<std::uint32_t>(-product) +
                                      static_cast<std::uint32_t>(random.below(5)) - 2u);
    }
    check_fma("cancellation", t);
}

// Sums next to the middle between two floats, decided by bits that a double does not hold: the
// product adds half a unit of C and a little, or falls short of it by a little.
TEST(fma_of_halfway_cases) {
    Random random(3);
    Triples t(300001);
    for (ptrdiff_t i = 0; i < t.a.size(); ++i) {
        const int exponent = static_cast<int>(random.below(240)) - 120;
        const float c =
            std::ldexp(1.0f + static_cast<float>(random.below(1 << 23)) * 0x1p-23f, exponent);
        const auto tiny = static_cast<float>(random.below(3) - 1) *
                          std::ldexp(1.0f, -static_cast<int>(random.below(23)) - 1);
        const float half_unit = std::ldexp(1.0f, exponent - 24);
        t.a[i] = half_unit * (1.0f + tiny);
        t.b[i] = (random.below(2) == 0 ? 1.0f : -1.0f) *
                 (1.0f + static_cast<float>(random.below(3) - 1) * 0x1p-23f);
        t.c[i] = random.below(2) == 0 ? c : -c;
    }
    check_fma("halfway", t);
}

// Results among the subnormals, where a float has fewer bits, and at the edge of overflow.
TEST(fma_at_the_ends_of_the_range) {
    Random random(4);
    Triples t(300001);
    for (ptrdiff_t i = 0; i < t.a.size(); ++i) {
        const int sum = i % 2 == 0 ? -126 - static_cast<int>(random.below(26)) : 127;
        const int exponent = static_cast<int>(random.below(100)) - 50;
        t.a[i] = std::ldexp(random.uniform(), exponent);
        t.b[i] = std::ldexp(random.uniform(), sum - exponent);
        t.c[i] =
            std::ldexp(random.uniform(-2.0f, 2.0f), sum + static_cast<int>(random.below(9)) - 4);
    }
    check_fma("ends of the range", t);
}

// The second operand where either is NaN, and for zeros of different signs.
TEST(max_and_min) {
    const ptrdiff_t n = std::size(kSpecials);
    GuardedArray<float> a(n * n), b(n * n, 1), larger(n * n), smaller(n * n), y(n * n, 2);
    for (ptrdiff_t i = 0; i < a.size(); ++i) {
        a[i] = kSpecials[i % n];
        b[i] = kSpecials[i / n];
        larger[i] = a[i] > b[i] ? a[i] : b[i];
        smaller[i] = a[i] < b[i] ? a[i] : b[i];
    }
    for (const Lanes* lanes : available_lanes()) {
        lanes->max(a.size(), a.data(), b.data(), y.data());
        CHECK_SAME(larger, y, lanes->isa << " max");
        lanes->min(a.size(), a.data(), b.data(), y.data());
        CHECK_SAME(smaller, y, lanes->isa << " min");
    }
}

TEST(broadcast_keeps_bits) {
    const ptrdiff_t n = std::size(kSpecials);
    GuardedArray<float> x(n), y(n);
    std::copy_n(kSpecials, n, x.begin());
    for (const Lanes* lanes : available_lanes()) {
        lanes->broadcast(n, x.data(), y.data());
        CHECK_SAME(x, y, lanes->isa << " broadcast");
    }
}

}  // namespace
