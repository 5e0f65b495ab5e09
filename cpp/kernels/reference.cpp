// The reference kernels: plain loops with the same chains of operations as cpp/kernels/isa, one
// element at a time. They are the oracle of the tests (results must be equal bit for bit) and the
// last fallback. Read these first: each says in a few lines what its fast twin computes.
#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "../runtime/philox.h"
#include "kernels.h"
#include "math_constants.h"
#include "pooled_groups.h"

namespace nncore::kernels::reference {
namespace {

constexpr ptrdiff_t kBlock = 16;

float exponential(float x) {
    using namespace constants;
    if (std::isnan(x)) return x;
    x = std::max(exp_low, std::min(exp_high, x));
    const float shifted = std::fma(x, log2_e, round_magic);
    const float n = shifted - round_magic;
    float r = std::fma(n, -ln2_high, x);
    r = std::fma(n, -ln2_low, r);
    float p = exp_c0;
    for (const float c : {exp_c1, exp_c2, exp_c3, exp_c4, exp_c5}) p = std::fma(p, r, c);
    p = std::fma(p, r * r, r + 1.0f);
    const int exponent = static_cast<int>(n);
    const int half = exponent >> 1;
    return p * std::ldexp(1.0f, half) * std::ldexp(1.0f, exponent - half);
}

float logarithm(float x) {
    using namespace constants;
    if (std::isnan(x) || x == std::numeric_limits<float>::infinity()) return x;
    if (x == 0.0f) return -std::numeric_limits<float>::infinity();
    if (x < 0.0f) return std::numeric_limits<float>::quiet_NaN();
    int exponent;
    float m = std::frexp(x, &exponent);
    if (m < sqrt_half) {
        --exponent;
        m = m + m - 1.0f;
    } else {
        m = m - 1.0f;
    }
    const float e = static_cast<float>(exponent);
    const float square = m * m;
    float p = log_c0;
    for (const float c : {log_c1, log_c2, log_c3, log_c4, log_c5, log_c6, log_c7, log_c8})
        p = std::fma(p, m, c);
    float y = p * m * square;
    y = std::fma(e, ln2_low, y);
    y = std::fma(square, -0.5f, y);
    y = m + y;
    return std::fma(e, ln2_high, y);
}

float hyperbolic_tangent(float x) {
    using namespace constants;
    if (std::fabs(x) >= tanh_threshold) {
        const float e = exponential(std::fabs(x) + std::fabs(x));
        return std::copysign(1.0f - 2.0f / (e + 1.0f), x);
    }
    const float square = x * x;
    float p = tanh_c0;
    for (const float c : {tanh_c1, tanh_c2, tanh_c3, tanh_c4}) p = std::fma(p, square, c);
    return std::copysign(std::fma(p * square, x, x), x);
}

float activate(Activation kind, float x) {
    switch (kind) {
        case Activation::relu:
            return 0.0f > x ? 0.0f : x;
        case Activation::leaky_relu:
            return x > 0.0f ? x : x * kLeakySlope;
        case Activation::sigmoid:
            return 1.0f / (1.0f + exponential(-x));
        case Activation::tanh:
            return hyperbolic_tangent(x);
        case Activation::linear:
            break;
    }
    return x;
}

float times_derivative(Activation kind, float y, float dy) {
    switch (kind) {
        case Activation::relu:
            return y > 0.0f ? dy : 0.0f;
        case Activation::leaky_relu:
            return y > 0.0f ? dy : dy * kLeakySlope;
        case Activation::sigmoid:
            return dy * (y * (1.0f - y));
        case Activation::tanh:
            return dy * std::fma(-y, y, 1.0f);
        case Activation::linear:
            break;
    }
    return dy;
}

// The standard normal distribution at x: the chance of a smaller value, and the density.
struct Normal {
    float cumulative, density;
};

Normal normal(float x) {
    using namespace constants;
    if (std::isnan(x)) return {x, x};
    const float t = std::min(normal_end, std::fabs(x));
    const float square = t * t;
    float e = exponential(-0.5f * square);
    e = std::fma(e, -0.5f * std::fma(t, t, -square), e);
    const float u = 1.0f / std::fma(t, normal_scale, 1.0f);
    float q = normal_c9;
    for (const float c : {normal_c8, normal_c7, normal_c6, normal_c5, normal_c4, normal_c3,
                          normal_c2, normal_c1, normal_c0})
        q = std::fma(q, u, c);
    const float tail = e * (q * u);
    float p = normal_middle_c5;
    for (const float c :
         {normal_middle_c4, normal_middle_c3, normal_middle_c2, normal_middle_c1, normal_middle_c0})
        p = std::fma(p, square, c);
    const float middle = std::fma(x, p, 0.5f);
    const float outside = x < 0.0f ? tail : 1.0f - tail;
    return {t < 1.0f ? middle : outside, e * normal_peak};
}

float self_gated(SelfGated kind, float x) {
    if (kind == SelfGated::gelu) return x * normal(x).cumulative;
    return x / (1.0f + exponential(-x));
}

float self_gated_derivative(SelfGated kind, float x) {
    if (kind == SelfGated::gelu) {
        const Normal n = normal(x);
        return std::fma(x, n.density, n.cumulative);
    }
    // The gate is the larger of the two for x > 0; its difference to 1 is the other.
    const float e = exponential(-std::fabs(x));
    const float larger = 1.0f / (1.0f + e), smaller = e * larger;
    return x < 0.0f ? smaller * std::fma(x, larger, 1.0f) : larger * std::fma(x, smaller, 1.0f);
}

void one_column(const GemmArgs& g) {
    for (ptrdiff_t i = 0; i < g.M; ++i) {
        float chains[16] = {};
        for (ptrdiff_t k = 0; k < g.K; ++k)
            chains[k % 16] = std::fma(g.alpha * g.a[i * g.a_row + k * g.a_column], g.b[k * g.b_row],
                                      chains[k % 16]);
        for (int half = 8; half > 0; half /= 2)
            for (int l = 0; l < half; ++l) chains[l] += chains[l + half];
        float& c = g.c[i * g.c_row];
        c = g.accumulate ? c + chains[0] : chains[0];
    }
}

void gemm(const GemmArgs& g, float*) {
    if (g.N == 1 && g.K > 0 && g.K <= longest_column && g.alpha != 0.0f) {
        one_column(g);
        return;
    }
    for (ptrdiff_t i = 0; i < g.M; ++i)
        for (ptrdiff_t j = 0; j < g.N; ++j) {
            float& c = g.c[i * g.c_row + j];
            float acc = g.accumulate ? c : 0.0f;
            if (g.alpha != 0.0f)
                for (ptrdiff_t k = 0; k < g.K; ++k)
                    acc = std::fma(g.alpha * g.a[i * g.a_row + k * g.a_column],
                                   g.b[k * g.b_row + j * g.b_column], acc);
            c = acc;
        }
}

void add_bias(ptrdiff_t rows, ptrdiff_t columns, const float* x, ptrdiff_t x_row, const float* bias,
              float* y, ptrdiff_t y_row) {
    for (ptrdiff_t r = 0; r < rows; ++r)
        for (ptrdiff_t c = 0; c < columns; ++c) y[r * y_row + c] = x[r * x_row + c] + bias[c];
}

void bias_gradient(ptrdiff_t rows, ptrdiff_t columns, const float* dy, ptrdiff_t dy_row,
                   float* gradient) {
    for (ptrdiff_t c = 0; c < columns; ++c) {
        float sum = 0.0f;
        for (ptrdiff_t r = 0; r < rows; ++r) sum += dy[r * dy_row + c];
        gradient[c] = sum;
    }
}

void activation(Activation kind, ptrdiff_t count, const float* x, float* y) {
    for (ptrdiff_t i = 0; i < count; ++i) y[i] = activate(kind, x[i]);
}

void activation_gradient(Activation kind, ptrdiff_t count, const float* y, const float* dy,
                         float* dx) {
    for (ptrdiff_t i = 0; i < count; ++i) dx[i] = times_derivative(kind, y[i], dy[i]);
}

void self_gated(SelfGated kind, ptrdiff_t count, const float* x, float* y) {
    for (ptrdiff_t i = 0; i < count; ++i) y[i] = self_gated(kind, x[i]);
}

void self_gated_gradient(SelfGated kind, ptrdiff_t count, const float* x, const float* dy,
                         float* dx) {
    for (ptrdiff_t i = 0; i < count; ++i) dx[i] = dy[i] * self_gated_derivative(kind, x[i]);
}

void softmax(ptrdiff_t rows, ptrdiff_t columns, const float* x, ptrdiff_t x_row, float* y,
             ptrdiff_t y_row, float*) {
    for (ptrdiff_t r = 0; r < rows; ++r, x += x_row, y += y_row) {
        float largest = x[0], sum = 0.0f;
        for (ptrdiff_t c = 1; c < columns; ++c) largest = largest > x[c] ? largest : x[c];
        for (ptrdiff_t c = 0; c < columns; ++c) sum += y[c] = exponential(x[c] - largest);
        for (ptrdiff_t c = 0; c < columns; ++c) y[c] = y[c] / sum;
    }
}

void softmax_gradient(ptrdiff_t rows, ptrdiff_t columns, const float* y, ptrdiff_t y_row,
                      const float* dy, ptrdiff_t dy_row, float* dx, ptrdiff_t dx_row, float*) {
    for (ptrdiff_t r = 0; r < rows; ++r, y += y_row, dy += dy_row, dx += dx_row) {
        float dot = 0.0f;
        for (ptrdiff_t c = 0; c < columns; ++c) dot = std::fma(y[c], dy[c], dot);
        for (ptrdiff_t c = 0; c < columns; ++c) dx[c] = y[c] * (dy[c] - dot);
    }
}

int32_t index_of_largest(ptrdiff_t columns, const float* x) {
    int32_t index = 0;
    for (ptrdiff_t c = 1; c < columns; ++c)
        if (x[c] > x[index]) index = static_cast<int32_t>(c);
    return index;
}

void squared_error(ptrdiff_t rows, ptrdiff_t columns, float scale, const float* output,
                   ptrdiff_t output_row, const float* target, ptrdiff_t target_row, float* losses,
                   float* gradient, ptrdiff_t gradient_row, int32_t* predicted, float*) {
    for (ptrdiff_t r = 0; r < rows; ++r, output += output_row, target += target_row) {
        float sum = 0.0f;
        for (ptrdiff_t c = 0; c < columns; ++c) {
            const float difference = output[c] - target[c];
            sum = std::fma(difference, difference, sum);
            if (gradient != nullptr) gradient[r * gradient_row + c] = 2.0f * scale * difference;
        }
        if (losses != nullptr) losses[r] = sum;
        if (predicted != nullptr) predicted[r] = index_of_largest(columns, output);
    }
}

void softmax_cross_entropy(ptrdiff_t rows, ptrdiff_t columns, float scale, const float* logits,
                           ptrdiff_t logits_row, const float* target, ptrdiff_t target_row,
                           float* losses, float* gradient, ptrdiff_t gradient_row,
                           int32_t* predicted, float*) {
    for (ptrdiff_t r = 0; r < rows; ++r, logits += logits_row, target += target_row) {
        float largest = logits[0], sum = 0.0f, loss = 0.0f, weight = 0.0f;
        for (ptrdiff_t c = 1; c < columns; ++c) largest = largest > logits[c] ? largest : logits[c];
        for (ptrdiff_t c = 0; c < columns; ++c) sum += exponential(logits[c] - largest);
        const float log_sum = logarithm(sum);
        for (ptrdiff_t c = 0; c < columns; ++c) {
            if (target[c] != 0.0f)
                loss = std::fma(target[c], log_sum - (logits[c] - largest), loss);
            weight += target[c];
        }
        if (losses != nullptr) losses[r] = loss;
        if (predicted != nullptr) predicted[r] = index_of_largest(columns, logits);
        if (gradient == nullptr) continue;
        const float normalizer = weight / sum;
        for (ptrdiff_t c = 0; c < columns; ++c)
            gradient[r * gradient_row + c] =
                scale * std::fma(exponential(logits[c] - largest), normalizer, -target[c]);
    }
}

void softmax_focal(ptrdiff_t rows, ptrdiff_t columns, float scale, const float* logits,
                   ptrdiff_t logits_row, const float* target, ptrdiff_t target_row, float* losses,
                   float* gradient, ptrdiff_t gradient_row, int32_t* predicted, float*) {
    std::vector<float> p(static_cast<std::size_t>(columns)), a(p.size());
    for (ptrdiff_t r = 0; r < rows; ++r, logits += logits_row, target += target_row) {
        float largest = logits[0], sum = 0.0f, loss = 0.0f, total = 0.0f;
        for (ptrdiff_t c = 1; c < columns; ++c) largest = largest > logits[c] ? largest : logits[c];
        for (ptrdiff_t c = 0; c < columns; ++c) sum += exponential(logits[c] - largest);
        const float log_sum = logarithm(sum);
        for (ptrdiff_t c = 0; c < columns; ++c) {
            const auto i = static_cast<std::size_t>(c);
            p[i] = exponential(logits[c] - largest) / sum;
            a[i] = 0.0f;
            if (target[c] != 0.0f) {
                const float minus_log = log_sum - (logits[c] - largest);
                const float rest = 1.0f - p[i], weighted = target[c] * rest;
                loss = std::fma(weighted * rest, minus_log, loss);
                a[i] = -(weighted * std::fma(p[i] + p[i], minus_log, rest));
            }
            total += a[i];
        }
        if (losses != nullptr) losses[r] = loss;
        if (predicted != nullptr) predicted[r] = index_of_largest(columns, logits);
        if (gradient == nullptr) continue;
        for (ptrdiff_t c = 0; c < columns; ++c) {
            const auto i = static_cast<std::size_t>(c);
            gradient[r * gradient_row + c] = scale * std::fma(-p[i], total, a[i]);
        }
    }
}

void sgd_update(ptrdiff_t count, float learning_rate, const float* gradient, float* weights) {
    for (ptrdiff_t i = 0; i < count; ++i)
        weights[i] = std::fma(-learning_rate, gradient[i], weights[i]);
}

void optimizer_update(UpdateRule rule, const UpdateArgs& p) {
    const auto kept = [](float x) { return std::fabs(x) < kSmallestKept ? 0.0f : x; };
    const auto squared = [&](ptrdiff_t i, float g) {
        const float s = p.mean_square[i];
        return p.mean_square[i] = kept(std::fma(p.square_rate, std::fma(g, g, -s), s));
    };
    const auto pushed = [&](ptrdiff_t i, float direction) {
        return p.velocity[i] = kept(std::fma(-p.rate, direction, p.momentum * p.velocity[i]));
    };
    for (ptrdiff_t i = 0; i < p.count; ++i) {
        const float g = p.gradient_scale * p.gradient[i];
        float w = std::fma(-p.decay, p.weights[i], p.weights[i]);
        switch (rule) {
            case UpdateRule::sgd:
                w = std::fma(-p.rate, g, w);
                break;
            case UpdateRule::momentum:
                w += pushed(i, g);
                break;
            case UpdateRule::nesterov:
                w = std::fma(p.momentum, pushed(i, g), std::fma(-p.rate, g, w));
                break;
            case UpdateRule::rmsprop:
                w = std::fma(-p.rate, g / std::sqrt(squared(i, g) + p.epsilon), w);
                break;
            case UpdateRule::rmsprop_momentum:
                w += pushed(i, g / std::sqrt(squared(i, g) + p.epsilon));
                break;
            case UpdateRule::adam:
                p.mean[i] = kept(std::fma(p.mean_rate, g - p.mean[i], p.mean[i]));
                w = std::fma(-p.rate, p.mean[i] / (std::sqrt(squared(i, g)) + p.epsilon), w);
                break;
        }
        p.weights[i] = w;
        if (p.average != nullptr)
            p.average[i] = std::fma(p.average_rate, w - p.average[i], p.average[i]);
    }
}

float sum_of_squares(ptrdiff_t count, const float* x) {
    float chains[16] = {};
    for (ptrdiff_t i = 0; i < count; ++i) chains[i % 16] = std::fma(x[i], x[i], chains[i % 16]);
    float sum = 0.0f;
    for (const float chain : chains) sum += chain;
    return sum;
}

float sum_of_magnitudes(ptrdiff_t count, const float* x) {
    float chains[16] = {};
    for (ptrdiff_t i = 0; i < count; ++i) chains[i % 16] += std::fabs(x[i]);
    float sum = 0.0f;
    for (const float chain : chains) sum += chain;
    return sum;
}

void penalty_gradient(ptrdiff_t count, float l1, float twice_l2, const float* weights,
                      float* gradient) {
    for (ptrdiff_t i = 0; i < count; ++i) {
        const float g = std::fma(twice_l2, weights[i], gradient[i]);
        gradient[i] = weights[i] > 0.0f ? g + l1 : weights[i] < 0.0f ? g - l1 : g;
    }
}

void bytes_to_floats(ptrdiff_t count, const uint8_t* x, ptrdiff_t channels, const float* scale,
                     const float* offset, float* y) {
    for (ptrdiff_t i = 0; i < count; ++i) {
        y[i] = static_cast<float>(x[i]) / 255.0f;
        if (scale != nullptr) y[i] = std::fma(y[i], scale[i % channels], offset[i % channels]);
    }
}

void dropout_mask(ptrdiff_t count, const DropoutKey& key, uint32_t threshold, float scale,
                  float* mask) {
    for (ptrdiff_t e = 0; e < count; ++e) {
        const ptrdiff_t group = e / kDropoutGroup, r = e % kDropoutGroup;
        const auto block = static_cast<uint32_t>(group * kBlock + r % kBlock);
        const auto words = runtime::philox({block, key.sample, key.stream, key.purpose},
                                           {key.seed_low, key.seed_high});
        const auto half = static_cast<std::size_t>(r / kBlock);
        const uint32_t bits = half % 2 == 0 ? words[half / 2] & 0xffffu : words[half / 2] >> 16;
        mask[e] = bits < threshold ? 0.0f : scale;
    }
}

void multiply(ptrdiff_t count, const float* x, const float* factors, float* y) {
    for (ptrdiff_t i = 0; i < count; ++i) y[i] = x[i] * factors[i];
}

void multiply_add(ptrdiff_t count, const float* x, const float* factors, const float* summands,
                  float* y) {
    for (ptrdiff_t i = 0; i < count; ++i) y[i] = std::fma(x[i], factors[i], summands[i]);
}

// Where column c of row k stands in panels of 16 columns.
ptrdiff_t panel_index(ptrdiff_t k, ptrdiff_t c, ptrdiff_t panel_stride) {
    return c / kBlock * panel_stride + k * kBlock + c % kBlock;
}

void dense_product(const DenseProductArgs& p) {
    for (ptrdiff_t r = 0; r < p.rows; ++r)
        for (ptrdiff_t c = 0; c < p.blocks * kBlock; ++c) {
            float acc = p.bias != nullptr ? p.bias[c] : 0.0f;
            for (ptrdiff_t k = 0; k < p.K; ++k)
                acc = std::fma(p.a[r * p.a_row + k], p.panels[panel_index(k, c, p.panel_stride)],
                               acc);
            p.y[r * p.y_row + c] =
                p.input_activity != nullptr
                    ? times_derivative(p.activation, p.input_activity[r * p.input_activity_row + c],
                                       acc)
                    : activate(p.activation, acc);
        }
}

void dense_weight_gradient(const DenseWeightGradientArgs& p) {
    for (ptrdiff_t i = p.input_begin; i < p.input_end; ++i)
        for (ptrdiff_t o = 0; o < p.blocks * kBlock; ++o) {
            float acc = 0.0f;
            for (ptrdiff_t n = 0; n < p.rows; ++n)
                acc = std::fma(p.x[n * p.x_row + i], p.d[n * p.d_row + o], acc);
            const ptrdiff_t at = panel_index(i, o, p.panel_stride);
            if (p.weights != nullptr) {
                p.weights[at] = std::fma(-p.learning_rate, acc, p.weights[at]);
            } else {
                p.gradient[at] = acc;
            }
        }
}

void transpose_panels(ptrdiff_t inputs, ptrdiff_t output_blocks, const float* panels,
                      ptrdiff_t panel_stride, ptrdiff_t input_blocks, float* transposed,
                      ptrdiff_t transposed_stride) {
    for (ptrdiff_t i = 0; i < input_blocks * kBlock; ++i)
        for (ptrdiff_t o = 0; o < output_blocks * kBlock; ++o)
            transposed[panel_index(o, i, transposed_stride)] =
                i < inputs ? panels[panel_index(i, o, panel_stride)] : 0.0f;
}

// Calls body(weight row, input) for each input of one output pixel, in the order of the chain.
template <class Args, class Body>
void for_taps(const Args& p, const float* x, Body body) {
    ptrdiff_t weight_row = 0;
    for (ptrdiff_t k = 0; k < p.kernel_rows; ++k)
        for (ptrdiff_t r = 0; r < p.runs; ++r)
            for (ptrdiff_t i = 0; i < p.run; ++i)
                body(weight_row++, x[k * p.kernel_row + r * p.run_step + i]);
}

void conv(const ConvArgs& p) {
    for (ptrdiff_t row = 0; row < p.rows; ++row)
        for (ptrdiff_t column = 0; column < p.columns; ++column)
            for (ptrdiff_t c = 0; c < p.channels; ++c) {
                float acc = p.bias != nullptr ? p.bias[c] : 0.0f;
                for_taps(p, p.x + row * p.x_row + column * p.x_pixel,
                         [&](ptrdiff_t tap, float input) {
                             acc = std::fma(input, p.weights[tap * p.blocks * kBlock + c], acc);
                         });
                p.y[row * p.y_row + column * p.y_pixel + c] =
                    p.input_activity != nullptr
                        ? times_derivative(p.activation,
                                           p.input_activity[row * p.activity_row +
                                                            column * p.activity_pixel + c],
                                           acc)
                        : activate(p.activation, acc);
            }
}

void conv_weight_gradient(const ConvWeightGradientArgs& p) {
    const ptrdiff_t channels = p.blocks * kBlock;
    if (p.first) std::fill_n(p.gradient, p.kernel_rows * p.runs * p.run * channels, 0.0f);
    for (ptrdiff_t row = 0; row < p.rows; ++row)
        for (ptrdiff_t column = 0; column < p.columns; ++column)
            for_taps(p, p.x + row * p.x_row + column * p.x_pixel, [&](ptrdiff_t tap, float input) {
                for (ptrdiff_t c = 0; c < channels; ++c) {
                    float& g = p.gradient[tap * channels + c];
                    g = std::fma(input, p.d[row * p.d_row + column * p.d_pixel + c], g);
                }
            });
}

void pooled_weight_gradient(const PooledWeightGradientArgs& p) {
    const ptrdiff_t taps = p.kernel_rows * p.padded_run;
    if (p.first) std::fill_n(p.gradient, p.channels * taps, 0.0f);
    for (ptrdiff_t row = 0; row < p.rows; ++row)
        for (ptrdiff_t column = 0; column < p.columns; ++column)
            for (ptrdiff_t c = 0; c < p.channels; ++c) {
                const ptrdiff_t at = (row * p.columns + column) * p.channels + c;
                const float* x = p.x + (2 * row + p.winners[at] / 2) * p.x_row +
                                 (2 * column + p.winners[at] % 2) * p.x_pixel;
                for (ptrdiff_t k = 0; k < p.kernel_rows; ++k)
                    for (ptrdiff_t i = 0; i < p.padded_run; ++i) {
                        float& g = p.gradient[c * taps + k * p.padded_run + i];
                        g = std::fma(p.d[at], x[k * p.kernel_row + i], g);
                    }
            }
}

void pooled_input_gradient(const PooledInputGradientArgs& p) {
    constexpr ptrdiff_t at_once = pooled_input_gradient_windows;
    const auto add = [&](ptrdiff_t window, ptrdiff_t place, ptrdiff_t row, ptrdiff_t rows,
                         ptrdiff_t block, ptrdiff_t blocks) {
        std::vector<ptrdiff_t> won;
        for (ptrdiff_t c = 0; c < p.channels; ++c)
            if (p.winners[window * p.channels + c] == place && p.d[window * p.channels + c] != 0.0f)
                won.push_back(c);
        if (won.empty()) return;
        float* const inputs = p.image + (2 * (window / p.columns) + place / 2) * p.x_row +
                              (2 * (window % p.columns) + place % 2) * p.x_pixel;
        for (ptrdiff_t k = row; k < row + rows; ++k)
            for (ptrdiff_t j = block * kBlock; j < (block + blocks) * kBlock; ++j) {
                float sums[2] = {0.0f, 0.0f};
                for (std::size_t i = 0; i < won.size(); ++i) {
                    const float w = p.weights[(k * p.channels + won[i]) * p.padded_run + j];
                    sums[i % 2] = std::fma(p.d[window * p.channels + won[i]], w, sums[i % 2]);
                }
                inputs[k * p.line + j] += sums[0] + sums[1];
            }
    };
    for (ptrdiff_t first = 0; first < p.rows * p.columns; first += at_once)
        for_pooled_groups(p.kernel_rows, p.padded_run / kBlock, p.channels, [&](auto... group) {
            const ptrdiff_t last = std::min(first + at_once, p.rows * p.columns);
            for (ptrdiff_t window = first; window < last; ++window)
                for (ptrdiff_t place = 0; place < 4; ++place) add(window, place, group...);
        });
}

void conv_scatter(const ConvScatterArgs& p) {
    const ptrdiff_t run = p.blocks * kBlock;
    std::fill_n(p.lines, p.rows * p.line, 0.0f);
    for (ptrdiff_t y = 0; y < p.rows; ++y)
        for (ptrdiff_t x = 0; x < p.columns; ++x)
            for (ptrdiff_t j = 0; j < run; ++j) {
                float acc = 0.0f;
                for (ptrdiff_t k = 0; k < p.kernel_rows; ++k)
                    for (ptrdiff_t c = 0; c < p.channels; ++c)
                        acc = std::fma(p.x[(y + k) * p.kernel_row + x * p.x_pixel + c],
                                       p.weights[(k * p.channels + c) * run + j], acc);
                p.lines[y * p.line + x * p.step + j] += acc;
            }
}

// As for_taps, of planes: calls body(weight row, first input of the plane).
template <class Args, class Body>
void for_planes(const Args& p, const float* x, Body body) {
    ptrdiff_t weight_row = 0;
    for (ptrdiff_t k = 0; k < p.kernel_rows; ++k)
        for (ptrdiff_t r = 0; r < p.runs; ++r)
            for (ptrdiff_t i = 0; i < p.run; ++i)
                body(weight_row++, x + k * p.kernel_row + r * p.run_step + i * p.plane);
}

void depthwise_conv(const DepthwiseConvArgs& p) {
    const ptrdiff_t padded = (p.groups + kBlock - 1) / kBlock * kBlock;
    for (ptrdiff_t row = 0; row < p.rows; ++row)
        for (ptrdiff_t column = 0; column < p.columns; ++column)
            for (ptrdiff_t output = 0; output < p.outputs; ++output)
                for (ptrdiff_t g = 0; g < p.groups; ++g) {
                    const ptrdiff_t lane = output * padded + g;
                    float acc = p.bias != nullptr ? p.bias[lane] : 0.0f;
                    for_planes(p, p.x + row * p.x_row + column * p.x_pixel,
                               [&](ptrdiff_t tap, const float* plane) {
                                   acc = std::fma(plane[g],
                                                  p.weights[tap * p.outputs * padded + lane], acc);
                               });
                    p.y[row * p.y_row + column * p.y_pixel + output * p.y_plane + g] =
                        p.input_activity != nullptr
                            ? times_derivative(p.activation,
                                               p.input_activity[row * p.activity_row +
                                                                column * p.activity_pixel + g],
                                               acc)
                            : activate(p.activation, acc);
                }
}

void depthwise_weight_gradient(const DepthwiseWeightGradientArgs& p) {
    const ptrdiff_t padded = (p.groups + kBlock - 1) / kBlock * kBlock;
    for (ptrdiff_t row = 0; row < p.rows; ++row)
        for (ptrdiff_t column = 0; column < p.columns; ++column)
            for_planes(
                p, p.x + row * p.x_row + column * p.x_pixel,
                [&](ptrdiff_t tap, const float* plane) {
                    for (ptrdiff_t output = 0; output < p.outputs; ++output)
                        for (ptrdiff_t g = 0; g < p.groups; ++g) {
                            float& sum = p.gradient[(tap * p.outputs + output) * padded + g];
                            const float d =
                                p.d[row * p.d_row + column * p.d_pixel + output * p.d_plane + g];
                            const bool starts = p.first && row == 0 && column == 0;
                            sum = std::fma(plane[g], d, starts ? 0.0f : sum);
                        }
                });
}

void split_groups(ptrdiff_t pixels, ptrdiff_t groups, ptrdiff_t parts, const float* x, float* y,
                  ptrdiff_t y_pixel, ptrdiff_t y_plane) {
    for (ptrdiff_t pixel = 0; pixel < pixels; ++pixel)
        for (ptrdiff_t g = 0; g < groups; ++g)
            for (ptrdiff_t part = 0; part < parts; ++part)
                y[pixel * y_pixel + part * y_plane + g] = *x++;
}

void merge_groups(ptrdiff_t pixels, ptrdiff_t groups, ptrdiff_t parts, const float* y,
                  ptrdiff_t y_pixel, ptrdiff_t y_plane, float* x) {
    for (ptrdiff_t pixel = 0; pixel < pixels; ++pixel)
        for (ptrdiff_t g = 0; g < groups; ++g)
            for (ptrdiff_t part = 0; part < parts; ++part)
                *x++ = y[pixel * y_pixel + part * y_plane + g];
}

void transpose(ptrdiff_t rows, ptrdiff_t columns, const float* source, ptrdiff_t source_row,
               float* target, ptrdiff_t target_row) {
    for (ptrdiff_t r = 0; r < rows; ++r)
        for (ptrdiff_t c = 0; c < columns; ++c)
            target[c * target_row + r] = source[r * source_row + c];
}

void sum_partials(ptrdiff_t count, ptrdiff_t parts, ptrdiff_t stride, const float* partials,
                  float* sum) {
    for (ptrdiff_t i = 0; i < count; ++i) {
        float total = partials[i];
        for (ptrdiff_t p = 1; p < parts; ++p) total += partials[p * stride + i];
        sum[i] = total;
    }
}

// Calls body(corner of the window in x, place in y, place in a compact output) per output value.
template <class Body>
void for_windows(const PoolArgs& p, Body body) {
    for (ptrdiff_t row = 0; row < p.rows; ++row)
        for (ptrdiff_t column = 0; column < p.columns; ++column)
            for (ptrdiff_t c = 0; c < p.channels; ++c)
                body(row * p.step_rows * p.x_row + column * p.step_columns * p.x_pixel + c,
                     row * p.y_row + column * p.y_pixel + c,
                     (row * p.columns + column) * p.channels + c);
}

// Calls body(index in the window, offset from its corner) in row-major order.
template <class Body>
void for_window(const PoolArgs& p, Body body) {
    for (ptrdiff_t r = 0; r < p.window_rows; ++r)
        for (ptrdiff_t k = 0; k < p.window_columns; ++k)
            body(r * p.window_columns + k, r * p.x_row + k * p.x_pixel);
}

void max_pool_2x2(const PoolArgs& p, Activation activation, const float* x, float* y,
                  uint8_t* winners) {
    for_windows(p, [&](ptrdiff_t from, ptrdiff_t to, ptrdiff_t compact) {
        float best = x[from];
        uint8_t winner = 0;
        for_window(p, [&](ptrdiff_t index, ptrdiff_t offset) {
            if (!(x[from + offset] > best)) return;
            best = x[from + offset];
            winner = static_cast<uint8_t>(index);
        });
        y[to] = activate(activation, best);
        if (winners != nullptr) winners[compact] = winner;
    });
}

void conv_pool_2x2(const ConvPoolArgs& p) {
    conv(p.conv);
    PoolArgs pool{};
    pool.window_rows = pool.window_columns = pool.step_rows = pool.step_columns = 2;
    pool.rows = 1;
    pool.columns = p.conv.columns / 2;
    pool.channels = p.conv.channels;
    pool.x_row = p.conv.y_row;
    pool.x_pixel = pool.y_pixel = p.conv.channels;
    max_pool_2x2(pool, p.activation, p.conv.y, p.y, p.winners);
}

void unpool_2x2(ptrdiff_t rows, ptrdiff_t columns, ptrdiff_t channels, const float* d,
                const uint8_t* winners, float* target, ptrdiff_t target_row,
                ptrdiff_t target_pixel) {
    for (ptrdiff_t row = 0; row < rows; ++row)
        for (ptrdiff_t column = 0; column < columns; ++column)
            for (ptrdiff_t c = 0; c < channels; ++c, ++d, ++winners)
                for (int k = 0; k < 4; ++k)
                    target[(2 * row + k / 2) * target_row + (2 * column + k % 2) * target_pixel +
                           c] = *winners == k ? *d : 0.0f;
}

void max_pool(const PoolArgs& p, const float* x, float* y, uint16_t* winners) {
    for_windows(p, [&](ptrdiff_t from, ptrdiff_t to, ptrdiff_t compact) {
        float best = x[from];
        uint16_t winner = 0;
        for_window(p, [&](ptrdiff_t index, ptrdiff_t offset) {
            if (!(x[from + offset] > best)) return;
            best = x[from + offset];
            winner = static_cast<uint16_t>(index);
        });
        y[to] = best;
        if (winners != nullptr) winners[compact] = winner;
    });
}

void max_pool_gradient(const PoolArgs& p, const float* dy, const uint16_t* winners, float* dx) {
    for_windows(p, [&](ptrdiff_t from, ptrdiff_t, ptrdiff_t compact) {
        const ptrdiff_t row = winners[compact] / p.window_columns;
        const ptrdiff_t column = winners[compact] % p.window_columns;
        dx[from + row * p.x_row + column * p.x_pixel] += dy[compact];
    });
}

void average_pool(const PoolArgs& p, const float* x, float* y) {
    const float share = 1.0f / static_cast<float>(p.window_rows * p.window_columns);
    for_windows(p, [&](ptrdiff_t from, ptrdiff_t to, ptrdiff_t) {
        float sum = 0.0f;
        for_window(p, [&](ptrdiff_t, ptrdiff_t offset) { sum += x[from + offset]; });
        y[to] = sum * share;
    });
}

void average_pool_gradient(const PoolArgs& p, const float* dy, float* dx) {
    const float share = 1.0f / static_cast<float>(p.window_rows * p.window_columns);
    for_windows(p, [&](ptrdiff_t from, ptrdiff_t, ptrdiff_t compact) {
        for_window(p,
                   [&](ptrdiff_t, ptrdiff_t offset) { dx[from + offset] += dy[compact] * share; });
    });
}

void add(Activation kind, ptrdiff_t count, const float* a, const float* b, float* y) {
    for (ptrdiff_t i = 0; i < count; ++i) y[i] = activate(kind, a[i] + b[i]);
}

// The sum of term(pixel) over pixels: four chains, added at the end.
template <class Term>
float pixel_sum(ptrdiff_t pixels, Term term) {
    float chains[4] = {};
    for (ptrdiff_t p = 0; p < pixels; ++p) chains[p % 4] = term(p, chains[p % 4]);
    return (chains[0] + chains[1]) + (chains[2] + chains[3]);
}

void channel_moments(ptrdiff_t pixels, ptrdiff_t channels, const float* x, float* means,
                     float* squares) {
    for (ptrdiff_t c = 0; c < channels; ++c) {
        const auto at = [&](ptrdiff_t p) { return x[p * channels + c]; };
        const float mean = pixel_sum(pixels, [&](ptrdiff_t p, float sum) { return sum + at(p); }) /
                           static_cast<float>(pixels);
        means[c] = mean;
        squares[c] = pixel_sum(pixels, [&](ptrdiff_t p, float sum) {
            return std::fma(at(p) - mean, at(p) - mean, sum);
        });
    }
}

void combine_moments(ptrdiff_t samples, ptrdiff_t stride, ptrdiff_t pixels, ptrdiff_t channels,
                     const float* means, const float* squares, float* mean, float* variance) {
    for (ptrdiff_t c = 0; c < channels; ++c) {
        float sum = 0.0f, within = 0.0f, between = 0.0f;
        for (ptrdiff_t s = 0; s < samples; ++s) sum += means[s * stride + c];
        mean[c] = sum / static_cast<float>(samples);
        for (ptrdiff_t s = 0; s < samples; ++s) {
            const float off = means[s * stride + c] - mean[c];
            between = std::fma(off, off, between);
            within += squares[s * stride + c];
        }
        variance[c] = (within / static_cast<float>(pixels) + between) / static_cast<float>(samples);
    }
}

void normalize(const NormalizeArgs& a, Activation kind, const float* x, float* y) {
    for (ptrdiff_t p = 0; p < a.pixels; ++p)
        for (ptrdiff_t c = 0; c < a.channels; ++c) {
            const ptrdiff_t i = p * a.channels + c;
            y[i] = activate(kind, std::fma(x[i] - a.mean[c], a.scale[c], a.shift[c]));
        }
}

void normalize_gradient_sums(const NormalizeArgs& a, const float* x, const float* dy, bool first,
                             float* shift_gradient, float* scale_gradient) {
    for (ptrdiff_t c = 0; c < a.channels; ++c) {
        const float shift = pixel_sum(
            a.pixels, [&](ptrdiff_t p, float sum) { return sum + dy[p * a.channels + c]; });
        const float scale = pixel_sum(a.pixels, [&](ptrdiff_t p, float sum) {
            return std::fma(dy[p * a.channels + c], x[p * a.channels + c] - a.mean[c], sum);
        });
        shift_gradient[c] = first ? shift : shift_gradient[c] + shift;
        scale_gradient[c] = first ? scale : scale_gradient[c] + scale;
    }
}

void normalize_gradient(const NormalizeGradientArgs& a, Activation input_activation, const float* x,
                        const float* dy, float* dx) {
    for (ptrdiff_t p = 0; p < a.pixels; ++p)
        for (ptrdiff_t c = 0; c < a.channels; ++c) {
            const ptrdiff_t i = p * a.channels + c;
            const float rest = std::fma(a.of_input[c], x[i] - a.mean[c], a.constant[c]);
            dx[i] =
                times_derivative(input_activation, x[i], std::fma(a.of_gradient[c], dy[i], rest));
        }
}

// Mean and 1 / standard deviation of one row.
std::pair<float, float> row_moments(const LayerNormArgs& a, const float* x) {
    const float count = static_cast<float>(a.columns);
    float sum = 0.0f, squares = 0.0f;
    for (ptrdiff_t c = 0; c < a.columns; ++c) sum += x[c];
    const float mean = sum / count;
    for (ptrdiff_t c = 0; c < a.columns; ++c) squares = std::fma(x[c] - mean, x[c] - mean, squares);
    return {mean, 1.0f / std::sqrt(squares / count + a.epsilon)};
}

void layer_norm(const LayerNormArgs& a, const float* scale, const float* shift, float* y,
                ptrdiff_t y_row, float*) {
    for (ptrdiff_t r = 0; r < a.rows; ++r) {
        const float* const x = a.x + r * a.x_row;
        const auto [mean, inverse] = row_moments(a, x);
        for (ptrdiff_t c = 0; c < a.columns; ++c)
            y[r * y_row + c] = std::fma((x[c] - mean) * inverse, scale[c], shift[c]);
    }
}

void layer_norm_gradient(const LayerNormArgs& a, const float* scale, const float* dy,
                         ptrdiff_t dy_row, float* dx, ptrdiff_t dx_row, float* products,
                         ptrdiff_t products_row, float* scratch) {
    const float count = static_cast<float>(a.columns);
    float* const n = scratch;
    float* const g = scratch + a.columns;
    for (ptrdiff_t r = 0; r < a.rows; ++r) {
        const float* const x = a.x + r * a.x_row;
        const auto [mean, inverse] = row_moments(a, x);
        float sum = 0.0f, dot = 0.0f;
        for (ptrdiff_t c = 0; c < a.columns; ++c) {
            n[c] = (x[c] - mean) * inverse;
            const float d = dy[r * dy_row + c];
            g[c] = d * scale[c];
            sum += g[c];
            dot = std::fma(g[c], n[c], dot);
            products[r * products_row + c] = d * n[c];
        }
        for (ptrdiff_t c = 0; c < a.columns; ++c)
            dx[r * dx_row + c] = std::fma(-n[c], dot / count, g[c] - sum / count) * inverse;
    }
}

}  // namespace

const Kernels& table() {
    static const Kernels kernels{
        .isa = "reference",
        .gemm_scratch_floats = 0,
        .gemm = gemm,
        .add_bias = add_bias,
        .bias_gradient = bias_gradient,
        .activation = activation,
        .activation_gradient = activation_gradient,
        .self_gated = self_gated,
        .self_gated_gradient = self_gated_gradient,
        .softmax = softmax,
        .softmax_gradient = softmax_gradient,
        .squared_error = squared_error,
        .softmax_cross_entropy = softmax_cross_entropy,
        .softmax_focal = softmax_focal,
        .sgd_update = sgd_update,
        .optimizer_update = optimizer_update,
        .sum_of_squares = sum_of_squares,
        .sum_of_magnitudes = sum_of_magnitudes,
        .penalty_gradient = penalty_gradient,
        .add = add,
        .channel_moments = channel_moments,
        .combine_moments = combine_moments,
        .normalize = normalize,
        .normalize_gradient_sums = normalize_gradient_sums,
        .normalize_gradient = normalize_gradient,
        .layer_norm = layer_norm,
        .layer_norm_gradient = layer_norm_gradient,
        .bytes_to_floats = bytes_to_floats,
        .dropout_mask = dropout_mask,
        .multiply = multiply,
        .multiply_add = multiply_add,
        .dense_product = dense_product,
        .dense_weight_gradient = dense_weight_gradient,
        .transpose_panels = transpose_panels,
        .conv = conv,
        .conv_pool_2x2 = conv_pool_2x2,
        .conv_weight_gradient = conv_weight_gradient,
        .pooled_weight_gradient = pooled_weight_gradient,
        .pooled_input_gradient = pooled_input_gradient,
        .conv_scatter = conv_scatter,
        .depthwise_conv = depthwise_conv,
        .depthwise_weight_gradient = depthwise_weight_gradient,
        .split_groups = split_groups,
        .merge_groups = merge_groups,
        .transpose = transpose,
        .sum_partials = sum_partials,
        .max_pool_2x2 = max_pool_2x2,
        .unpool_2x2 = unpool_2x2,
        .max_pool = max_pool,
        .max_pool_gradient = max_pool_gradient,
        .average_pool = average_pool,
        .average_pool_gradient = average_pool_gradient,
    };
    return kernels;
}

}  // namespace nncore::kernels::reference
