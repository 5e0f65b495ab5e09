// The table of kernels: pure functions over pointers and sizes, one table per instruction set.
//
// Shape letters, used in every file of this room:
//   M, N, K  rows of the result, columns of the result, length of the reduction (GEMM)
//   rows     samples of a batch          columns  features or classes
//   x_row    distance in floats between two rows of x (its stride); likewise y_row, ...
//
// Kernels validate nothing and allocate nothing; callers do. No kernel throws.
#pragma once

#include <cstddef>
#include <cstdint>

namespace nncore::kernels {

enum class Activation : int32_t { linear, relu, sigmoid, tanh };

// C = alpha * A B           (accumulate false)
// C = C + alpha * A B       (accumulate true)
// Element (i, j) is one chain: acc = accumulate ? C[i, j] : 0; then for k = 0..K-1 in order
// acc = fma(alpha * A[i, k], B[k, j], acc). Nothing in the blocking changes that chain.
struct GemmArgs {
    ptrdiff_t M, N, K;
    float alpha;
    const float* a;
    ptrdiff_t a_row, a_column;  // strides: A[i, k] = a[i * a_row + k * a_column]
    const float* b;
    ptrdiff_t b_row, b_column;
    bool accumulate;
    float* c;
    ptrdiff_t c_row;  // the columns of C are contiguous
};

// The result of one dense layer, or the gradient of its input: y = epilogue(a W).
// W is stored in panels of 16 columns: panel p holds W[k, 16p .. 16p+15] at
// panels + p * panel_stride + k * 16. Missing columns of the last panel are zeros.
struct DenseProductArgs {
    ptrdiff_t rows, K, blocks;  // blocks: panels to compute, 16 columns each
    const float* a;
    ptrdiff_t a_row;
    const float* panels;
    ptrdiff_t panel_stride;
    const float* bias;            // 16 * blocks floats, or nullptr; each chain starts with it
    Activation activation;        // applied to the result (forward) ...
    const float* input_activity;  // ... or, if not nullptr, y *= activation'(input_activity)
    ptrdiff_t input_activity_row;
    float* y;
    ptrdiff_t y_row;
};

// The gradient of a dense layer's weights, G[i, o] = sum over n of x[n, i] * d[n, o], for the
// inputs [input_begin, input_end) and all `blocks` blocks of 16 outputs; in panels like W.
// With `weights` the update is fused: W = fma(-learning_rate, G, W) and G is not stored.
struct DenseWeightGradientArgs {
    ptrdiff_t rows, input_begin, input_end, blocks;
    const float* x;
    ptrdiff_t x_row;
    const float* d;
    ptrdiff_t d_row;
    ptrdiff_t panel_stride;
    float* gradient;  // or nullptr
    float* weights;   // or nullptr
    float learning_rate;
};

// The random numbers of one sample in one dropout layer: Philox 4x32-10 with the key `seed` and
// the counters (block, sample, stream, purpose), where block counts from 0. Element e of the
// sample uses 16 bits: with g = e / 128 and r = e % 128, the half r / 16 of the eight in block
// 16 g + r % 16 (the low half of a word first).
struct DropoutKey {
    uint32_t seed_low, seed_high, sample, stream, purpose;
};
constexpr ptrdiff_t kDropoutGroup = 128;

struct Kernels {
    const char* isa;

    // scratch: gemm_scratch_floats floats, 64-byte aligned.
    ptrdiff_t gemm_scratch_floats;
    void (*gemm)(const GemmArgs&, float* scratch);

    // y[r, c] = x[r, c] + bias[c]
    void (*add_bias)(ptrdiff_t rows, ptrdiff_t columns, const float* x, ptrdiff_t x_row,
                     const float* bias, float* y, ptrdiff_t y_row);
    // bias_gradient[c] = sum over r of dy[r, c], one chain per column
    void (*bias_gradient)(ptrdiff_t rows, ptrdiff_t columns, const float* dy, ptrdiff_t dy_row,
                          float* gradient);
    // y[i] = activation(x[i]); y may be x
    void (*activation)(Activation, ptrdiff_t count, const float* x, float* y);
    // dx[i] = dy[i] * activation'(.), from the activation's *output* y; dx may be dy
    void (*activation_gradient)(Activation, ptrdiff_t count, const float* y, const float* dy,
                                float* dx);

    // The row-wise kernels work on 16 rows at a time and need 3 * 16 * columns floats of scratch,
    // 64-byte aligned.
    void (*softmax)(ptrdiff_t rows, ptrdiff_t columns, const float* x, ptrdiff_t x_row, float* y,
                    ptrdiff_t y_row, float* scratch);
    // dx = y * (dy - sum over c of y * dy)
    void (*softmax_gradient)(ptrdiff_t rows, ptrdiff_t columns, const float* y, ptrdiff_t y_row,
                             const float* dy, ptrdiff_t dy_row, float* dx, ptrdiff_t dx_row,
                             float* scratch);
    // losses[r] = sum over c of (output - target)^2; gradient = 2 * scale * (output - target).
    // losses, gradient and predicted (index of the largest output, the first of equals) may each
    // be nullptr.
    void (*squared_error)(ptrdiff_t rows, ptrdiff_t columns, float scale, const float* output,
                          ptrdiff_t output_row, const float* target, ptrdiff_t target_row,
                          float* losses, float* gradient, ptrdiff_t gradient_row,
                          int32_t* predicted, float* scratch);
    // losses[r] = -sum over c of target * log softmax(logits);
    // gradient = scale * (softmax * sum of targets - target)
    void (*softmax_cross_entropy)(ptrdiff_t rows, ptrdiff_t columns, float scale,
                                  const float* logits, ptrdiff_t logits_row, const float* target,
                                  ptrdiff_t target_row, float* losses, float* gradient,
                                  ptrdiff_t gradient_row, int32_t* predicted, float* scratch);

    // w[i] = fma(-learning_rate, g[i], w[i])
    void (*sgd_update)(ptrdiff_t count, float learning_rate, const float* gradient, float* weights);

    // y[i] = x[i] / 255, correctly rounded; with scale != nullptr y = fma(y, scale[c], offset[c])
    // where c = i % channels.
    void (*bytes_to_floats)(ptrdiff_t count, const uint8_t* x, ptrdiff_t channels,
                            const float* scale, const float* offset, float* y);

    // mask = bits < threshold ? 0 : scale; y = x * mask. threshold is out of 65536.
    void (*dropout)(ptrdiff_t count, const DropoutKey& key, uint32_t threshold, float scale,
                    const float* x, float* mask, float* y);
    // y[i] = x[i] * factors[i]; y may be x
    void (*multiply)(ptrdiff_t count, const float* x, const float* factors, float* y);

    void (*dense_product)(const DenseProductArgs&);
    void (*dense_weight_gradient)(const DenseWeightGradientArgs&);
    // panels of W (K = inputs) to panels of its transpose (K = outputs), for the blocks
    // [input_block_begin, input_block_end) of 16 inputs.
    void (*transpose_panels)(ptrdiff_t inputs, ptrdiff_t output_blocks, const float* panels,
                             ptrdiff_t panel_stride, ptrdiff_t input_block_begin,
                             ptrdiff_t input_block_end, float* transposed,
                             ptrdiff_t transposed_stride);
};

}  // namespace nncore::kernels
