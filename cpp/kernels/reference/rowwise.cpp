// Softmax, the losses and layer normalization: sums over the columns (classes) of one row.
#include <cmath>
#include <utility>
#include <vector>

#include "../declarations.h"
#include "math.h"

namespace nncore::kernels::reference {
namespace {

int32_t index_of_largest(ptrdiff_t columns, const float* x) {
    int32_t index = 0;
    for (ptrdiff_t c = 1; c < columns; ++c)
        if (x[c] > x[index]) index = static_cast<int32_t>(c);
    return index;
}

float slope(float x) { return std::fabs(x) < kSmallestSlope ? 0.0f : x; }

// Mean and 1 / standard deviation of one row.
std::pair<float, float> row_moments(const LayerNormArgs& a, const float* x) {
    const float count = static_cast<float>(a.columns);
    float sum = 0.0f, squares = 0.0f;
    for (ptrdiff_t c = 0; c < a.columns; ++c) sum += x[c];
    const float mean = sum / count;
    for (ptrdiff_t c = 0; c < a.columns; ++c) squares = std::fma(x[c] - mean, x[c] - mean, squares);
    return {mean, 1.0f / std::sqrt(squares / count + a.epsilon)};
}

}  // namespace

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
                slope(scale * std::fma(exponential(logits[c] - largest), normalizer, -target[c]));
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
            gradient[r * gradient_row + c] = slope(scale * std::fma(-p[i], total, a[i]));
        }
    }
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

}  // namespace nncore::kernels::reference
