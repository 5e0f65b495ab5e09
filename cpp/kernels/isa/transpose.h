// 16 x 16 transposition through registers, for packing and for the transposed weights.
#pragma once

#include "simd.h"

namespace nncore::kernels::NNCORE_TARGET {

#if defined(__AVX512F__)
// target[c * target_row + r] = source[r * source_row + c] for r < rows (the missing rows are 0)
// and all 16 columns c.
NNCORE_INLINE void transpose_16(const float* source, ptrdiff_t source_row, int rows, float* target,
                                ptrdiff_t target_row) {
    __m512 r[16], t[16];
    if (rows == 16) {
        NNCORE_UNROLL
        for (int i = 0; i < 16; ++i) r[i] = _mm512_loadu_ps(source + i * source_row);
    } else {
        NNCORE_UNROLL
        for (int i = 0; i < 16; ++i)
            r[i] = i < rows ? _mm512_loadu_ps(source + i * source_row) : _mm512_setzero_ps();
    }
    NNCORE_UNROLL
    for (int i = 0; i < 16; i += 2) {
        t[i] = _mm512_unpacklo_ps(r[i], r[i + 1]);
        t[i + 1] = _mm512_unpackhi_ps(r[i], r[i + 1]);
    }
    NNCORE_UNROLL
    for (int i = 0; i < 16; i += 4) {
        r[i] = (__m512)_mm512_unpacklo_pd((__m512d)t[i], (__m512d)t[i + 2]);
        r[i + 1] = (__m512)_mm512_unpackhi_pd((__m512d)t[i], (__m512d)t[i + 2]);
        r[i + 2] = (__m512)_mm512_unpacklo_pd((__m512d)t[i + 1], (__m512d)t[i + 3]);
        r[i + 3] = (__m512)_mm512_unpackhi_pd((__m512d)t[i + 1], (__m512d)t[i + 3]);
    }
    NNCORE_UNROLL
    for (int i = 0; i < 4; ++i) {
        t[i] = _mm512_shuffle_f32x4(r[i], r[i + 4], 0x88);
        t[i + 4] = _mm512_shuffle_f32x4(r[i], r[i + 4], 0xdd);
        t[i + 8] = _mm512_shuffle_f32x4(r[i + 8], r[i + 12], 0x88);
        t[i + 12] = _mm512_shuffle_f32x4(r[i + 8], r[i + 12], 0xdd);
    }
    NNCORE_UNROLL
    for (int i = 0; i < 8; ++i)
        _mm512_storeu_ps(target + i * target_row, _mm512_shuffle_f32x4(t[i], t[i + 8], 0x88));
    NNCORE_UNROLL
    for (int i = 0; i < 8; ++i)
        _mm512_storeu_ps(target + (i + 8) * target_row, _mm512_shuffle_f32x4(t[i], t[i + 8], 0xdd));
}
#else
#if defined(__AVX2__)
NNCORE_INLINE void transpose_8(const float* source, ptrdiff_t source_row, int rows, float* target,
                               ptrdiff_t target_row) {
    __m256 r[8], t[8];
    NNCORE_UNROLL
    for (int i = 0; i < 8; ++i)
        r[i] = i < rows ? _mm256_loadu_ps(source + i * source_row) : _mm256_setzero_ps();
    NNCORE_UNROLL
    for (int i = 0; i < 8; i += 2) {
        t[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
        t[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
    }
    NNCORE_UNROLL
    for (int i = 0; i < 8; i += 4) {
        r[i] = (__m256)_mm256_unpacklo_pd((__m256d)t[i], (__m256d)t[i + 2]);
        r[i + 1] = (__m256)_mm256_unpackhi_pd((__m256d)t[i], (__m256d)t[i + 2]);
        r[i + 2] = (__m256)_mm256_unpacklo_pd((__m256d)t[i + 1], (__m256d)t[i + 3]);
        r[i + 3] = (__m256)_mm256_unpackhi_pd((__m256d)t[i + 1], (__m256d)t[i + 3]);
    }
    NNCORE_UNROLL
    for (int i = 0; i < 4; ++i)
        _mm256_storeu_ps(target + i * target_row, _mm256_permute2f128_ps(r[i], r[i + 4], 0x20));
    NNCORE_UNROLL
    for (int i = 0; i < 4; ++i)
        _mm256_storeu_ps(target + (i + 4) * target_row,
                         _mm256_permute2f128_ps(r[i], r[i + 4], 0x31));
}
#else
NNCORE_INLINE void transpose_8(const float* source, ptrdiff_t source_row, int rows, float* target,
                               ptrdiff_t target_row) {
    for (int c = 0; c < 8; ++c)
        for (int r = 0; r < 8; ++r)
            target[c * target_row + r] = r < rows ? source[r * source_row + c] : 0.0f;
}
#endif
NNCORE_INLINE void transpose_16(const float* source, ptrdiff_t source_row, int rows, float* target,
                                ptrdiff_t target_row) {
    transpose_8(source, source_row, rows, target, target_row);
    transpose_8(source + 8, source_row, rows, target + 8 * target_row, target_row);
    if (rows > 8) {
        const float* lower = source + 8 * source_row;
        transpose_8(lower, source_row, rows - 8, target + 8, target_row);
        transpose_8(lower + 8, source_row, rows - 8, target + 8 * target_row + 8, target_row);
    } else {
        for (int c = 0; c < 16; ++c)
            for (int r = 8; r < 16; ++r) target[c * target_row + r] = 0.0f;
    }
}
#endif

// A packed panel: target[c * height + r] = source[r * source_row + c] for r < height, 16 columns.
// Writes whole vectors in ascending order of c: each overhangs its column, the next overwrites the
// overhang, and the last one spills up to 16 floats past the panel.
NNCORE_INLINE void transpose_to_panel(const float* source, ptrdiff_t source_row, int height,
                                      float* target) {
#if defined(__AVX512F__)
    transpose_16(source, source_row, height, target, height);
#else
    transpose_8(source, source_row, height, target, height);
    transpose_8(source + 8, source_row, height, target + 8 * height, height);
#endif
}

// Any size: target[c * target_row + r] = source[r * source_row + c] for r < rows, c < columns,
// and target[c * target_row + r] = 0 for rows <= r < 16. rows, columns <= 16.
NNCORE_INLINE void transpose_tail(const float* source, ptrdiff_t source_row, int rows, int columns,
                                  float* target, ptrdiff_t target_row) {
    for (int c = 0; c < columns; ++c) {
        for (int r = 0; r < rows; ++r) target[c * target_row + r] = source[r * source_row + c];
        for (int r = rows; r < 16; ++r) target[c * target_row + r] = 0.0f;
    }
}

}  // namespace nncore::kernels::NNCORE_TARGET
