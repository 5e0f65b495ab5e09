// What kernels should give, in double precision, and how far off rounding may take them.
#pragma once

#include <cmath>
#include <cstddef>
#include <vector>

#include "../../cpp/kernels/kernels.h"
#include "guarded.h"

inline constexpr double kUnit = 0x1p-24;  // half a unit in the last place of 1

// Sums of products with the sum of their magnitudes, to which rounding errors are in proportion.
class ExactSums {
 public:
    explicit ExactSums(std::ptrdiff_t count)
        : sums_(static_cast<std::size_t>(count)), sizes_(sums_.size()) {}
    // Products are added to these values.
    explicit ExactSums(const GuardedArray<float>& start) : ExactSums(start.size()) {
        for (std::ptrdiff_t i = 0; i < start.size(); ++i) add(i, static_cast<double>(start[i]));
    }
    void add(std::ptrdiff_t place, float a, float b) {
        add(place, static_cast<double>(a) * static_cast<double>(b));
    }
    void add(std::ptrdiff_t place, double product) {
        sums_[static_cast<std::size_t>(place)] += product;
        sizes_[static_cast<std::size_t>(place)] += std::fabs(product);
    }
    // Whether so many roundings can make this value of the sum.
    bool near(std::ptrdiff_t place, float value, std::ptrdiff_t roundings) const {
        const auto i = static_cast<std::size_t>(place);
        const double bound = kUnit * static_cast<double>(roundings) * sizes_[i];
        return std::fabs(static_cast<double>(value) - sums_[i]) <= bound;
    }
    // How many values they cannot make of the sums.
    long wrong(const GuardedArray<float>& values, std::ptrdiff_t roundings) const {
        long count = 0;
        for (std::ptrdiff_t i = 0; i < values.size(); ++i)
            count += near(i, values[i], roundings) ? 0 : 1;
        return count;
    }

 private:
    std::vector<double> sums_, sizes_;
};

inline double activate(nncore::kernels::Activation activation, double x) {
    using nncore::kernels::Activation;
    switch (activation) {
        case Activation::relu:
            return x > 0 ? x : 0;
        case Activation::relu6:
            return x > 0 ? (x < 6 ? x : 6) : 0;
        case Activation::hard_sigmoid:
            return x > -3 ? (x < 3 ? x / 6 + 0.5 : 1) : 0;
        case Activation::leaky_relu:
            return x > 0 ? x : x * static_cast<double>(nncore::kernels::kLeakySlope);
        case Activation::sigmoid:
            return 1 / (1 + std::exp(-x));
        case Activation::tanh:
            return std::tanh(x);
        case Activation::linear:
            break;
    }
    return x;
}

// By the output y of the activation.
inline double derivative(nncore::kernels::Activation activation, double y) {
    using nncore::kernels::Activation;
    switch (activation) {
        case Activation::relu:
            return y > 0 ? 1 : 0;
        case Activation::relu6:
            return y > 0 && y < 6 ? 1 : 0;
        case Activation::hard_sigmoid:
            return y > 0 && y < 1 ? 1.0 / 6 : 0;
        case Activation::leaky_relu:
            return y > 0 ? 1 : static_cast<double>(nncore::kernels::kLeakySlope);
        case Activation::sigmoid:
            return y * (1 - y);
        case Activation::tanh:
            return 1 - y * y;
        case Activation::linear:
            break;
    }
    return 1;
}

// Whether a kernel can have made this value of an exact sum: with so many roundings of terms whose
// magnitudes add up to `size`, and then the activation, or backward its derivative, by its output
// y.
inline bool near_behind(nncore::kernels::Activation activation, bool backward, double sum,
                        double size, std::ptrdiff_t roundings, float y, float value) {
    const double exact =
        backward ? sum * derivative(activation, static_cast<double>(y)) : activate(activation, sum);
    const double bound =
        kUnit * (static_cast<double>(roundings) * size + 4 * (std::fabs(exact) + std::fabs(sum)));
    return std::fabs(static_cast<double>(value) - exact) <= bound;
}
