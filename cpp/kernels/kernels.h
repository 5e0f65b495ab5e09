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

// The activations whose derivative can be told from their output, so that other kernels can take
// them in. leaky_relu: x where x > 0, else kLeakySlope * x.
enum class Activation : int32_t { linear, relu, leaky_relu, sigmoid, tanh };
constexpr float kLeakySlope = 0.2f;

// Activations x * gate(x), which are not monotonic: their derivative needs their input.
//   gelu  x * Phi(x), the standard normal distribution function (Hendrycks and Gimpel, 2016)
//   silu  x * sigmoid(x), also called swish
enum class SelfGated : int32_t { gelu, silu };

// C = alpha * A B           (accumulate false)
// C = C + alpha * A B       (accumulate true)
// Element (i, j) is one chain: acc = accumulate ? C[i, j] : 0; then for k = 0..K-1 in order
// acc = fma(alpha * A[i, k], B[k, j], acc). Nothing in the blocking changes that chain.
// One column (N = 1, K <= longest_column) has no lanes to fill, and is 16 chains instead: chain l
// takes k = l, l + 16, ... from 0 on; chain l then adds chain l + 8, l + 4, l + 2 and l + 1, and
// the sum, or C[i] plus the sum, is the element.
constexpr ptrdiff_t longest_column = 65536;
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

// A convolution of one image, without im2col: images are (height, width, channels) with channels
// contiguous, weights [kernel row][kernel column][input channel][output channel], the output
// channels padded to whole blocks of 16. With C input channels and dilation 1 the kernel_width * C
// inputs of one kernel row are one contiguous run.
// The same kernel computes the input gradient, as a convolution of the (padded) output gradient
// with the turned weights.
struct ConvArgs {
    ptrdiff_t kernel_rows;          // rows of the kernel
    ptrdiff_t kernel_row;           // distance between the input rows of two kernel rows
    ptrdiff_t runs, run, run_step;  // per kernel row: `runs` runs of `run` floats, run_step apart
    ptrdiff_t rows, columns;        // output pixels to compute
    ptrdiff_t x_row, x_pixel;       // distance between the inputs of neighbouring output pixels
    const float* x;
    ptrdiff_t blocks, channels;   // output channels, in blocks of 16 and as stored in y
    const float* weights;         // [kernel_rows][runs * run][16 * blocks]
    const float* bias;            // 16 * blocks floats, or nullptr; each chain starts with it
    Activation activation;        // applied to the result (forward) ...
    const float* input_activity;  // ... or, if not nullptr, y *= activation'(input_activity)
    ptrdiff_t activity_row, activity_pixel;
    float* y;
    ptrdiff_t y_row, y_pixel;
};

// One row of a convolution and 2x2 max pool: two rows of the convolution, linear, which go to
// conv.y or need not, depending on the kernel; then y = activation(max) for each window, compact,
// and winners (or nullptr) as of max_pool_2x2.
struct ConvPoolArgs {
    ConvArgs conv;  // rows = 2, an even number of columns, y_pixel = channels
    Activation activation;
    float* y;
    uint8_t* winners;
};

// gradient[kernel row][runs * run][16 * blocks] += sum over the output pixels of x * d, one chain
// per element in row-major pixel order; starts from 0 if `first`.
struct ConvWeightGradientArgs {
    ptrdiff_t kernel_rows, kernel_row, runs, run, run_step;
    ptrdiff_t rows, columns, x_row, x_pixel;
    const float* x;
    ptrdiff_t blocks;
    const float* d;  // output gradient, 16 * blocks channels (zeros beyond the real ones)
    ptrdiff_t d_row, d_pixel;
    float* gradient;
    bool first;
};

