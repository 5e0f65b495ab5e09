// Elementwise kernels: bias, activations, the weight update, bytes to floats.
#include "../declarations.h"
#include "activation.h"
#include "vectors.h"

namespace nncore::kernels::NNCORE_TARGET {
namespace {

// Bytes as floats; exact.
NNCORE_INLINE vec load_bytes(const uint8_t* p, int count) {
#if defined(__AVX512F__)
    if (count == kLanes)
        return (vec)_mm512_cvtepi32_ps(
            _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))));
#elif defined(__AVX2__)
    if (count == kLanes)
        return (vec)_mm256_cvtepi32_ps(
            _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))));
#endif
    vec v{};
    for (int i = 0; i < count; ++i) v[i] = static_cast<float>(p[i]);
    return v;
}

// u / 255 correctly rounded: the quotient by the rounded reciprocal, then one Newton step on the
// exact remainder. Equal to float32 division for all 256 bytes (tested), at a sixth of its cost.
NNCORE_INLINE vec divide_by_255(vec u) {
    const vec reciprocal = broadcast(1.0f / 255.0f);
    const vec quotient = u * reciprocal;
    const vec remainder = fma(quotient, broadcast(-255.0f), u);
    return fma(remainder, reciprocal, quotient);
}

// `count` lanes of `Parts` arrays, summed by a binary tree; the compiler keeps all in registers.
template <int Parts>
NNCORE_INLINE vec tree_sum(const float* parts, ptrdiff_t stride, int count) {
    if constexpr (Parts == 1) {
        return load_some(parts, count);
    } else {
        const vec first = tree_sum<Parts / 2>(parts, stride, count);
        return first + tree_sum<Parts / 2>(parts + Parts / 2 * stride, stride, count);
    }
}

}  // namespace

void add_bias(ptrdiff_t rows, ptrdiff_t columns, const float* x, ptrdiff_t x_row, const float* bias,
              float* y, ptrdiff_t y_row) {
    for (ptrdiff_t r = 0; r < rows; ++r, x += x_row, y += y_row)
        for_vectors(columns, [&](ptrdiff_t i, int n) __attribute__((always_inline)) {
            store_some(y + i, load_some(x + i, n) + load_some(bias + i, n), n);
        });
}

void bias_gradient(ptrdiff_t rows, ptrdiff_t columns, const float* dy, ptrdiff_t dy_row, bool first,
                   float* gradient) {
    // A cache line after the other; the sums of several lines do not wait for each other.
    constexpr int kSums = min_int(8, 4 * kVectorsPerBlock);
    ptrdiff_t i = 0;
    for (; i + kSums * kLanes <= columns; i += kSums * kLanes) {
        vec sums[kSums];
        NNCORE_UNROLL
        for (int j = 0; j < kSums; ++j) sums[j] = first ? zero() : load(gradient + i + j * kLanes);
        for (ptrdiff_t r = 0; r < rows; ++r) {
            NNCORE_UNROLL
            for (int j = 0; j < kSums; ++j) sums[j] += load(dy + r * dy_row + i + j * kLanes);
        }
        NNCORE_UNROLL
        for (int j = 0; j < kSums; ++j) store(gradient + i + j * kLanes, sums[j]);
    }
    for_vectors(columns - i, [&](ptrdiff_t j, int n) __attribute__((always_inline)) {
        vec sum = first ? zero() : load_some(gradient + i + j, n);
        for (ptrdiff_t r = 0; r < rows; ++r) sum += load_some(dy + r * dy_row + i + j, n);
        store_some(gradient + i + j, sum, n);
    });
}

void activation(Activation kind, ptrdiff_t count, const float* x, float* y) {
    with_activation(kind, [&](auto activate) {
        for_vectors(count, [&](ptrdiff_t i, int n) __attribute__((always_inline)) {
            store_some(y + i, activate(load_some(x + i, n)), n);
        });
    });
}

void activation_gradient(Activation kind, ptrdiff_t count, const float* y, const float* dy,
                         float* dx) {
    with_derivative(kind, [&](auto multiply) {
        for_vectors(count, [&](ptrdiff_t i, int n) __attribute__((always_inline)) {
            store_some(dx + i, multiply(load_some(y + i, n), load_some(dy + i, n)), n);
        });
    });
}

