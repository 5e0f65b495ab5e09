// The first weights. Every draw is a function of (seed, layer, index), and nothing here depends on
// a C library: the same bits on every machine.
#include <cmath>
#include <iterator>
#include <stdexcept>

#include "../runtime/philox.h"
#include "kernel_settings.h"

namespace nncore::network {
namespace {

struct Name {
    const char* name;
    Initializer initializer;
};
constexpr Name kNames[] = {{"zeros", Initializer::zeros},
                           {"he_uniform", Initializer::he_uniform},
                           {"he_normal", Initializer::he_normal},
                           {"glorot_uniform", Initializer::glorot_uniform},
                           {"glorot_normal", Initializer::glorot_normal}};

// Half of the share of a normal distribution within two standard deviations, and the standard
// deviation of what is left when the rest is cut off.
constexpr double kHalfWithinTwo = 0.47724986805182079;
constexpr double kDeviationWithinTwo = 0.87962566103423978;

// The inverse of the normal distribution function at 1/2 + q, for |q| <= kHalfWithinTwo: q times a
// rational function of q^2, a minimax fit of this project's, relative error 1.5e-9.
double normal_quantile(double q) {
    constexpr double numerator[] = {-41.69516961434751, 227.94176321528346, -281.61352313985645,
                                    140.0625002727885,  -30.83745343134737, 2.506628278325118};
    constexpr double denominator[] = {-56.72612971785775, 166.105744952817,    -158.5958519350737,
                                      67.55353009696888,  -13.349560951404415, 1.0};
    const double square = q * q;
    double above = 0.0, below = 0.0;
    for (const double c : numerator) above = above * square + c;
    for (const double c : denominator) below = below * square + c;
    return q * above / below;
}

bool is_he(Initializer initializer) {
    return initializer == Initializer::he_uniform || initializer == Initializer::he_normal;
}

}  // namespace

Initializer initializer_from_name(const std::string& name) {
    std::string known;
    for (const Name& entry : kNames) {
        if (name == entry.name) return entry.initializer;
        known += (known.empty() ? "" : ", ") + std::string(entry.name);
    }
    throw std::invalid_argument("unknown initializer \"" + name + "\"; known: " + known);
}

std::vector<float> initial_values(Initializer initializer, const Shape& shape, std::uint64_t seed,
                                  std::uint32_t stream) {
    std::vector<float> values(static_cast<std::size_t>(element_count(shape)));
    if (initializer == Initializer::zeros) return values;
    const double count = static_cast<double>(element_count(shape));
    const double fan_in = count / static_cast<double>(shape.back());
    const double fan_out = count / static_cast<double>(shape[shape.size() - 2]);
    const double fans = is_he(initializer) ? fan_in : fan_in + fan_out;
    const bool normal =
        initializer == Initializer::he_normal || initializer == Initializer::glorot_normal;
    const float limit = static_cast<float>(std::sqrt(6.0 / fans));
    const double deviation = std::sqrt(2.0 / fans) / kDeviationWithinTwo;
    for (std::size_t i = 0; i < values.size(); ++i) {
        const auto block =
            runtime::random_block(seed, runtime::Purpose::initialization, stream, i / 4);
        const std::uint32_t bits = block[i % 4];
        if (normal) {
            // In the middle of one of 2^32 equal parts of what lies within two deviations.
            const double part = (static_cast<double>(bits) + 0.5) * 0x1p-31 - 1.0;
            values[i] = static_cast<float>(normal_quantile(part * kHalfWithinTwo) * deviation);
        } else {
            values[i] = (2.0f * runtime::to_unit_float(bits) - 1.0f) * limit;
        }
    }
    return values;
}

}  // namespace nncore::network