// The weight gradient of a convolution whose output went through a 2x2 max pool: only the winner of
// each window has a gradient. gradient[channel][kernel_rows * run] += d * x, one chain per element
// over the windows in row-major order. Each kernel row takes padded_run floats of the gradient, run
// rounded up to 16; what stands beyond run is of no use, and up to 15 floats are read beyond the
// last run of the image.
struct PooledWeightGradientArgs {
    ptrdiff_t kernel_rows, kernel_row, padded_run;
    ptrdiff_t rows, columns;   // of the pooled output
    ptrdiff_t x_row, x_pixel;  // between the inputs of neighbouring unpooled outputs
    const float* x;
    ptrdiff_t channels;
    const float* d;          // pooled gradient [rows][columns][channels]
    const uint8_t* winners;  // which of the window's four (2 * dy + dx), same shape
    float* gradient;
    bool first;
};

// The input gradient of the same. Each winner adds its gradient times its channel's weights to the
// inputs it saw:
//   image[y + k][x * x_pixel + j] += sum of d[c] * weights[k][c][j]
// over 32 windows at a time in row-major order; for them over the groups of pooled_groups.h; for
// each group over the windows, of each window its four places, and of each place the channels that
// won there with d != 0. That last sum is two chains, of the channels at even and at odd positions
// of their list, added at the end. padded_run floats from the first input on are touched in each
// line.
struct PooledInputGradientArgs {
    ptrdiff_t kernel_rows, padded_run;
    ptrdiff_t rows, columns, channels;  // of the pooled output
    const float* d;
    const uint8_t* winners;
    const float* weights;  // [kernel_rows][channels][padded_run]
    float* image;          // cleared by the caller
    ptrdiff_t line;
    ptrdiff_t x_row, x_pixel;  // between the first inputs of neighbouring unpooled outputs
    float* scratch;            // pooled_input_gradient_scratch(channels) floats
};
constexpr ptrdiff_t pooled_input_gradient_windows = 32;  // listed at once
constexpr ptrdiff_t pooled_input_gradient_scratch(ptrdiff_t channels) {
    // Two lists, with room for one vector beyond the last entry, and where their parts begin.
    return 2 * (pooled_input_gradient_windows * channels + 16) + 4 * pooled_input_gradient_windows +
           16;
}

// The input gradient of a convolution (stride 1) with few input channels, where lanes over channels
// would mostly idle: lanes run over the kernel_width * C inputs of a kernel row instead.
//   lines[y][x * step + j] += sum over kernel rows and channels of x[y + k][x][c] *
//   weights[k][c][j]
// for x = 0, 1, ... in this order; the sum is one chain. lines are cleared first.
struct ConvScatterArgs {
    ptrdiff_t kernel_rows, kernel_row;  // kernel_row: distance between two lines of x
    ptrdiff_t channels;                 // of x
    ptrdiff_t rows, columns;            // lines to write; pixels of x per line
    const float* x;
    ptrdiff_t x_pixel;
    const float* weights;  // [kernel_rows][channels][16 * blocks]
    ptrdiff_t blocks;
    ptrdiff_t step;
    float* lines;
    ptrdiff_t line;  // distance between lines, at least columns * step + 16 * blocks
};

// A convolution of one image in many groups of channels that do not see each other, with lanes over
// the groups; depthwise, where each group has one input and one output, above all. What follows is
// the same for each group g, each of whose inputs and outputs is a plane of `groups` floats:
//   y[output][g] = epilogue(bias[output][g] + sum of x[input][g] * weights[input][output][g])
// over the inputs under the kernel, one chain in the order of ConvArgs. Up to 15 floats beyond the
// last plane of x are read, and nothing beyond `groups` is written to one of y.
struct DepthwiseConvArgs {
    ptrdiff_t kernel_rows;          // rows of the kernel
    ptrdiff_t kernel_row;           // distance between the input rows of two kernel rows
    ptrdiff_t runs, run, run_step;  // per kernel row: `runs` runs of `run` inputs, run_step apart
    ptrdiff_t plane;                // distance between two inputs of a run
    ptrdiff_t rows, columns;        // output pixels to compute
    ptrdiff_t x_row, x_pixel;       // distance between the inputs of neighbouring output pixels
    const float* x;
    ptrdiff_t groups, outputs;    // outputs: of one group
    const float* weights;         // [kernel_rows][runs * run][outputs][groups, padded to 16]
    const float* bias;            // [outputs][groups, padded to 16], or nullptr
    Activation activation;        // applied to the result (forward) ...
    const float* input_activity;  // ... or, if not nullptr, y *= activation'(input_activity);
    ptrdiff_t activity_row, activity_pixel;  // then there is but one output
    float* y;
    ptrdiff_t y_row, y_pixel, y_plane;
};

