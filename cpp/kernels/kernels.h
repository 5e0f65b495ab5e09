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

#include "block.h"

namespace nncore::kernels {

// The activations whose derivative can be told from their output, so that other kernels can take
// them in. leaky_relu: x where x > 0, else kLeakySlope * x; relu6: min(max(x, 0), 6);
// hard_sigmoid: min(max(x / 6 + 1 / 2, 0), 1), the product and the sum in one rounding.
enum class Activation : int32_t { linear, relu, relu6, leaky_relu, hard_sigmoid, sigmoid, tanh };
constexpr float kLeakySlope = 0.2f;
constexpr float kSixth = 1.0f / 6.0f, kThird = 1.0f / 3.0f;

// Activations x * gate(x), which are not monotonic: their derivative needs their input.
//   gelu  x * Phi(x), the standard normal distribution function (Hendrycks and Gimpel, 2016)
//   silu  x * sigmoid(x), also called swish
//   hard_swish  x * hard_sigmoid(x) (Howard et al., "Searching for MobileNetV3", 2019)
enum class SelfGated : int32_t { gelu, silu, hard_swish };

// C = alpha * A B           (accumulate false)
// C = C + alpha * A B       (accumulate true)
// Element (i, j) is one chain: acc = accumulate ? C[i, j] : 0; then for k = 0..K-1 in order
// acc = fma(alpha * A[i, k], B[k, j], acc). Nothing in the blocking changes that chain.
// One column (N = 1, K <= kLongestColumn) has no lanes to fill, and is 16 chains instead: chain l
// takes k = l, l + 16, ... from 0 on; chain l then adds chain l + 8, l + 4, l + 2 and l + 1, and
// the sum, or C[i] plus the sum, is the element.
constexpr ptrdiff_t kLongestColumn = 65536;
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
    ptrdiff_t blocks, channels;  // output channels, in blocks of 16 and as stored in y
    // Of each input, in the order of the chain, blocks of 16 outputs: from input to input, and from
    // block to block. Either rows of blocks side by side (weights_block = 16), of all channels,
    // where these are some; or panels, each of which has one block of all inputs.
    const float* weights;
    ptrdiff_t weights_row, weights_block;
    const float* bias;            // 16 * blocks floats, or nullptr; each chain starts with it
    Activation activation;        // applied to the result (forward) ...
    const float* input_activity;  // ... or, if not nullptr, y *= activation'(input_activity)
    ptrdiff_t activity_row, activity_pixel;
    float* y;
    ptrdiff_t y_row, y_pixel;
};

// A convolution of 3x3 weights, stride 1, by Winograd's minimal filtering F(2x2, 3x3) (Lavin and
// Gray, "Fast algorithms for convolutional neural networks", CVPR 2016): tiles of 2x2 output pixels
// from 4x4 input pixels d, by 16 products where the direct way takes 36.
//   U = G g G'    per input and output channel, of the 3x3 weights g
//   V = B' d B    per tile and input channel
//   M[i] = sum over the inputs of V[i] U[i], one chain, for each of the 16 places i
//   y = A' M A    2x2 pixels, per tile and output channel
// Each line (a, b, c) of G g, and then each column of that, becomes
//   a,  ((a + c) + b) / 2,  ((a + c) - b) / 2,  c
// each (a, b, c, d) of B' d:  a - c,  b + c,  c - b,  b - d
// and each of A' M:           a + (b + c),  (b - c) - d
// where columns go first, then lines. The chain of M at place (1, 1), which is in all four pixels,
// starts with the bias.
constexpr ptrdiff_t kWinogradPlaces = 16;

// U, in panels: [block of 16 outputs][place][input][16], for `blocks` blocks.
struct WinogradWeightsArgs {
    ptrdiff_t inputs, blocks;
    const float* weights;  // [tap][row][column]
    ptrdiff_t weights_tap, weights_row;
    // Either the rows are the inputs and the columns, whole blocks of them, the outputs; or, turned
    // by 180 degrees for an input gradient, the rows are the outputs, of which there are so many,
    // and the columns the inputs.
    bool turned;
    ptrdiff_t rows;
    float* transformed;
};