void add(Activation kind, ptrdiff_t count, const float* a, const float* b, float* y) {
    with_activation(kind, [&](auto activate) {
        for_vectors(count, [&](ptrdiff_t i, int n) __attribute__((always_inline)) {
            store_some(y + i, activate(load_some(a + i, n) + load_some(b + i, n)), n);
        });
    });
}

void multiply_add(ptrdiff_t count, const float* x, const float* factors, const float* summands,
                  float* y) {
    for_vectors(count, [&](ptrdiff_t i, int n) __attribute__((always_inline)) {
        store_some(y + i,
                   fma(load_some(x + i, n), load_some(factors + i, n), load_some(summands + i, n)),
                   n);
    });
}

void sgd_update(ptrdiff_t count, float learning_rate, const float* gradient, float* weights) {
    const vec step = broadcast(-learning_rate);
    for_vectors(count, [&](ptrdiff_t i, int n) __attribute__((always_inline)) {
        store_some(weights + i, fma(step, load_some(gradient + i, n), load_some(weights + i, n)),
                   n);
    });
}

void bytes_to_floats(ptrdiff_t count, const uint8_t* x, ptrdiff_t channels, const float* scale,
                     const float* offset, float* y) {
    if (scale == nullptr) {
        for_vectors(count, [&](ptrdiff_t i, int n) __attribute__((always_inline)) {
            store_some(y + i, divide_by_255(load_bytes(x + i, n)), n);
        });
        return;
    }
    if (channels == 1) {
        const vec s = broadcast(scale[0]), o = broadcast(offset[0]);
        for_vectors(count, [&](ptrdiff_t i, int n) __attribute__((always_inline)) {
            store_some(y + i, fma(divide_by_255(load_bytes(x + i, n)), s, o), n);
        });
        return;
    }
    // As many vectors as there are channels hold whole pixels: each has its own factors by lane.
    constexpr ptrdiff_t kUsual = 4;
    const ptrdiff_t pixels = channels * kLanes;
    ptrdiff_t done = 0;
    if (channels <= kUsual && count >= 2 * pixels) {  // else making the factors takes longer
        alignas(64) float scales[kUsual * kLanes], offsets[kUsual * kLanes];
        for (ptrdiff_t i = 0; i < pixels; i += channels)
            for (ptrdiff_t c = 0; c < channels; ++c) {
                scales[i + c] = scale[c];
                offsets[i + c] = offset[c];
            }
        for (; done + pixels <= count; done += pixels)
            for (ptrdiff_t i = 0; i < pixels; i += kLanes)
                store(y + done + i, fma(divide_by_255(load_bytes(x + done + i, kLanes)),
                                        load(scales + i), load(offsets + i)));
    }
    for_vectors(count - done, [&](ptrdiff_t i, int n) __attribute__((always_inline)) {
        store_some(y + done + i, divide_by_255(load_bytes(x + done + i, n)), n);
    });
    ptrdiff_t channel = 0;
    for (ptrdiff_t i = done; i < count; ++i) {
        y[i] = __builtin_fmaf(y[i], scale[channel], offset[channel]);
        channel = channel + 1 == channels ? 0 : channel + 1;
    }
}

void sum_partials(ptrdiff_t count, ptrdiff_t parts, ptrdiff_t stride, const float* partials,
                  float* sum) {
    const auto add_up = [&]<int Parts>() __attribute__((always_inline)) {
        for_vectors(count, [&](ptrdiff_t i, int n) __attribute__((always_inline)) {
            store_some(sum + i, tree_sum<Parts>(partials + i, stride, n), n);
        });
    };
    if (parts == 16) return add_up.template operator()<16>();
    if (parts == 8) return add_up.template operator()<8>();
    if (parts == 4) return add_up.template operator()<4>();
    if (parts == 2) return add_up.template operator()<2>();
    add_up.template operator()<1>();
}

}  // namespace nncore::kernels::NNCORE_TARGET
