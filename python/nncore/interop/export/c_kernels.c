/* The functions that exported networks are made of. A network's file gets those that it calls, each
   from its comment to the empty line behind it. Images are (height, width, channels), channels
   last; the innermost loops run over channels, for the compiler to vectorise. */

/* y = x * factors + offsets, of bytes. */
static void from_bytes(const uint8_t *restrict x, const float *restrict factors,
                       const float *restrict offsets, float *restrict y, int32_t pixels,
                       int32_t channels)
{
    for (int32_t p = 0; p < pixels; ++p, x += channels, y += channels)
        for (int32_t c = 0; c < channels; ++c)
            y[c] = (float)x[c] * factors[c] + offsets[c];
}

/* One pixel of a convolution, whose window begins at a row and column that may lie beside x; kernel
   is (rows, columns, channels / groups, filters). */
static void convolution_pixel(const float *restrict x, const float *restrict kernel,
                              const float *restrict bias, float *restrict y, int32_t height,
                              int32_t width, int32_t channels, int32_t filters, int32_t rows,
                              int32_t columns, int32_t dilation_down, int32_t dilation_across,
                              int32_t groups, int32_t first_row, int32_t first_column)
{
    const int32_t inputs = channels / groups, outputs = filters / groups;
    for (int32_t o = 0; o < filters; ++o)
        y[o] = bias ? bias[o] : 0.0f;
    for (int32_t k = 0; k < rows; ++k) {
        const int32_t row = first_row + k * dilation_down;
        if (row < 0 || row >= height)
            continue;
        for (int32_t l = 0; l < columns; ++l) {
            const int32_t column = first_column + l * dilation_across;
            if (column < 0 || column >= width)
                continue;
            const float *pixel = x + (row * width + column) * channels;
            const float *weights = kernel + (k * columns + l) * inputs * filters;
            for (int32_t n = 0; n < inputs; ++n, weights += filters)
                for (int32_t g = 0; g < groups; ++g) {
                    const float value = pixel[g * inputs + n];
                    for (int32_t o = g * outputs; o < (g + 1) * outputs; ++o)
                        y[o] += value * weights[o];
                }
        }
    }
}

/* A convolution. */
static void convolution(const float *x, const float *kernel, const float *bias, float *y,
                        int32_t height, int32_t width, int32_t channels, int32_t out_height,
                        int32_t out_width, int32_t filters, int32_t rows, int32_t columns,
                        int32_t stride_down, int32_t stride_across, int32_t dilation_down,
                        int32_t dilation_across, int32_t top, int32_t left, int32_t groups)
{
    for (int32_t i = 0; i < out_height; ++i)
        for (int32_t j = 0; j < out_width; ++j, y += filters)
            convolution_pixel(x, kernel, bias, y, height, width, channels, filters, rows, columns,
                              dilation_down, dilation_across, groups, i * stride_down - top,
                              j * stride_across - left);
}

/* The largest value of each window of a convolution, of which `line` holds one pixel. */
static void pooled_convolution(const float *x, const float *kernel, const float *bias, float *line,
                               float *y, int32_t height, int32_t width, int32_t channels,
                               int32_t out_height, int32_t out_width, int32_t filters, int32_t rows,
                               int32_t columns, int32_t stride_down, int32_t stride_across,
                               int32_t dilation_down, int32_t dilation_across, int32_t top,
                               int32_t left, int32_t groups, int32_t pool_rows,
                               int32_t pool_columns, int32_t pool_down, int32_t pool_across)
{
    for (int32_t i = 0; i < out_height; ++i)
        for (int32_t j = 0; j < out_width; ++j, y += filters)
            for (int32_t k = 0; k < pool_rows; ++k)
                for (int32_t l = 0; l < pool_columns; ++l) {
                    const int32_t row = (i * pool_down + k) * stride_down - top;
                    const int32_t column = (j * pool_across + l) * stride_across - left;
                    float *to = k == 0 && l == 0 ? y : line;
                    convolution_pixel(x, kernel, bias, to, height, width, channels, filters, rows,
                                      columns, dilation_down, dilation_across, groups, row, column);
                    for (int32_t o = 0; o < filters; ++o)
                        y[o] = to[o] > y[o] ? to[o] : y[o];
                }
}