// gradient[kernel row][runs * run][output][g] += sum over the output pixels of x[input][g] *
// d[output][g], one chain per element in row-major pixel order; starts from 0 if `first`. Up to 15
// floats beyond the last planes of x and d are read; the padding of gradient stays as it is.
struct DepthwiseWeightGradientArgs {
    ptrdiff_t kernel_rows, kernel_row, runs, run, run_step, plane;
    ptrdiff_t rows, columns, x_row, x_pixel;
    const float* x;
    ptrdiff_t groups, outputs;
    const float* d;
    ptrdiff_t d_row, d_pixel, d_plane;
    float* gradient;  // [kernel_rows][runs * run][outputs][groups, padded to 16]
    bool first;
};

// A pooling window over one image, channels contiguous.
struct PoolArgs {
    ptrdiff_t window_rows, window_columns;
    ptrdiff_t rows, columns, channels;  // of the output
    ptrdiff_t x_row, x_pixel;           // between neighbouring input pixels
    ptrdiff_t step_rows, step_columns;  // strides of the window, in input pixels
    ptrdiff_t y_row, y_pixel;
};

// Normalization of each channel over the pixels of one sample: y = (x - mean) * scale + shift.
struct NormalizeArgs {
    ptrdiff_t pixels, channels;
    const float *mean, *scale, *shift;  // per channel
};
// Its gradient, where mean and scale depend on x:
//   dx = of_gradient * dy + of_input * (x - mean) + constant
struct NormalizeGradientArgs {
    ptrdiff_t pixels, channels;
    const float *mean, *of_gradient, *of_input, *constant;
};

// Normalization of each row over its columns: y = n * scale + shift with
// n = (x - mean) / sqrt(variance + epsilon), per column.
struct LayerNormArgs {
    ptrdiff_t rows, columns;
    float epsilon;
    const float* x;
    ptrdiff_t x_row;
};

// How an optimizer turns a gradient into a new weight.
enum class UpdateRule : int32_t { sgd, momentum, nesterov, rmsprop, rmsprop_momentum, adam };

