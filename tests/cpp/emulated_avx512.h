// AVX-512 by AVX2, for tests on machines that lack it (-DNNCORE_EMULATE_AVX512=ON): the kernels'
// own sources with 16 lanes, their tiles and their masks, and nothing of AVX-512's speed. SIMDe
// (Debian's libsimde-dev) has most of the operations; those that its version 0.7 lacks are here.
//
// Included before every source of the instruction set "avx512", by its compiler flags.
#pragma once

// Of this many floats at once SIMDe makes two of AVX2's own, so that a fused multiply-add stays
// one.
#define SIMDE_ENABLE_NATIVE_ALIASES
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wall"
#pragma GCC diagnostic ignored "-Wextra"
#include <simde/x86/avx512.h>
#pragma GCC diagnostic pop

#undef __AVX512F__
#define __AVX512F__ 1

namespace emulated_avx512 {

typedef int32_t ints __attribute__((vector_size(64)));
typedef uint8_t bytes __attribute__((vector_size(16)));

static inline bool has(__mmask16 mask, int lane) { return ((mask >> lane) & 1) != 0; }

static inline __m512i cvtepu8_epi32(__m128i x) {
    return (__m512i) __builtin_convertvector((bytes)x, ints);
}
static inline __m512 cvtepi32_ps(__m512i x) {
    typedef float floats __attribute__((vector_size(64)));
    return (__m512) __builtin_convertvector((ints)x, floats);
}
static inline __m128i cvtepi32_epi8(__m512i x) {
    return (__m128i) __builtin_convertvector((ints)x, bytes);
}
static inline void stream_ps(float* p, __m512 x) { _mm512_store_ps(p, x); }
// What a mask leaves out is neither read nor written.
static inline __m512 maskz_loadu_ps(__mmask16 mask, const void* p) {
    float lanes[16];
    for (int i = 0; i < 16; ++i) lanes[i] = has(mask, i) ? static_cast<const float*>(p)[i] : 0.0f;
    return _mm512_loadu_ps(lanes);
}
static inline void mask_storeu_ps(void* p, __mmask16 mask, __m512 x) {
    float lanes[16];
    _mm512_storeu_ps(lanes, x);
    for (int i = 0; i < 16; ++i)
        if (has(mask, i)) static_cast<float*>(p)[i] = lanes[i];
}
static inline __m128i maskz_loadu_epi8(__mmask16 mask, const void* p) {
    bytes lanes{};
    for (int i = 0; i < 16; ++i)
        if (has(mask, i)) lanes[i] = static_cast<const uint8_t*>(p)[i];
    return (__m128i)lanes;
}
static inline void mask_cvtepi32_storeu_epi8(void* p, __mmask16 mask, __m512i x) {
    const bytes lanes = (bytes)cvtepi32_epi8(x);
    for (int i = 0; i < 16; ++i)
        if (has(mask, i)) static_cast<uint8_t*>(p)[i] = lanes[i];
}
static inline __mmask16 mask_cmpeq_epi8_mask(__mmask16 mask, __m128i a, __m128i b) {
    return (__mmask16)(mask & (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(a, b)));
}
static inline __mmask16 mask_not_equal(__mmask16 mask, __m512 a, __m512 b) {
    float x[16], y[16];
    _mm512_storeu_ps(x, a);
    _mm512_storeu_ps(y, b);
    unsigned found = 0;
    for (int i = 0; i < 16; ++i) found |= static_cast<unsigned>(x[i] != y[i]) << i;
    return (__mmask16)(found & mask);
}

}  // namespace emulated_avx512

#undef _mm512_cvtepu8_epi32
#undef _mm512_cvtepi32_ps
#undef _mm512_cvtepi32_epi8
#undef _mm512_maskz_loadu_ps
#undef _mm512_mask_storeu_ps
#undef _mm_maskz_loadu_epi8
#undef _mm512_mask_cvtepi32_storeu_epi8
#undef _mm_mask_cmpeq_epi8_mask
#undef _mm512_mask_cmp_ps_mask
#undef _mm512_shuffle_f32x4
#define _mm512_stream_ps emulated_avx512::stream_ps
#define _mm512_cvtepu8_epi32 emulated_avx512::cvtepu8_epi32
#define _mm512_cvtepi32_ps emulated_avx512::cvtepi32_ps
#define _mm512_cvtepi32_epi8 emulated_avx512::cvtepi32_epi8
#define _mm512_maskz_loadu_ps emulated_avx512::maskz_loadu_ps
#define _mm512_mask_storeu_ps emulated_avx512::mask_storeu_ps
#define _mm_maskz_loadu_epi8 emulated_avx512::maskz_loadu_epi8
#define _mm512_mask_cvtepi32_storeu_epi8 emulated_avx512::mask_cvtepi32_storeu_epi8
#define _mm_mask_cmpeq_epi8_mask emulated_avx512::mask_cmpeq_epi8_mask
#define _mm512_shuffle_f32x4 simde_mm512_shuffle_f32x4
// The one comparison that the kernels ask for.
#define _mm512_mask_cmp_ps_mask(mask, a, b, how) emulated_avx512::mask_not_equal##_##how(mask, a, b)
#define mask_not_equal__CMP_NEQ_UQ mask_not_equal
