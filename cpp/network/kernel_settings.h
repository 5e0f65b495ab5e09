// What a layer's kernel begins with, and what the loss pays for it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "types.h"

namespace nncore::network {

// ones: for what multiplies, such as gamma; kernels may not ask for it.
// uniform: in [-limit, limit); normal: cut off at two standard deviations. Their variance is
// 2 / fan_in (He et al., 2015) or 2 / (fan_in + fan_out) (Glorot and Bengio, 2010).
enum class Initializer { zeros, ones, he_uniform, he_normal, glorot_uniform, glorot_normal };

// Throws std::invalid_argument that lists the known names.
Initializer initializer_from_name(const std::string& name);
// The first values of a kernel (..., in, out), from random numbers that no other `stream` has.
std::vector<float> initial_values(Initializer initializer, const Shape& shape, std::uint64_t seed,
                                  std::uint32_t stream);

// Added to the loss: l1 * sum |w| + l2 * sum w^2.
struct Penalty {
    double l1 = 0.0, l2 = 0.0;

    bool any() const { return l1 > 0.0 || l2 > 0.0; }
};

struct KernelSettings {
    std::string initializer{};  // a name; empty: the default of the activation
    Penalty penalty{};
};

}  // namespace nncore::network
