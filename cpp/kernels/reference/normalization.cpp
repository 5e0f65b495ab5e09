// Normalization of channels over many pixels.
#include <cmath>

#include "../declarations.h"
#include "activation.h"

namespace nncore::kernels::reference {
namespace {

// The sum of term(pixel) over pixels: four chains, added at the end.
template <class Term>
float pixel_sum(ptrdiff_t pixels, Term term) {
    float chains[4] = {};
    for (ptrdiff_t p = 0; p < pixels; ++p) chains[p % 4] = term(p, chains[p % 4]);
    return (chains[0] + chains[1]) + (chains[2] + chains[3]);
}

}  // namespace

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

void normalize_gradient_chains(const NormalizeArgs& a, ptrdiff_t before, const float* x,
                               const float* dy, float* chains) {
    const ptrdiff_t row = padded(a.channels);
    float* const products = chains + kNormalizeChains * row;
    for (ptrdiff_t c = 0; c < a.channels; ++c) {
        for (ptrdiff_t k = 0; before == 0 && k < kNormalizeChains; ++k)
            chains[k * row + c] = products[k * row + c] = 0.0f;
        for (ptrdiff_t p = 0; p < a.pixels; ++p) {
            const ptrdiff_t at = (before + p) % kNormalizeChains * row + c;
            const float d = dy[p * a.channels + c];
            chains[at] += d;
            products[at] = std::fma(d, x[p * a.channels + c] - a.mean[c], products[at]);
        }
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

}  // namespace nncore::kernels::reference
