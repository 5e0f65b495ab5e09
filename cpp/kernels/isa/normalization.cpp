// Normalization of channels over many pixels, lanes over channels.
#include "../declarations.h"
#include "activation.h"
#include "vectors.h"

namespace nncore::kernels::NNCORE_TARGET {
namespace {

// Sums over pixels have four chains, of the pixels at 0, 4, 8, ..., at 1, 5, 9, ... and so on,
// which are added at the end: (0 + 1) + (2 + 3).
constexpr int kChains = 4;

NNCORE_INLINE vec total(const vec* chains) {
    return (chains[0] + chains[1]) + (chains[2] + chains[3]);
}

// body(pixel, number of its chain)
template <class Body>
NNCORE_INLINE void for_pixels(ptrdiff_t pixels, Body body) {
    ptrdiff_t p = 0;
    for (; p + kChains <= pixels; p += kChains) {
        NNCORE_UNROLL
        for (int k = 0; k < kChains; ++k) body(p + k, k);
    }
    for (int k = 0; p < pixels; ++p, ++k) body(p, k);
}

}  // namespace

void channel_moments(ptrdiff_t pixels, ptrdiff_t channels, const float* x, float* means,
                     float* squares) {
    const vec count = broadcast(static_cast<float>(pixels));
    for_vectors(channels, [&](ptrdiff_t c, int n) __attribute__((always_inline)) {
        vec sums[kChains] = {};
        for_pixels(pixels, [&](ptrdiff_t p, int k) __attribute__((always_inline)) {
            sums[k] += load_some(x + p * channels + c, n);
        });
        const vec mean = total(sums) / count;
        vec parts[kChains] = {};
        for_pixels(pixels, [&](ptrdiff_t p, int k) __attribute__((always_inline)) {
            const vec off = load_some(x + p * channels + c, n) - mean;
            parts[k] = fma(off, off, parts[k]);
        });
        store_some(means + c, mean, n);
        store_some(squares + c, total(parts), n);
    });
}

void combine_moments(ptrdiff_t samples, ptrdiff_t stride, ptrdiff_t pixels, ptrdiff_t channels,
                     const float* means, const float* squares, float* mean, float* variance) {
    const vec count = broadcast(static_cast<float>(samples));
    const vec each = broadcast(static_cast<float>(pixels));
    for_vectors(channels, [&](ptrdiff_t c, int n) __attribute__((always_inline)) {
        vec sum = zero();
        for (ptrdiff_t s = 0; s < samples; ++s) sum += load_some(means + s * stride + c, n);
        const vec middle = sum / count;
        vec within = zero(), between = zero();
        for (ptrdiff_t s = 0; s < samples; ++s) {
            const vec off = load_some(means + s * stride + c, n) - middle;
            between = fma(off, off, between);
            within += load_some(squares + s * stride + c, n);
        }
        store_some(mean + c, middle, n);
        store_some(variance + c, (within / each + between) / count, n);
    });
}

void normalize(const NormalizeArgs& a, Activation kind, const float* x, float* y) {
    for (ptrdiff_t p = 0; p < a.pixels; ++p, x += a.channels, y += a.channels)
        for_vectors(a.channels, [&](ptrdiff_t c, int n) __attribute__((always_inline)) {
            const vec off = load_some(x + c, n) - load_some(a.mean + c, n);
            const vec result = fma(off, load_some(a.scale + c, n), load_some(a.shift + c, n));
            store_some(y + c, activate(kind, result), n);
        });
}

void normalize_gradient_sums(const NormalizeArgs& a, const float* x, const float* dy, bool first,
                             float* shift_gradient, float* scale_gradient) {
    for_vectors(a.channels, [&](ptrdiff_t c, int n) __attribute__((always_inline)) {
        const vec mean = load_some(a.mean + c, n);
        vec sums[kChains] = {}, products[kChains] = {};
        for_pixels(a.pixels, [&](ptrdiff_t p, int k) __attribute__((always_inline)) {
            const vec d = load_some(dy + p * a.channels + c, n);
            sums[k] += d;
            products[k] = fma(d, load_some(x + p * a.channels + c, n) - mean, products[k]);
        });
        vec shift = total(sums), scale = total(products);
        if (!first) {
            shift = load_some(shift_gradient + c, n) + shift;
            scale = load_some(scale_gradient + c, n) + scale;
        }
        store_some(shift_gradient + c, shift, n);
        store_some(scale_gradient + c, scale, n);
    });
}

void normalize_gradient(const NormalizeGradientArgs& a, Activation kind, const float* x,
                        const float* dy, float* dx) {
    for (ptrdiff_t p = 0; p < a.pixels; ++p, x += a.channels, dy += a.channels, dx += a.channels)
        for_vectors(a.channels, [&](ptrdiff_t c, int n) __attribute__((always_inline)) {
            const vec value = load_some(x + c, n);
            const vec off = value - load_some(a.mean + c, n);
            const vec d = fma(load_some(a.of_gradient + c, n), load_some(dy + c, n),
                              fma(load_some(a.of_input + c, n), off, load_some(a.constant + c, n)));
            store_some(dx + c, times_derivative(kind, value, d), n);
        });
}

}  // namespace nncore::kernels::NNCORE_TARGET