// One step of an optimizer, for `count` weights in one pass. For each of them
//   g = gradient_scale * gradient;  w = fma(-decay, w, w)
// and then, by the rule,
//   sgd       w = fma(-rate, g, w)
//   momentum  v = kept(fma(-rate, g, momentum * v));  w = w + v
//   nesterov  the same v;  w = fma(momentum, v, fma(-rate, g, w))
//   rmsprop   s = kept(fma(square_rate, fma(g, g, -s), s));  d = g / sqrt(s + epsilon);
//             w = fma(-rate, d, w), or with momentum the v and w of "momentum" with d for g
//   adam      m = kept(fma(mean_rate, g - m, m));  the same s;
//             w = fma(-rate, m / (sqrt(s) + epsilon), w)
// and at last, where average is not nullptr, average = fma(average_rate, w - average, average).
// kept(x) is 0 for |x| < 2^-100, else x: the state of a weight without gradient would decay into
// subnormal numbers and stay there, where x86 needs a hundred times as long for an operation.
struct UpdateArgs {
    ptrdiff_t count;
    float rate, decay, gradient_scale;
    float momentum;                // of momentum, nesterov, rmsprop_momentum
    float square_rate, mean_rate;  // 1 - rho or 1 - beta_2; 1 - beta_1
    float epsilon;                 // positive
    float average_rate;
    const float* gradient;
    float* weights;
    float* velocity;     // v; nullptr where the rule has none, as those below
    float* mean;         // m
    float* mean_square;  // s
    float* average;
};
constexpr float kSmallestKept = 0x1p-100f;

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
    // y[i] = x[i] * gate(x[i]); y may be x
    void (*self_gated)(SelfGated, ptrdiff_t count, const float* x, float* y);
    // dx[i] = dy[i] times the derivative at x[i]; dx may be dy
    void (*self_gated_gradient)(SelfGated, ptrdiff_t count, const float* x, const float* dy,
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

    // The focal loss of Lin et al. (2017) with gamma 2 and p = softmax(logits):
    // losses[r] = -sum over c of target * (1 - p)^2 * log p. With
    // a = -target * (1 - p) * (2 p (-log p) + 1 - p), the gradient is scale * (a - p * sum of a).
    void (*softmax_focal)(ptrdiff_t rows, ptrdiff_t columns, float scale, const float* logits,
                          ptrdiff_t logits_row, const float* target, ptrdiff_t target_row,
                          float* losses, float* gradient, ptrdiff_t gradient_row,
                          int32_t* predicted, float* scratch);

    // w[i] = fma(-learning_rate, g[i], w[i])
    void (*sgd_update)(ptrdiff_t count, float learning_rate, const float* gradient, float* weights);

    void (*optimizer_update)(UpdateRule, const UpdateArgs&);
    // 16 chains, chain j = fma(x[i], x[i], chain j) over i = j, j + 16, ...; then added in order.
    float (*sum_of_squares)(ptrdiff_t count, const float* x);
    // The same with chain j = chain j + |x[i]|.
    float (*sum_of_magnitudes)(ptrdiff_t count, const float* x);
    // The gradient of l1 * sum |w| + l2 * sum w^2, added to what is there, for twice_l2 = 2 * l2:
    // g = fma(twice_l2, w[i], g[i]); g[i] = w[i] > 0 ? g + l1 : w[i] < 0 ? g - l1 : g
    void (*penalty_gradient)(ptrdiff_t count, float l1, float twice_l2, const float* weights,
                             float* gradient);

    // y[i] = activation(a[i] + b[i])
    void (*add)(Activation, ptrdiff_t count, const float* a, const float* b, float* y);

    // Per channel, of one sample [pixels][channels]: the mean, and the sum of (x - mean)^2. Sums
    // over pixels have four chains, see isa/normalization.cpp.
    void (*channel_moments)(ptrdiff_t pixels, ptrdiff_t channels, const float* x, float* means,
                            float* squares);
    // The mean and the variance over all samples, from the moments of each, `stride` apart: the
    // variance within samples plus that between their means (Chan, Golub and LeVeque, 1983).
    void (*combine_moments)(ptrdiff_t samples, ptrdiff_t stride, ptrdiff_t pixels,
                            ptrdiff_t channels, const float* means, const float* squares,
                            float* mean, float* variance);
    void (*normalize)(const NormalizeArgs&, Activation, const float* x, float* y);
    // shift_gradient (+)= sum over pixels of dy, scale_gradient (+)= sum of dy * (x - mean); set if
    // `first`.
    void (*normalize_gradient_sums)(const NormalizeArgs&, const float* x, const float* dy,
                                    bool first, float* shift_gradient, float* scale_gradient);
    // input_activation: dx is multiplied by its derivative, x being its output.
    void (*normalize_gradient)(const NormalizeGradientArgs&, Activation input_activation,
                               const float* x, const float* dy, float* dx);
    // scratch as of the row-wise kernels.
    void (*layer_norm)(const LayerNormArgs&, const float* scale, const float* shift, float* y,
                       ptrdiff_t y_row, float* scratch);
    // dx, and per row and column dy * n, whose sums over rows are the gradient of scale.
    void (*layer_norm_gradient)(const LayerNormArgs&, const float* scale, const float* dy,
                                ptrdiff_t dy_row, float* dx, ptrdiff_t dx_row, float* products,
                                ptrdiff_t products_row, float* scratch);

    // y[i] = x[i] / 255, correctly rounded; with scale != nullptr y = fma(y, scale[c], offset[c])
    // where c = i % channels.
    void (*bytes_to_floats)(ptrdiff_t count, const uint8_t* x, ptrdiff_t channels,
                            const float* scale, const float* offset, float* y);

    // mask = bits < threshold ? 0 : scale. threshold is out of 65536.
    void (*dropout_mask)(ptrdiff_t count, const DropoutKey& key, uint32_t threshold, float scale,
                         float* mask);
    // y[i] = x[i] * factors[i]; y may be x
    void (*multiply)(ptrdiff_t count, const float* x, const float* factors, float* y);
    // y[i] = fma(x[i], factors[i], summands[i]); y may be x
    void (*multiply_add)(ptrdiff_t count, const float* x, const float* factors,
                         const float* summands, float* y);

    void (*dense_product)(const DenseProductArgs&);
    void (*dense_weight_gradient)(const DenseWeightGradientArgs&);
    // panels of W (K = inputs) to panels of its transpose (K = outputs), for the
    // first input_blocks blocks of 16 inputs.
    void (*transpose_panels)(ptrdiff_t inputs, ptrdiff_t output_blocks, const float* panels,
                             ptrdiff_t panel_stride, ptrdiff_t input_blocks, float* transposed,
                             ptrdiff_t transposed_stride);

    void (*conv)(const ConvArgs&);
    void (*conv_pool_2x2)(const ConvPoolArgs&);
    void (*conv_weight_gradient)(const ConvWeightGradientArgs&);
    void (*pooled_weight_gradient)(const PooledWeightGradientArgs&);
    void (*pooled_input_gradient)(const PooledInputGradientArgs&);
    void (*conv_scatter)(const ConvScatterArgs&);
    void (*depthwise_conv)(const DepthwiseConvArgs&);
    void (*depthwise_weight_gradient)(const DepthwiseWeightGradientArgs&);
    // The channels of pixels, x[pixel][group][part] without gaps, as planes of one part each:
    // y[pixel * y_pixel + part * y_plane + group]; and back.
    void (*split_groups)(ptrdiff_t pixels, ptrdiff_t groups, ptrdiff_t parts, const float* x,
                         float* y, ptrdiff_t y_pixel, ptrdiff_t y_plane);
    void (*merge_groups)(ptrdiff_t pixels, ptrdiff_t groups, ptrdiff_t parts, const float* y,
                         ptrdiff_t y_pixel, ptrdiff_t y_plane, float* x);
    // target[c * target_row + r] = source[r * source_row + c]
    void (*transpose)(ptrdiff_t rows, ptrdiff_t columns, const float* source, ptrdiff_t source_row,
                      float* target, ptrdiff_t target_row);
    // sum[i] = partials[i] + partials[stride + i] + ... in this order
    void (*sum_partials)(ptrdiff_t count, ptrdiff_t parts, ptrdiff_t stride, const float* partials,
                         float* sum);

    // 2x2 windows, stride 2: y = activation(max), winners = 2 * dy + dx of the first largest.
    // winners may be nullptr.
    void (*max_pool_2x2)(const PoolArgs&, Activation, const float* x, float* y, uint8_t* winners);
    // The inverse: target (unpooled, pixels target_pixel apart) = gradient at the winner, else 0.
    void (*unpool_2x2)(ptrdiff_t rows, ptrdiff_t columns, ptrdiff_t channels, const float* d,
                       const uint8_t* winners, float* target, ptrdiff_t target_row,
                       ptrdiff_t target_pixel);
    // Any window; winners: row-major index in the window of the first largest. nullptr allowed.
    void (*max_pool)(const PoolArgs&, const float* x, float* y, uint16_t* winners);
    // dx (x's layout, zeroed by the caller) += dy (compact) at the winners
    void (*max_pool_gradient)(const PoolArgs&, const float* dy, const uint16_t* winners, float* dx);
    // The mean of each window, and its gradient (dx zeroed by the caller)
    void (*average_pool)(const PoolArgs&, const float* x, float* y);
    void (*average_pool_gradient)(const PoolArgs&, const float* dy, float* dx);
};

}  // namespace nncore::kernels
