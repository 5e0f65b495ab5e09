// Normalization of channels over many pixels, lanes over channels.
#include "../declarations.h"
#include "activation.h"
#include "tile_sizes.h"
#include "vectors.h"
#include "with_constant.h"

namespace nncore::kernels::NNCORE_TARGET {
namespace {

// Sums over pixels have four chains, of the pixels at 0, 4, 8, ..., at 1, 5, 9, ... and so on,
// which are added at the end: (0 + 1) + (2 + 3).
constexpr int kChains = kNormalizeChains;

template <int V>
NNCORE_INLINE vec total(const vec (&chains)[kChains][V], int v) {
    return (chains[0][v] + chains[1][v]) + (chains[2][v] + chains[3][v]);
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

// Walks the channels in groups of at most `widest` vectors, that is `Widest` at most; body is
// called as body.template operator()<V>(first channel, lanes), with V = 1 alone for a part of a
// vector. An image is read line of the cache by line then, if the group is all there is, or at
// least in pieces that are long enough to be foreseen: vector by vector took two to three times as
// long.
template <int Widest, class Body>
NNCORE_INLINE void for_vector_groups(ptrdiff_t channels, int widest, Body body) {
    ptrdiff_t c = 0;
    while (c + kLanes <= channels) {
        const ptrdiff_t left = (channels - c) / kLanes;
        const int vectors = static_cast<int>(min_size(left, widest));
        with_constant<Widest>(vectors, [&]<int V>() { body.template operator()<V>(c, kLanes); });
        c += vectors * kLanes;
    }
    if (c < channels) body.template operator()<1>(c, static_cast<int>(channels - c));
}

// The mean of V vectors of channels, and the sums of the squares around it.
template <int V>
void moments_of(ptrdiff_t pixels, ptrdiff_t channels, const float* x, int lanes, float* means,
                float* squares) {
    const vec count = broadcast(static_cast<float>(pixels));
    vec mean[V];
    {
        vec sums[kChains][V] = {};
        for_pixels(pixels, [&](ptrdiff_t p, int k) __attribute__((always_inline)) {
            NNCORE_UNROLL
            for (int v = 0; v < V; ++v)
                sums[k][v] += load_some(x + p * channels + v * kLanes, lanes);
        });
        NNCORE_UNROLL
        for (int v = 0; v < V; ++v) mean[v] = total(sums, v) / count;
    }
    vec parts[kChains][V] = {};
    for_pixels(pixels, [&](ptrdiff_t p, int k) __attribute__((always_inline)) {
        NNCORE_UNROLL
        for (int v = 0; v < V; ++v) {
            const vec off = load_some(x + p * channels + v * kLanes, lanes) - mean[v];
            parts[k][v] = fma(off, off, parts[k][v]);
        }
    });
    NNCORE_UNROLL
    for (int v = 0; v < V; ++v) {
        store_some(means + v * kLanes, mean[v], lanes);
        store_some(squares + v * kLanes, total(parts, v), lanes);
    }
}

// Of V vectors of channels from the first of all that is given here on.
template <int V>
void gradient_chains_of(const NormalizeArgs& a, ptrdiff_t c, int lanes, ptrdiff_t before,
                        const float* x, const float* dy, float* chains) {
    const ptrdiff_t row = padded(a.channels);
    const auto place = [&](int k, int v) {
        return chains + (before + k) % kNormalizeChains * row + c + v * kLanes;
    };
    const ptrdiff_t to_products = kNormalizeChains * row;
    vec mean[V], sums[kChains][V] = {}, products[kChains][V] = {};
    NNCORE_UNROLL
    for (int v = 0; v < V; ++v) mean[v] = load_some(a.mean + c + v * kLanes, lanes);
    if (before > 0) {
        NNCORE_UNROLL
        for (int k = 0; k < kChains; ++k) {
            NNCORE_UNROLL
            for (int v = 0; v < V; ++v) {
                sums[k][v] = load_some(place(k, v), lanes);
                products[k][v] = load_some(place(k, v) + to_products, lanes);
            }
        }
    }
    for_pixels(a.pixels, [&](ptrdiff_t p, int k) __attribute__((always_inline)) {
        NNCORE_UNROLL
        for (int v = 0; v < V; ++v) {
            const ptrdiff_t at = p * a.channels + c + v * kLanes;
            const vec d = load_some(dy + at, lanes);
            sums[k][v] += d;
            products[k][v] = fma(d, load_some(x + at, lanes) - mean[v], products[k][v]);
        }
    });
    NNCORE_UNROLL
    for (int k = 0; k < kChains; ++k) {
        NNCORE_UNROLL
        for (int v = 0; v < V; ++v) {
            store_some(place(k, v), sums[k][v], lanes);
            store_some(place(k, v) + to_products, products[k][v], lanes);
        }
    }
}

// Each pixel, its channels vector by vector: body(first of them in the image, in the pixel, lanes).
template <class Body>
NNCORE_INLINE void for_pixels_and_channels(ptrdiff_t pixels, ptrdiff_t channels, Body body) {
    for (ptrdiff_t p = 0; p < pixels; ++p)
        for_vectors(channels, [&](ptrdiff_t c, int n)
                                  __attribute__((always_inline)) { body(p * channels + c, c, n); });
}

}  // namespace

void channel_moments(ptrdiff_t pixels, ptrdiff_t channels, const float* x, float* means,
                     float* squares) {
    // Read twice: the second time from the second cache, where a group of all pixels stays there.
    const ptrdiff_t staying = kTwiceRead / (pixels * kLanes);
    const int widest = static_cast<int>(
        staying < kFewestMoments ? kFewestMoments : min_size(staying, kMomentVectors));
    for_vector_groups<kMomentVectors>(channels, widest, [&]<int V>(ptrdiff_t c, int lanes) {
        moments_of<V>(pixels, channels, x + c, lanes, means + c, squares + c);
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
    with_activation(kind, [&](auto activate) {
        for_pixels_and_channels(
            a.pixels, a.channels,
            [&](ptrdiff_t i, ptrdiff_t c, int n) __attribute__((always_inline)) {
                const vec off = load_some(x + i, n) - load_some(a.mean + c, n);
                store_some(y + i,
                           activate(fma(off, load_some(a.scale + c, n), load_some(a.shift + c, n))),
                           n);
            });
    });
}

void normalize_gradient_chains(const NormalizeArgs& a, ptrdiff_t before, const float* x,
                               const float* dy, float* chains) {
    for_vector_groups<kGradientSumVectors>(
        a.channels, kGradientSumVectors, [&]<int V>(ptrdiff_t c, int lanes) {
            gradient_chains_of<V>(a, c, lanes, before, x, dy, chains);
        });
}

void normalize_gradient(const NormalizeGradientArgs& a, Activation kind, const float* x,
                        const float* dy, float* dx) {
    with_derivative(kind, [&](auto multiply) {
        for_pixels_and_channels(
            a.pixels, a.channels,
            [&](ptrdiff_t i, ptrdiff_t c, int n) __attribute__((always_inline)) {
                const vec value = load_some(x + i, n);
                const vec off = value - load_some(a.mean + c, n);
                const vec d =
                    fma(load_some(a.of_gradient + c, n), load_some(dy + i, n),
                        fma(load_some(a.of_input + c, n), off, load_some(a.constant + c, n)));
                store_some(dx + i, multiply(value, d), n);
            });
    });
}

}  // namespace nncore::kernels::NNCORE_TARGET