// The tiles [first, last) of several images of the same size, numbered line by line and image by
// image, and the pixels from which they come. Where an image has an odd number of output lines or
// columns its last tiles are cut.
struct WinogradTiles {
    ptrdiff_t rows, columns;  // output pixels of an image
    ptrdiff_t first, last;
    ptrdiff_t inputs;  // channels
    const float* x;
    ptrdiff_t x_image, x_row, x_pixel;
    ptrdiff_t x_rows, x_columns;  // input pixels of an image; zeros are beyond
    ptrdiff_t top, left;          // by how much the first window reaches beyond them
};
constexpr ptrdiff_t winograd_tiles(ptrdiff_t rows, ptrdiff_t columns) {
    return ((rows + 1) / 2) * ((columns + 1) / 2);
}

struct WinogradArgs {
    WinogradTiles tiles;
    ptrdiff_t blocks, channels;   // output channels, in blocks of 16 and as stored in y
    const float* weights;         // as of winograd_weights
    const float* bias;            // 16 * blocks floats, or nullptr
    Activation activation;        // applied to the result (forward) ...
    const float* input_activity;  // ... or, if not nullptr, y *= activation'(input_activity)
    ptrdiff_t activity_image, activity_row, activity_pixel;
    float* y;
    ptrdiff_t y_image, y_row, y_pixel;
    float* scratch;  // winograd_scratch(inputs, blocks) floats, 64-byte aligned
};

// The weight gradient of the same, by F(3x3, 2x2): with V as above and
//   D = A d A'    per tile and output channel, of the output gradient d of its 2x2 pixels
//   M[i] = sum over the tiles of V[i] D[i], one chain that starts from 0, for each place i
//   gradient = G' M G
// Each line (a, b) of A d, and then each column of that, becomes  a,  a + b,  a - b,  -b
// and each (a, b, c, d) of G' M:  a + (b + c) / 2,  (b - c) / 2,  (b + c) / 2 + d
struct WinogradWeightGradientArgs {
    WinogradTiles tiles;
    ptrdiff_t blocks, channels;  // of d, in blocks of 16 and as stored
    const float* d;
    ptrdiff_t d_image, d_row, d_pixel;
    float* gradient;  // [tap][input][16 * blocks]
    float* scratch;   // winograd_gradient_scratch(last - first, inputs, blocks) floats, aligned
};