/* A convolution of each channel by itself: kernel is (rows, columns, channels). */
static void depthwise_convolution(const float *restrict x, const float *restrict kernel,
                                  const float *restrict bias, float *restrict y, int32_t height,
                                  int32_t width, int32_t channels, int32_t out_height,
                                  int32_t out_width, int32_t rows, int32_t columns,
                                  int32_t stride_down, int32_t stride_across,
                                  int32_t dilation_down, int32_t dilation_across, int32_t top,
                                  int32_t left)
{
    for (int32_t i = 0; i < out_height; ++i)
        for (int32_t j = 0; j < out_width; ++j, y += channels) {
            for (int32_t c = 0; c < channels; ++c)
                y[c] = bias ? bias[c] : 0.0f;
            for (int32_t k = 0; k < rows; ++k) {
                const int32_t row = i * stride_down + k * dilation_down - top;
                if (row < 0 || row >= height)
                    continue;
                for (int32_t l = 0; l < columns; ++l) {
                    const int32_t column = j * stride_across + l * dilation_across - left;
                    if (column < 0 || column >= width)
                        continue;
                    const float *pixel = x + (row * width + column) * channels;
                    const float *weights = kernel + (k * columns + l) * channels;
                    for (int32_t c = 0; c < channels; ++c)
                        y[c] += pixel[c] * weights[c];
                }
            }
        }
}

/* y = x @ kernel + bias: kernel is (inputs, outputs). */
static void product(const float *restrict x, const float *restrict kernel,
                    const float *restrict bias, float *restrict y, int32_t inputs,
                    int32_t outputs)
{
    for (int32_t o = 0; o < outputs; ++o)
        y[o] = bias ? bias[o] : 0.0f;
    for (int32_t n = 0; n < inputs; ++n, kernel += outputs)
        for (int32_t o = 0; o < outputs; ++o)
            y[o] += x[n] * kernel[o];
}

/* The largest value of each window. Without padding y may lie where x does. */
static void max_pool(const float *x, float *y, int32_t height, int32_t width, int32_t channels,
                     int32_t out_height, int32_t out_width, int32_t rows, int32_t columns,
                     int32_t stride_down, int32_t stride_across, int32_t top, int32_t left)
{
    for (int32_t i = 0; i < out_height; ++i)
        for (int32_t j = 0; j < out_width; ++j, y += channels) {
            int first = 1;
            for (int32_t k = 0; k < rows; ++k)
                for (int32_t l = 0; l < columns; ++l) {
                    const int32_t row = i * stride_down + k - top;
                    const int32_t column = j * stride_across + l - left;
                    if (row < 0 || row >= height || column < 0 || column >= width)
                        continue;
                    const float *pixel = x + (row * width + column) * channels;
                    for (int32_t c = 0; c < channels; ++c)
                        y[c] = first || pixel[c] > y[c] ? pixel[c] : y[c];
                    first = 0;
                }
        }
}

/* The mean of each window; `whole` counts the padding, too. Without padding y may lie where x does. */
static void average_pool(const float *x, float *y, int32_t height, int32_t width, int32_t channels,
                         int32_t out_height, int32_t out_width, int32_t rows, int32_t columns,
                         int32_t stride_down, int32_t stride_across, int32_t top, int32_t left,
                         int whole)
{
    for (int32_t i = 0; i < out_height; ++i)
        for (int32_t j = 0; j < out_width; ++j, y += channels) {
            int32_t count = 0;
            for (int32_t k = 0; k < rows; ++k)
                for (int32_t l = 0; l < columns; ++l) {
                    const int32_t row = i * stride_down + k - top;
                    const int32_t column = j * stride_across + l - left;
                    if (row < 0 || row >= height || column < 0 || column >= width)
                        continue;
                    const float *pixel = x + (row * width + column) * channels;
                    for (int32_t c = 0; c < channels; ++c)
                        y[c] = count ? y[c] + pixel[c] : pixel[c];
                    ++count;
                }
            const float share = 1.0f / (float)(whole ? rows * columns : count);
            for (int32_t c = 0; c < channels; ++c)
                y[c] *= share;
        }
}

