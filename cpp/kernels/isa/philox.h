// Philox 4x32-10 (see ../../runtime/philox.h), a counter per lane.
#pragma once

#include "../kernels.h"
#include "simd.h"

namespace nncore::kernels::NNCORE_TARGET {

typedef uint32_t uvec __attribute__((vector_size(kLanes * 4)));

// The high and low halves of the 64-bit products of each lane with a constant.
struct Product {
    uvec high, low;
};

NNCORE_INLINE Product multiply_wide(uvec x, uint32_t factor) {
#if defined(__AVX512F__)
    const __m512i f = _mm512_set1_epi64((long long)factor);
    const __m512i even = _mm512_mul_epu32((__m512i)x, f);
    const __m512i odd = _mm512_mul_epu32(_mm512_srli_epi64((__m512i)x, 32), f);
    const __m512i high =
        _mm512_mask_blend_epi32((__mmask16)0xAAAA, _mm512_srli_epi64(even, 32), odd);
    return {(uvec)high, x * factor};
#elif defined(__AVX2__)
    const __m256i f = _mm256_set1_epi64x((long long)factor);
    const __m256i even = _mm256_mul_epu32((__m256i)x, f);
    const __m256i odd = _mm256_mul_epu32(_mm256_srli_epi64((__m256i)x, 32), f);
    return {(uvec)_mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0xAA), x * factor};
#else
    uvec high{};
    for (int i = 0; i < kLanes; ++i) high[i] = (uint32_t)(((uint64_t)x[i] * factor) >> 32);
    return {high, x * factor};
#endif
}

// The four words for the counters (block + lane, sample, stream, purpose).
NNCORE_INLINE void philox(const RandomKey& key, uint32_t block, uvec (&words)[4]) {
    uvec c0;
    for (int i = 0; i < kLanes; ++i) c0[i] = block + (uint32_t)i;
    uvec c1 = uvec{} + key.sample, c2 = uvec{} + key.stream, c3 = uvec{} + key.purpose;
    uint32_t k0 = key.seed_low, k1 = key.seed_high;
    NNCORE_UNROLL
    for (int round = 0; round < 10; ++round) {
        const Product p0 = multiply_wide(c0, 0xD2511F53u);
        const Product p1 = multiply_wide(c2, 0xCD9E8D57u);
        c0 = p1.high ^ c1 ^ k0;
        c1 = p1.low;
        c2 = p0.high ^ c3 ^ k1;
        c3 = p0.low;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    words[0] = c0;
    words[1] = c1;
    words[2] = c2;
    words[3] = c3;
}

}  // namespace nncore::kernels::NNCORE_TARGET
