// Dense layers: activations row-major, weights in panels of 16 outputs (see ../kernels.h).
// Forward and input gradient are one kernel; the weight gradient can update W in its epilogue.
#include "../declarations.h"
#include "activation.h"
#include "channel_tiles.h"
#include "tile_sizes.h"
#include "transpose.h"
#include "with_constant.h"

namespace nncore::kernels::NNCORE_TARGET {
namespace {

// Vector number v of a panelled matrix starts here.
NNCORE_INLINE ptrdiff_t vector_offset(ptrdiff_t v, ptrdiff_t panel_stride) {
    return v / kVectorsPerBlock * panel_stride + v % kVectorsPerBlock * kLanes;
}

// The epilogue for the rarer activations.
__attribute__((noinline)) void finish_product(const DenseProductArgs& p, ptrdiff_t row,
                                              ptrdiff_t vector, int height, int vectors,
                                              const float* values) {
    for (int i = 0; i < height; ++i)
        for (int j = 0; j < vectors; ++j) {
            const ptrdiff_t column = (vector + j) * kLanes;
            const vec sum = load(values + (i * vectors + j) * kLanes);
            const vec y =
                p.input_activity != nullptr
                    ? times_derivative(
                          p.activation,
                          load(p.input_activity + (row + i) * p.input_activity_row + column), sum)
                    : activate(p.activation, sum);
            store(p.y + (row + i) * p.y_row + column, y);
        }
}

template <int H, int V>
NNCORE_TILE void product_tile(const DenseProductArgs& p, ptrdiff_t row, ptrdiff_t vector,
                              Ahead ahead) {
    const float* streams[V];
    vec acc[H][V];
    NNCORE_UNROLL
    for (int j = 0; j < V; ++j) {
        streams[j] = p.panels + vector_offset(vector + j, p.panel_stride);
        const vec start = p.bias ? load(p.bias + (vector + j) * kLanes) : zero();
        NNCORE_UNROLL
        for (int i = 0; i < H; ++i) acc[i][j] = start;
    }
    multiply_rows<H, V>(p.K, p.a + row * p.a_row, p.a_row, streams, kBlock, acc, ahead);
    float* y = p.y + row * p.y_row + vector * kLanes;
    if (CutOff::is(p.activation)) {
        const CutOff cut_off(p.activation);
        const float* x = p.input_activity
                             ? p.input_activity + row * p.input_activity_row + vector * kLanes
                             : nullptr;
        NNCORE_UNROLL
        for (int i = 0; i < H; ++i) {
            NNCORE_UNROLL
            for (int j = 0; j < V; ++j) {
                const vec value =
                    x != nullptr
                        ? times_derivative(cut_off, load(x + i * p.input_activity_row + j * kLanes),
                                           acc[i][j])
                        : activate(cut_off, acc[i][j]);
                store(y + i * p.y_row + j * kLanes, value);
            }
        }
    } else if (p.activation == Activation::linear) {
        NNCORE_UNROLL
        for (int i = 0; i < H; ++i) {
            NNCORE_UNROLL
            for (int j = 0; j < V; ++j) store(y + i * p.y_row + j * kLanes, acc[i][j]);
        }
    } else {
        alignas(64) float values[H * V * kLanes];
        spill_tile(acc, values);
        finish_product(p, row, vector, H, V, values);
    }
}

template <int H, int V>
NNCORE_TILE void gradient_tile(const DenseWeightGradientArgs& p, ptrdiff_t input,
                               ptrdiff_t vector) {
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

// Asks for the weights of the next column of tiles while this one is computed.
struct WeightsAhead {
    const float* panels;
    ptrdiff_t panel_stride, lines;  // of each panel, 16 floats each
    ptrdiff_t floats;               // of all

    // What tile `tile` of `tiles` should ask for in K steps, of the V vectors from `vector` on.
    template <int V>
    Ahead part(ptrdiff_t vector, ptrdiff_t tile, ptrdiff_t tiles, ptrdiff_t K) const {
        // Weights that stay in the second cache need no such help.
        if (floats < kStayBeside || vector < 0) return {panels, 0};
        const ptrdiff_t next = lines * kLanes * V;
        return {panels + vector_offset(vector, panel_stride) + next * tile / tiles,
                next / (tiles * K)};
    }
    static constexpr ptrdiff_t kStayBeside = ptrdiff_t{1} << 18;
};

}  // namespace

// From the last panel to the first: weights that were just updated, from the first to the last, are
// in the cache then.
void dense_product(const DenseProductArgs& p) {
    const WeightsAhead weights{p.panels, p.panel_stride, p.K, p.K * p.blocks * kBlock};
    const ptrdiff_t tiles = (p.rows + kProductRows - 1) / kProductRows;
    ptrdiff_t v = p.blocks * kVectorsPerBlock;
    const auto column = [&]<int V>() {
        v -= V;
        ptrdiff_t tile = 0;
        for_even_tiles(p.rows, kProductRows, [&](ptrdiff_t row, int height) {
            const Ahead ahead = weights.part<V>(v - kProductVectors, tile++, tiles, p.K);
            with_constant<kProductRows>(height,
                                        [&]<int H>() { product_tile<H, V>(p, row, v, ahead); });
        });
    };
    // Only with one vector per block can an odd one be left.
    if constexpr (kVectorsPerBlock < kProductVectors) {
        while (v % kProductVectors != 0) column.template operator()<1>();
    }
    while (v > 0) column.template operator()<kProductVectors>();
}

void dense_weight_gradient(const DenseWeightGradientArgs& p) {
    for_channel_tiles(p.blocks * kVectorsPerBlock, [&]<int V>(ptrdiff_t vector) {
        for_even_tiles(p.input_end - p.input_begin, kPixels<V>, [&](ptrdiff_t input, int height) {
            with_constant<kPixels<V>>(
                height, [&]<int H>() { gradient_tile<H, V>(p, p.input_begin + input, vector); });
        });
    });
}

void transpose_panels(ptrdiff_t inputs, ptrdiff_t output_blocks, const float* panels,
                      ptrdiff_t panel_stride, ptrdiff_t input_blocks, float* transposed,
                      ptrdiff_t transposed_stride) {
    for (ptrdiff_t i = 0; i < input_blocks; ++i) {
        const int rows = static_cast<int>(min_size(kBlock, inputs - i * kBlock));
        for (ptrdiff_t o = 0; o < output_blocks; ++o)
            transpose_16(panels + o * panel_stride + i * kBlock * kBlock, kBlock, rows,
                         transposed + i * transposed_stride + o * kBlock * kBlock, kBlock);
    }
}

}  // namespace nncore::kernels::NNCORE_TARGET