/* The mean of each channel. */
static void global_average(const float *restrict x, float *restrict y, int32_t pixels,
                           int32_t channels)
{
    for (int32_t c = 0; c < channels; ++c)
        y[c] = 0.0f;
    for (int32_t p = 0; p < pixels; ++p, x += channels)
        for (int32_t c = 0; c < channels; ++c)
            y[c] += x[c];
    for (int32_t c = 0; c < channels; ++c)
        y[c] *= 1.0f / (float)pixels;
}

/* x = x * factors + offsets. */
static void scale(float *restrict x, const float *restrict factors, const float *restrict offsets,
                  int32_t pixels, int32_t channels)
{
    for (int32_t p = 0; p < pixels; ++p, x += channels)
        for (int32_t c = 0; c < channels; ++c)
            x[c] = x[c] * factors[c] + offsets[c];
}

/* Mean 0 and variance 1 over the channels of each pixel, then times gamma, plus beta. */
static void normalize_channels(float *restrict x, const float *restrict gamma,
                               const float *restrict beta, float epsilon, int32_t pixels,
                               int32_t channels)
{
    for (int32_t p = 0; p < pixels; ++p, x += channels) {
        float mean = 0.0f, variance = 0.0f;
        for (int32_t c = 0; c < channels; ++c)
            mean += x[c];
        mean /= (float)channels;
        for (int32_t c = 0; c < channels; ++c)
            variance += (x[c] - mean) * (x[c] - mean);
        const float factor = 1.0f / sqrtf(variance / (float)channels + epsilon);
        for (int32_t c = 0; c < channels; ++c)
            x[c] = (x[c] - mean) * factor * gamma[c] + beta[c];
    }
}

/* max(x, 0) */
static void relu(float *x, int32_t size)
{
    for (int32_t n = 0; n < size; ++n)
        x[n] = x[n] > 0.0f ? x[n] : 0.0f;
}

/* min(max(x, 0), 6) */
static void relu6(float *x, int32_t size)
{
    for (int32_t n = 0; n < size; ++n) {
        const float positive = x[n] > 0.0f ? x[n] : 0.0f;
        x[n] = positive < 6.0f ? positive : 6.0f;
    }
}

/* x where x > 0, else 0.2 * x */
static void leaky_relu(float *x, int32_t size)
{
    for (int32_t n = 0; n < size; ++n)
        x[n] *= x[n] > 0.0f ? 1.0f : 0.2f;
}

/* x * (1 + erf(x / sqrt(2))) / 2 */
static void gelu(float *x, int32_t size)
{
    for (int32_t n = 0; n < size; ++n)
        x[n] *= 0.5f + 0.5f * erff(x[n] * 0.707106781f);
}

/* x / (1 + exp(-x)) */
static void silu(float *x, int32_t size)
{
    for (int32_t n = 0; n < size; ++n)
        x[n] /= 1.0f + expf(-x[n]);
}

/* x * min(max(x / 6 + 1/2, 0), 1) */
static void hard_swish(float *x, int32_t size)
{
    for (int32_t n = 0; n < size; ++n) {
        const float raised = x[n] / 6.0f + 0.5f;
        const float positive = raised > 0.0f ? raised : 0.0f;
        x[n] *= positive < 1.0f ? positive : 1.0f;
    }
}

/* min(max(x / 6 + 1/2, 0), 1) */
static void hard_sigmoid(float *x, int32_t size)
{
    for (int32_t n = 0; n < size; ++n) {
        const float raised = x[n] / 6.0f + 0.5f;
        const float positive = raised > 0.0f ? raised : 0.0f;
        x[n] = positive < 1.0f ? positive : 1.0f;
    }
}

