// Dense layers: activations row-major, weights in panels of 16 outputs (see ../kernels.h).
// Forward and input gradient are one kernel; the weight gradient can update W in its epilogue.
#include "dense.h"

#include "activation.h"
#include "tile.h"
#include "transpose.h"

namespace nncore::kernels::NNCORE_TARGET {
namespace {

// Samples x vectors in a register tile; see gemm.cpp for the register counts.
#if defined(__AVX512F__)
constexpr int kRows = 14, kVectors = 2;
#elif defined(__AVX2__)
constexpr int kRows = 6, kVectors = 2;
#elif defined(__ARM_NEON)
constexpr int kRows = 6, kVectors = 4;
#else
constexpr int kRows = 2, kVectors = 4;
#endif

// Vector number v of a panelled matrix starts here.
NNCORE_INLINE ptrdiff_t vector_offset(ptrdiff_t v, ptrdiff_t panel_stride) {
    return v / kVectorsPerBlock * panel_stride + v % kVectorsPerBlock * kLanes;
}

template <int H, int V>
void product_tile(const DenseProductArgs& p, ptrdiff_t row, ptrdiff_t vector) {
    const float* streams[V];
    vec acc[H][V];
    NNCORE_UNROLL
    for (int j = 0; j < V; ++j) {
        streams[j] = p.panels + vector_offset(vector + j, p.panel_stride);
        const vec start = p.bias ? load(p.bias + (vector + j) * kLanes) : zero();
        NNCORE_UNROLL
        for (int i = 0; i < H; ++i) acc[i][j] = start;
    }
    multiply_rows<H, V>(p.K, p.a + row * p.a_row, p.a_row, streams, kBlock, acc);
    float* y = p.y + row * p.y_row + vector * kLanes;
    if (p.input_activity != nullptr) {
        const float* x = p.input_activity + row * p.input_activity_row + vector * kLanes;
        if (p.activation == Activation::relu) {
            NNCORE_UNROLL
            for (int i = 0; i < H; ++i) {
                NNCORE_UNROLL
                for (int j = 0; j < V; ++j)
                    store(y + i * p.y_row + j * kLanes,
                          times_derivative(Activation::relu,
                                           load(x + i * p.input_activity_row + j * kLanes),
                                           acc[i][j]));
            }
            return;
        }
        for (int i = 0; i < H; ++i)
            for (int j = 0; j < V; ++j)
                store(y + i * p.y_row + j * kLanes,
                      times_derivative(p.activation,
                                       load(x + i * p.input_activity_row + j * kLanes), acc[i][j]));
        return;
    }
    if (p.activation == Activation::relu || p.activation == Activation::linear) {
        const bool relu = p.activation == Activation::relu;
        NNCORE_UNROLL
        for (int i = 0; i < H; ++i) {
            NNCORE_UNROLL
            for (int j = 0; j < V; ++j)
                store(y + i * p.y_row + j * kLanes, relu ? max(zero(), acc[i][j]) : acc[i][j]);
        }
        return;
    }
    for (int i = 0; i < H; ++i)
        for (int j = 0; j < V; ++j)
            store(y + i * p.y_row + j * kLanes, activate(p.activation, acc[i][j]));
}

template <int H, int V>
void product_of_height(int height, const DenseProductArgs& p, ptrdiff_t row, ptrdiff_t vector) {
    if (height == H) {
        product_tile<H, V>(p, row, vector);
    } else if constexpr (H > 1) {
        product_of_height<H - 1, V>(height, p, row, vector);
    }
}

template <int H, int V>
void gradient_tile(const DenseWeightGradientArgs& p, ptrdiff_t input, ptrdiff_t vector) {
    const float* streams[V];
    vec acc[H][V];
    NNCORE_UNROLL
    for (int j = 0; j < V; ++j) streams[j] = p.d + (vector + j) * kLanes;
    clear_tile(acc);
    multiply_columns<H, V>(p.rows, p.x + input, p.x_row, streams, p.d_row, acc);
    if (p.weights != nullptr) {
        const vec step = broadcast(-p.learning_rate);
        NNCORE_UNROLL
        for (int j = 0; j < V; ++j) {
            float* w = p.weights + vector_offset(vector + j, p.panel_stride) + input * kBlock;
            NNCORE_UNROLL
            for (int i = 0; i < H; ++i)
                store(w + i * kBlock, fma(step, acc[i][j], load(w + i * kBlock)));
        }
    } else {
        NNCORE_UNROLL
        for (int j = 0; j < V; ++j) {
            float* g = p.gradient + vector_offset(vector + j, p.panel_stride) + input * kBlock;
            NNCORE_UNROLL
            for (int i = 0; i < H; ++i) store(g + i * kBlock, acc[i][j]);
        }
    }
}

template <int H, int V>
void gradient_of_height(int height, const DenseWeightGradientArgs& p, ptrdiff_t input,
                        ptrdiff_t vector) {
    if (height == H) {
        gradient_tile<H, V>(p, input, vector);
    } else if constexpr (H > 1) {
        gradient_of_height<H - 1, V>(height, p, input, vector);
    }
}

// Deals `total` evenly into tiles of at most kRows and calls body(first, height).
template <class Body>
NNCORE_INLINE void for_tiles(ptrdiff_t total, Body body) {
    const ptrdiff_t tiles = (total + kRows - 1) / kRows;
    for (ptrdiff_t i = 0; i < tiles; ++i) {
        const ptrdiff_t first = total * i / tiles;
        body(first, static_cast<int>(total * (i + 1) / tiles - first));
    }
}

}  // namespace

void dense_product(const DenseProductArgs& p) {
    const ptrdiff_t vectors = p.blocks * kVectorsPerBlock;
    ptrdiff_t v = 0;
    for (; v + kVectors <= vectors; v += kVectors)
        for_tiles(p.rows, [&](ptrdiff_t row, int height) {
            product_of_height<kRows, kVectors>(height, p, row, v);
        });
    // Only with one block per vector can an odd one be left.
    if constexpr (kVectorsPerBlock < kVectors) {
        for (; v < vectors; ++v)
            for_tiles(p.rows, [&](ptrdiff_t row, int height) {
                product_of_height<kRows, 1>(height, p, row, v);
            });
    }
}

void dense_weight_gradient(const DenseWeightGradientArgs& p) {
    const ptrdiff_t vectors = p.blocks * kVectorsPerBlock;
    ptrdiff_t v = 0;
    for (; v + kVectors <= vectors; v += kVectors)
        for_tiles(p.input_end - p.input_begin, [&](ptrdiff_t input, int height) {
            gradient_of_height<kRows, kVectors>(height, p, p.input_begin + input, v);
        });
    if constexpr (kVectorsPerBlock < kVectors) {
        for (; v < vectors; ++v)
            for_tiles(p.input_end - p.input_begin, [&](ptrdiff_t input, int height) {
                gradient_of_height<kRows, 1>(height, p, p.input_begin + input, v);
            });
    }
}

void transpose_panels(ptrdiff_t inputs, ptrdiff_t output_blocks, const float* panels,
                      ptrdiff_t panel_stride, ptrdiff_t input_block_begin,
                      ptrdiff_t input_block_end, float* transposed, ptrdiff_t transposed_stride) {
    for (ptrdiff_t i = input_block_begin; i < input_block_end; ++i) {
        const int rows = static_cast<int>(min_size(kBlock, inputs - i * kBlock));
        for (ptrdiff_t o = 0; o < output_blocks; ++o)
            transpose_16(panels + o * panel_stride + i * kBlock * kBlock, kBlock, rows,
                         transposed + i * transposed_stride + o * kBlock * kBlock, kBlock);
    }
}

}  // namespace nncore::kernels::NNCORE_TARGET
