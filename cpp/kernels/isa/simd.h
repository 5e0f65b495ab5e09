// Vector types and operations of the instruction set for which a file is being compiled.
//
// Every file of cpp/kernels/isa is compiled once per instruction set, into its own namespace
// (NNCORE_TARGET, set by CMake). Those files must not include STL headers: the linker keeps one
// copy of an inline function, and a copy compiled for AVX-512 would crash an older machine.
//
// The numerical contract: each operation below gives the same bits in every lane on every
// instruction set, so a chain of them per output element does not depend on the vector width.
#pragma once

#include <cstddef>
#include <cstdint>

#include "../block.h"

#if defined(__AVX2__) || defined(__AVX512F__)
// GCC 11 and 12 warn about their own _mm512_undefined_ps (GCC bug 105593).
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif
#include <immintrin.h>
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif
#elif defined(__SSE2__)
#include <emmintrin.h>
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#endif

#define NNCORE_INLINE static inline __attribute__((always_inline))
// A register tile: a function of its own, so that the compiler finds registers for its loop alone.
// Inlined with its siblings of other sizes, what one of them needs stands in the others' registers.
#define NNCORE_TILE __attribute__((noinline))
#if defined(__clang__)
#define NNCORE_UNROLL _Pragma("clang loop unroll(full)")
#else
#define NNCORE_UNROLL _Pragma("GCC unroll 32")
#endif