/* 1 / (1 + exp(-x)) */
static void sigmoid(float *x, int32_t size)
{
    for (int32_t n = 0; n < size; ++n)
        x[n] = 1.0f / (1.0f + expf(-x[n]));
}

/* (exp(x) - exp(-x)) / (exp(x) + exp(-x)) */
static void hyperbolic_tangent(float *x, int32_t size)
{
    for (int32_t n = 0; n < size; ++n)
        x[n] = tanhf(x[n]);
}

/* exp(x) / (sum of exp(x) over the classes) */
static void softmax(float *x, int32_t size)
{
    float largest = x[0], sum = 0.0f;
    for (int32_t n = 1; n < size; ++n)
        largest = x[n] > largest ? x[n] : largest;
    for (int32_t n = 0; n < size; ++n) {
        x[n] = expf(x[n] - largest);
        sum += x[n];
    }
    for (int32_t n = 0; n < size; ++n)
        x[n] /= sum;
}

/* log(x), where nothing counts as less than the smallest normal number. */
static void logarithm(float *x, int32_t size)
{
    for (int32_t n = 0; n < size; ++n)
        x[n] = logf(x[n] > FLT_MIN ? x[n] : FLT_MIN);
}

/* The nearest probabilities: all are lowered alike and cut at 0, so that their sum is 1. Those that
   are cut are found in rounds, each of which takes some away (Michelot, 1986). */
static void nearest_distribution(float *x, int32_t size)
{
    float largest = x[0], threshold = -FLT_MAX;
    int32_t kept = 0, before = size + 1;
    for (int32_t n = 1; n < size; ++n)
        largest = x[n] > largest ? x[n] : largest;
    for (int32_t n = 0; n < size; ++n)
        x[n] -= largest;
    while (kept != before) {
        float sum = 0.0f;
        before = kept;
        kept = 0;
        for (int32_t n = 0; n < size; ++n)
            if (x[n] > threshold) {
                sum += x[n];
                ++kept;
            }
        threshold = (sum - 1.0f) / (float)kept;
    }
    for (int32_t n = 0; n < size; ++n)
        x[n] = x[n] > threshold ? x[n] - threshold : 0.0f;
}

/* y = x. */
static void copy(const float *restrict x, float *restrict y, int32_t size)
{
    for (int32_t n = 0; n < size; ++n)
        y[n] = x[n];
}

/* y += x. */
static void add(const float *x, float *y, int32_t size)
{
    for (int32_t n = 0; n < size; ++n)
        y[n] += x[n];
}

/* y *= x, whose sizes are those of y or 1, which stands for as many equal values. */
static void multiply(const float *x, float *y, int32_t height, int32_t width, int32_t channels,
                     int32_t x_height, int32_t x_width, int32_t x_channels)
{
    for (int32_t i = 0; i < height; ++i)
        for (int32_t j = 0; j < width; ++j, y += channels) {
            const int32_t row = x_height > 1 ? i : 0, column = x_width > 1 ? j : 0;
            const float *pixel = x + (row * x_width + column) * x_channels;
            if (x_channels > 1)
                for (int32_t c = 0; c < channels; ++c)
                    y[c] *= pixel[c];
            else
                for (int32_t c = 0; c < channels; ++c)
                    y[c] *= pixel[0];
        }
}

/* y = 1. */
static void ones(float *y, int32_t size)
{
    for (int32_t n = 0; n < size; ++n)
        y[n] = 1.0f;
}

/* Channels of x into y, which has more of them, from channel `at` on. */
static void put_channels(const float *restrict x, float *restrict y, int32_t pixels,
                         int32_t channels, int32_t all_channels, int32_t at)
{
    for (int32_t p = 0; p < pixels; ++p, x += channels, y += all_channels)
        for (int32_t c = 0; c < channels; ++c)
            y[at + c] = x[c];
}
