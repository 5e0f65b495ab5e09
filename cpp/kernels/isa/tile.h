// The register tile: the one inner loop of every product in nncore (GEMM, dense forward,
// input gradient and weight gradient).
//
//   acc[i][j] = fma(a(i, k), b(k, j), acc[i][j])   for k = 0, 1, ..., K-1 in this order
//
// H rows of A are broadcast, V vectors of B are read. Each lane of an accumulator is one output
// element and one sequential chain over k: that is what makes the bits the same at every width.
// K, a, b: see each function. All strides are in floats.
#pragma once

#include "simd.h"

namespace nncore::kernels::NNCORE_TARGET {

template <int H, int V>
NNCORE_INLINE void clear_tile(vec (&acc)[H][V]) {
    NNCORE_UNROLL
    for (int i = 0; i < H; ++i) {
        NNCORE_UNROLL
        for (int j = 0; j < V; ++j) acc[i][j] = zero();
    }
}

// The accumulators as an array in memory, for an epilogue that walks them in a loop: a loop over
// `acc` itself would make the compiler keep them in memory all the time.
template <int H, int V>
NNCORE_INLINE void spill_tile(const vec (&acc)[H][V], float* values) {
    NNCORE_UNROLL
    for (int i = 0; i < H; ++i) {
        NNCORE_UNROLL
        for (int j = 0; j < V; ++j) store(values + (i * V + j) * kLanes, acc[i][j]);
    }
}

// What a later tile will read, asked for bit by bit during this one: a tile alone would read it
// faster than the last cache can deliver.
struct NothingAhead {
    void ask() {}
};
struct Ahead {
    const float* next;
    ptrdiff_t step;  // floats per k; 0: again and again the same line
    __attribute__((always_inline)) void ask() {
        __builtin_prefetch(next, 0, 2);
        next += step;
    }
};

// a(i, k) = a[i * a_row + k]: the rows of a row-major matrix, read without packing.
// b(k, j) = b[j][k * b_row ...]: V independent streams of vectors.
template <int H, int V, class What = NothingAhead>
NNCORE_INLINE void multiply_rows(ptrdiff_t K, const float* a, ptrdiff_t a_row,
                                 const float* const (&b)[V], ptrdiff_t b_row, vec (&acc)[H][V],
                                 What ahead = {}) {
    // One base register for three rows: the others are reached by base + a_row and
    // base + 2 * a_row, which x86 addresses directly. H pointers would not fit the registers.
    constexpr int kBases = (H + 2) / 3;
    const float* base[kBases];
    NNCORE_UNROLL
    for (int i = 0; i < kBases; ++i) base[i] = a + 3 * i * a_row;
    const float* stream[V];
    NNCORE_UNROLL
    for (int j = 0; j < V; ++j) stream[j] = b[j];
    for (ptrdiff_t k = 0; k < K; ++k) {
        ahead.ask();
        vec y[V];
        NNCORE_UNROLL
        for (int j = 0; j < V; ++j) {
            y[j] = load(stream[j]);
            stream[j] += b_row;
        }
        NNCORE_UNROLL
        for (int i = 0; i < H; ++i) {
            const vec x = broadcast(base[i / 3][(i % 3) * a_row + k]);
            NNCORE_UNROLL
            for (int j = 0; j < V; ++j) acc[i][j] = fma(x, y[j], acc[i][j]);
        }
    }
}

// a(i, k) = a[k * a_step + i]: a packed panel (a_step = its height) or a transposed matrix.
template <int H, int V>
NNCORE_INLINE void multiply_columns(ptrdiff_t K, const float* a, ptrdiff_t a_step,
                                    const float* const (&b)[V], ptrdiff_t b_row, vec (&acc)[H][V]) {
    const float* stream[V];
    NNCORE_UNROLL
    for (int j = 0; j < V; ++j) stream[j] = b[j];
    for (ptrdiff_t k = 0; k < K; ++k) {
        vec y[V];
        NNCORE_UNROLL
        for (int j = 0; j < V; ++j) {
            y[j] = load(stream[j]);
            stream[j] += b_row;
        }
        NNCORE_UNROLL
        for (int i = 0; i < H; ++i) {
            const vec x = broadcast(a[i]);
            NNCORE_UNROLL
            for (int j = 0; j < V; ++j) acc[i][j] = fma(x, y[j], acc[i][j]);
        }
        a += a_step;
    }
}

}  // namespace nncore::kernels::NNCORE_TARGET