namespace nncore::kernels::NNCORE_TARGET {

#if defined(__AVX512F__)
constexpr int kLanes = 16;
#elif defined(__AVX2__)
constexpr int kLanes = 8;
#else
constexpr int kLanes = 4;
#endif

constexpr int kVectorsPerBlock = static_cast<int>(kBlock) / kLanes;

typedef float vec __attribute__((vector_size(kLanes * 4)));
typedef float vec_unaligned __attribute__((vector_size(kLanes * 4), aligned(4), may_alias));
typedef int32_t ivec __attribute__((vector_size(kLanes * 4)));
typedef int32_t ivec_unaligned __attribute__((vector_size(kLanes * 4), aligned(4), may_alias));

NNCORE_INLINE vec load(const float* p) { return *reinterpret_cast<const vec_unaligned*>(p); }
NNCORE_INLINE void store(float* p, vec v) { *reinterpret_cast<vec_unaligned*>(p) = v; }
// Past the caches, for what is far too much for them and not read soon: an ordinary store first
// reads what it writes over. p: aligned to the vector. `finish_streams` must follow before another
// thread may read it.
NNCORE_INLINE void stream(float* p, vec v) {
#if defined(__AVX512F__)
    _mm512_stream_ps(p, (__m512)v);
#elif defined(__AVX2__)
    _mm256_stream_ps(p, (__m256)v);
#else
    store(p, v);
#endif
}
NNCORE_INLINE void finish_streams() {
#if defined(__AVX512F__) || defined(__AVX2__)
    _mm_sfence();
#endif
}
NNCORE_INLINE bool is_aligned(const float* p) {
    return reinterpret_cast<uintptr_t>(p) % sizeof(vec) == 0;
}
NNCORE_INLINE vec zero() { return vec{}; }
NNCORE_INLINE vec broadcast(float x) {
#if defined(__AVX512F__)
    return (vec)_mm512_set1_ps(x);
#elif defined(__AVX2__)
    return (vec)_mm256_set1_ps(x);
#else
    // x - {0, ...} and not x + {0, ...}: adding +0 would turn -0 into +0.
    return x - vec{};
#endif
}
NNCORE_INLINE ivec broadcast_int(int32_t x) { return x + ivec{}; }

#if !defined(__AVX512F__) && !defined(__AVX2__) && !defined(__ARM_NEON)
typedef double dvec2 __attribute__((vector_size(16)));
typedef int64_t lvec2 __attribute__((vector_size(16)));
typedef float vec2 __attribute__((vector_size(8)));

// One correctly rounded float a*b + c per lane without FMA hardware. The product of two floats is
// exact in double; the sum is rounded to odd (Boldo and Melquiond, "Emulation of FMA and correctly
// rounded sums", IEEE TC 57(4), 2008), so the second rounding, to float, is innocuous.
NNCORE_INLINE vec2 fma_pair(vec2 a, vec2 b, vec2 c) {
    const dvec2 product = __builtin_convertvector(a, dvec2) * __builtin_convertvector(b, dvec2);
    const dvec2 addend = __builtin_convertvector(c, dvec2);
    const dvec2 sum = product + addend;
    const dvec2 virtual_addend = sum - product;
    const dvec2 error = (product - (sum - virtual_addend)) + (addend - virtual_addend);
    // For an even last bit and an inexact sum, move one unit towards the error: to the odd
    // neighbour. Comparisons with NaN (an infinite operand) are false and leave the sum alone.
    const lvec2 bits = (lvec2)sum;
    const lvec2 is_even = (bits & 1) == 0;
    const lvec2 up = (error > 0.0) & is_even;
    const lvec2 down = (error < 0.0) & is_even;
    const lvec2 negative = bits < 0;
    // Adding 1 to the bits grows the magnitude; `step` is +1 away from zero, -1 towards it.
    // The comparisons give -1 for true.
    const lvec2 away = (up & ~negative) | (down & negative);
    const lvec2 toward = (down & ~negative) | (up & negative);
    return __builtin_convertvector((dvec2)(bits - away + toward), vec2);
}
#endif

// a * b + c with one rounding.
NNCORE_INLINE vec fma(vec a, vec b, vec c) {
#if defined(__AVX512F__)
    return (vec)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif defined(__AVX2__)
    return (vec)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#elif defined(__ARM_NEON)
    return (vec)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
#else
    union Halves {
        vec whole;
        vec2 half[2];
    };
    const Halves x{a}, y{b}, z{c};
    Halves result;
    result.half[0] = fma_pair(x.half[0], y.half[0], z.half[0]);
    result.half[1] = fma_pair(x.half[1], y.half[1], z.half[1]);
    return result.whole;
#endif
}

// a > b ? a : b; b where either is NaN, as x86's max does.
NNCORE_INLINE vec max(vec a, vec b) {
#if defined(__AVX512F__)
    return (vec)_mm512_max_ps((__m512)a, (__m512)b);
#elif defined(__AVX2__)
    return (vec)_mm256_max_ps((__m256)a, (__m256)b);
#else
    return a > b ? a : b;
#endif
}
// a < b ? a : b; b where either is NaN.
NNCORE_INLINE vec min(vec a, vec b) {
#if defined(__AVX512F__)
    return (vec)_mm512_min_ps((__m512)a, (__m512)b);
#elif defined(__AVX2__)
    return (vec)_mm256_min_ps((__m256)a, (__m256)b);
#else
    return a < b ? a : b;
#endif
}

// 0 where |x| < limit, else x.
NNCORE_INLINE vec zero_below(float limit, vec x) {
    const vec magnitude = (vec)((ivec)x & 0x7fffffff);
    return magnitude < broadcast(limit) ? zero() : x;
}

// The correctly rounded square root.
NNCORE_INLINE vec square_root(vec x) {
#if defined(__AVX512F__)
    return (vec)_mm512_sqrt_ps((__m512)x);
#elif defined(__AVX2__)
    return (vec)_mm256_sqrt_ps((__m256)x);
#elif defined(__SSE2__)
    return (vec)_mm_sqrt_ps((__m128)x);
#elif defined(__ARM_NEON) && defined(__aarch64__)
    return (vec)vsqrtq_f32((float32x4_t)x);
#else
    for (int i = 0; i < kLanes; ++i) x[i] = __builtin_sqrtf(x[i]);
    return x;
#endif
}

// 2^n for integral n (given as floats) in [-126, 127], exactly.
NNCORE_INLINE vec exponent_to_power(vec n) {
    const ivec exponent = __builtin_convertvector(n, ivec);
    return (vec)((exponent + 127) << 23);
}

#if defined(__AVX2__) && !defined(__AVX512F__)
NNCORE_INLINE __m256i first_lanes(int count) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(count), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
#endif

// The first `count` floats at p, 0 in the other lanes; reads nothing beyond them.
NNCORE_INLINE vec load_partial(const float* p, int count) {
#if defined(__AVX512F__)
    return (vec)_mm512_maskz_loadu_ps((__mmask16)((1u << count) - 1u), p);
#elif defined(__AVX2__)
    return (vec)_mm256_maskload_ps(p, first_lanes(count));
#else
    vec v{};
    for (int i = 0; i < count; ++i) v[i] = p[i];
    return v;
#endif
}
NNCORE_INLINE void store_partial(float* p, vec v, int count) {
#if defined(__AVX512F__)
    _mm512_mask_storeu_ps(p, (__mmask16)((1u << count) - 1u), (__m512)v);
#elif defined(__AVX2__)
    _mm256_maskstore_ps(p, first_lanes(count), (__m256)v);
#else
    for (int i = 0; i < count; ++i) p[i] = v[i];
#endif
}

// Of 2 * kLanes floats at p, those at even and those at odd places.
NNCORE_INLINE void load_pairs(const float* p, vec& even, vec& odd) {
#if defined(__AVX512F__)
    const __m512i places =
        _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    const __m512 low = _mm512_loadu_ps(p), high = _mm512_loadu_ps(p + 16);
    even = (vec)_mm512_permutex2var_ps(low, places, high);
    odd = (vec)_mm512_permutex2var_ps(low, _mm512_add_epi32(places, _mm512_set1_epi32(1)), high);
#else
    for (int i = 0; i < kLanes; ++i) {
        even[i] = p[2 * i];
        odd[i] = p[2 * i + 1];
    }
#endif
}

NNCORE_INLINE constexpr int min_int(int a, int b) { return a < b ? a : b; }
NNCORE_INLINE constexpr ptrdiff_t min_size(ptrdiff_t a, ptrdiff_t b) { return a < b ? a : b; }

}  // namespace nncore::kernels::NNCORE_TARGET