// So many tiles go through together: enough of them for one reading of weights that are too many
// for the second cache, few enough that what they become stays there.
__attribute__((always_inline)) constexpr ptrdiff_t winograd_strip(ptrdiff_t inputs,
                                                                  ptrdiff_t blocks) {
    const ptrdiff_t outputs = blocks * kBlock;
    if (inputs * outputs >= ptrdiff_t{1} << 16) return 96;
    const ptrdiff_t fitting = (ptrdiff_t{1} << 16) / (kWinogradPlaces * (inputs + outputs));
    return fitting < 24 ? 24 : fitting > 96 ? 96 : fitting;
}
// What becomes of a strip, place by place, a block between two places: else they would all be in
// the same lines of the first cache.
__attribute__((always_inline)) constexpr ptrdiff_t winograd_places(ptrdiff_t tiles,
                                                                   ptrdiff_t channels) {
    return tiles * padded(channels) + kBlock;
}
__attribute__((always_inline)) constexpr ptrdiff_t winograd_scratch(ptrdiff_t inputs,
                                                                    ptrdiff_t blocks) {
    const ptrdiff_t strip = winograd_strip(inputs, blocks);
    return kWinogradPlaces *
           (winograd_places(strip, inputs) + winograd_places(strip, blocks * kBlock));
}
// For a weight gradient so many tiles go through together, and in groups of so many inputs and
// outputs, whose sums stay in the second cache.
constexpr ptrdiff_t kWinogradGradientStrip = 64;
constexpr ptrdiff_t kWinogradGradientInputs = 48, kWinogradGradientOutputs = 64;
__attribute__((always_inline)) constexpr ptrdiff_t winograd_gradient_scratch(ptrdiff_t tiles,
                                                                             ptrdiff_t inputs,
                                                                             ptrdiff_t blocks) {
    const ptrdiff_t outputs = blocks * kBlock, strip = kWinogradGradientStrip;
    const ptrdiff_t in_groups = (inputs + kWinogradGradientInputs - 1) / kWinogradGradientInputs;
    const ptrdiff_t out_groups =
        (outputs + kWinogradGradientOutputs - 1) / kWinogradGradientOutputs;
    const ptrdiff_t in_group =
        padded(inputs < kWinogradGradientInputs ? inputs : kWinogradGradientInputs);
    const ptrdiff_t out_group =
        outputs < kWinogradGradientOutputs ? outputs : kWinogradGradientOutputs;
    return kWinogradPlaces *
           (in_groups * winograd_places(strip, in_group) +
            out_groups * winograd_places(strip, out_group) +
            (tiles > strip ? in_groups * out_groups : 1) * winograd_places(in_group, out_group));
}

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
constexpr ptrdiff_t kPooledInputGradientWindows = 32;  // listed at once
constexpr ptrdiff_t pooled_input_gradient_scratch(ptrdiff_t channels) {
    // Two lists, with room for one vector beyond the last entry, and where their parts begin.
    return 2 * (kPooledInputGradientWindows * channels + 16) + 4 * kPooledInputGradientWindows + 16;
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

// A pooling window over one image, channels contiguous. Windows may reach beyond the image, but
// each holds a pixel of it; what lies beyond is left out.
struct PoolArgs {
    ptrdiff_t window_rows, window_columns;
    ptrdiff_t rows, columns, channels;  // of the output
    ptrdiff_t x_row, x_pixel;           // between neighbouring input pixels
    ptrdiff_t step_rows, step_columns;  // strides of the window, in input pixels
    ptrdiff_t y_row, y_pixel;
    ptrdiff_t x_rows, x_columns;  // of the image
    ptrdiff_t top = 0, left = 0;  // by how much the first window reaches beyond it
    bool counts_beyond = false;   // an average counts what lies beyond as zeros
};

// Normalization of each channel over the pixels of one sample: y = (x - mean) * scale + shift.
struct NormalizeArgs {
    ptrdiff_t pixels, channels;
    const float *mean, *scale, *shift;  // per channel
};
constexpr ptrdiff_t kNormalizeChains = 4;
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

// slope(x), of the losses of a softmax, is 0 for |x| < 2^-60, else x. A class that is out of the
// question has a gradient that no weight of 24 bits feels, and its products with other small
// numbers, layer by layer, end among the subnormal ones.
constexpr float kSmallestSlope = 0x1p-60f;

// A stream of random numbers: Philox 4x32-10 (../runtime/philox.h) with the key `seed` and the
// counters (block, sample, stream, purpose), where block counts from 0.
struct RandomKey {
    uint32_t seed_low, seed_high, sample, stream, purpose;
};
// One sample in one dropout layer has a stream. Its element e uses 16 bits: with g = e / 128 and
// r = e % 128, the half r / 16 of the eight in block 16 g + r % 16 (the low half of a word first).
constexpr ptrdiff_t kDropoutGroup = 128;

// The kernels of one instruction set; the functions are described in table.inc.
struct Kernels {
    const char* isa;
    ptrdiff_t gemm_scratch_floats;
#define NNCORE_KERNEL(result, name, arguments) result(*name) arguments;
#include "table.inc"
};

}  // namespace nncore::kernels
