// Random calls of convolutions and their gradients.
#include "kernels.h"

namespace boundary {
using namespace nncore::kernels;

namespace {

// The numbers of channels that the kernels know apart, and others.
ptrdiff_t few_channels(Call& call) { return call.maybe() ? call.size(4) : call.size(40); }

// A convolution over an image with a border; what stands between lines is no one's.
struct Walk {
    ptrdiff_t channels, kernel_rows, kernel_columns, stride, dilation, rows, columns;
    ptrdiff_t line;

    Walk(Call& call, ptrdiff_t channels_, ptrdiff_t rows_, ptrdiff_t columns_, bool dilates = true)
        : channels(channels_),
          kernel_rows(call.size(5)),
          kernel_columns(call.size(5)),
          stride(call.random.below(4) == 0 ? call.size(3) : 1),
          dilation(dilates && call.random.below(4) == 0 ? call.size(3) : 1),
          rows(rows_),
          columns(columns_),
          line(width() * channels + call.gap()) {
        if (call.random.below(4) == 0) kernel_rows = kernel_columns = 1;
    }
    ptrdiff_t width() const { return (columns - 1) * stride + (kernel_columns - 1) * dilation + 1; }
    ptrdiff_t height() const { return (rows - 1) * stride + (kernel_rows - 1) * dilation + 1; }
    ptrdiff_t taps() const { return kernel_rows * kernel_columns * channels; }
    ptrdiff_t floats() const { return extent(height(), line, width() * channels); }

    template <class Args>
    void fill(Args& p) const {
        p.kernel_rows = kernel_rows;
        p.kernel_row = dilation * line;
        // One run for a kernel row whose pixels are neighbours.
        p.runs = dilation > 1 ? kernel_columns : 1;
        p.run = dilation > 1 ? channels : kernel_columns * channels;
        p.run_step = dilation * channels;
        p.rows = rows, p.columns = columns;
        p.x_row = stride * line;
        p.x_pixel = stride * channels;
    }
};

}  // namespace

void conv(Call& call) {
    const Walk walk(call, few_channels(call), call.size(4), call.size(30));
    ConvArgs p{};
    walk.fill(p);
    p.channels = call.size(80);
    p.blocks = blocks_of(p.channels);
    // In panels; or rows of all channels of the weights, or of some.
    const bool panels = call.maybe();
    p.weights_row = (panels ? 1 : p.blocks + call.random.below(2)) * kBlock;
    p.weights_block = panels ? walk.taps() * kBlock + call.random.below(2) * kBlock : kBlock;
    p.y_pixel = p.channels + call.gap();
    p.y_row = p.columns * p.y_pixel + call.gap();
    p.activity_pixel = p.channels + call.gap();
    p.activity_row = p.columns * p.activity_pixel + call.gap();
    const Floats x = call.floats(walk.floats()),
                 weights = call.floats(
                     extent(p.blocks, p.weights_block, extent(walk.taps(), p.weights_row, kBlock))),
                 bias = call.floats(p.blocks * kBlock),
                 activity = call.rectified(extent(p.rows, p.activity_row,
                                                  extent(p.columns, p.activity_pixel, p.channels)));
    p.x = x.data(), p.weights = weights.data();
    p.bias = call.maybe() ? bias.data() : nullptr;
    p.activation = call.activation();
    p.input_activity = call.maybe() ? activity.data() : nullptr;
    call.compare(
        [&](const Kernels& table, Floats& y) {
            p.y = y.data();
            table.conv(p);
        },
        call.untouched(extent(p.rows, p.y_row, extent(p.columns, p.y_pixel, p.channels))));
}

void conv_pool_2x2(Call& call) {
    const Walk walk(call, few_channels(call), 2, 2 * call.size(20), false);
    ConvPoolArgs p{};
    walk.fill(p.conv);
    p.conv.channels = p.conv.y_pixel = call.size(60);
    p.conv.blocks = blocks_of(p.conv.channels);
    p.conv.weights_row = p.conv.blocks * kBlock;
    p.conv.weights_block = kBlock;
    p.conv.y_row = p.conv.columns * p.conv.channels;
    p.activation = call.activation();
    const Floats x = call.floats(walk.floats()),
                 weights = call.floats(walk.taps() * p.conv.blocks * kBlock),
                 bias = call.floats(p.conv.blocks * kBlock);
    p.conv.x = x.data(), p.conv.weights = weights.data();
    p.conv.bias = call.maybe() ? bias.data() : nullptr;
    const ptrdiff_t outputs = p.conv.columns / 2 * p.conv.channels;
    const bool places = call.maybe();
    call.compare(
        [&](const Kernels& table, Floats& y, GuardedArray<std::uint8_t>& winners) {
            Floats lines(2 * p.conv.y_row, kAtFence);
            p.conv.y = lines.data();
            p.y = y.data();
            p.winners = places ? winners.data() : nullptr;
            table.conv_pool_2x2(p);
            CHECK_INTACT(lines, table.isa << ", lines of conv_pool_2x2");
        },
        call.untouched(outputs), call.integers<std::uint8_t>(outputs, 1));
}

void conv_weight_gradient(Call& call) {
    const Walk walk(call, few_channels(call), call.size(5), call.size(20));
    ConvWeightGradientArgs p{};
    walk.fill(p);
    p.blocks = call.size(5);
    const ptrdiff_t channels = p.blocks * kBlock;
    p.d_pixel = channels + call.gap();
    p.d_row = p.columns * p.d_pixel + call.gap();
    p.first = call.maybe();
    const Floats x = call.floats(walk.floats()),
                 d = call.floats(extent(p.rows, p.d_row, extent(p.columns, p.d_pixel, channels)));
    p.x = x.data(), p.d = d.data();
    call.compare(
        [&](const Kernels& table, Floats& gradient) {
            p.gradient = gradient.data();
            table.conv_weight_gradient(p);
        },
        call.floats(walk.taps() * channels));
}

void pooled_weight_gradient(Call& call) {
    PooledWeightGradientArgs p{};
    p.rows = call.size(5), p.columns = call.size(9);
    const Walk walk(call, few_channels(call), 2 * p.rows, 2 * p.columns, false);
    p.kernel_rows = walk.kernel_rows, p.kernel_row = walk.line;
    p.padded_run = padded(walk.kernel_columns * walk.channels);
    p.x_row = walk.stride * walk.line, p.x_pixel = walk.stride * walk.channels;
    p.channels = call.size(40);
    p.first = call.maybe();
    const Floats x = call.floats(walk.floats() + kBlock - 1),
                 d = call.rectified(p.rows * p.columns * p.channels);
    const auto winners = call.integers<std::uint8_t>(d.size(), 4);
    p.x = x.data(), p.d = d.data(), p.winners = winners.data();
    call.compare(
        [&](const Kernels& table, Floats& gradient) {
            p.gradient = gradient.data();
            table.pooled_weight_gradient(p);
        },
        call.floats(p.channels * p.kernel_rows * p.padded_run));
}

void pooled_input_gradient(Call& call) {
    PooledInputGradientArgs p{};
    p.rows = call.size(5), p.columns = call.size(9);
    const Walk walk(call, few_channels(call), 2 * p.rows, 2 * p.columns, false);
    p.kernel_rows = walk.kernel_rows;
    p.padded_run = padded(walk.kernel_columns * walk.channels);
    p.channels = call.size(70);
    // padded_run floats from the first input of each pixel on.
    const ptrdiff_t touched = (walk.columns - 1) * walk.stride * walk.channels + p.padded_run;
    p.line = touched + call.gap();
    p.x_row = walk.stride * p.line, p.x_pixel = walk.stride * walk.channels;
    const Floats d = call.rectified(p.rows * p.columns * p.channels),
                 weights = call.floats(p.kernel_rows * p.channels * p.padded_run);
    const auto winners = call.integers<std::uint8_t>(d.size(), 4);
    p.d = d.data(), p.weights = weights.data(), p.winners = winners.data();
    call.compare(
        [&](const Kernels& table, Floats& image) {
            call.with_scratch(pooled_input_gradient_scratch(p.channels), [&](float* scratch) {
                p.image = image.data();
                p.scratch = scratch;
                table.pooled_input_gradient(p);
            });
        },
        call.zeros(extent(walk.height(), p.line, touched)));
}

void conv_scatter(Call& call) {
    ConvScatterArgs p{};
    p.kernel_rows = call.size(5), p.channels = call.size(40);
    p.rows = call.size(16), p.columns = call.size(12);
    p.blocks = call.size(5), p.step = call.size(6);
    const ptrdiff_t run = p.blocks * kBlock;
    p.x_pixel = p.channels + call.gap();
    p.kernel_row = p.columns * p.x_pixel + call.gap();
    p.line = p.columns * p.step + run + call.gap();
    const Floats x = call.floats(extent(p.rows + p.kernel_rows - 1, p.kernel_row,
                                        extent(p.columns, p.x_pixel, p.channels))),
                 weights = call.floats(p.kernel_rows * p.channels * run);
    p.x = x.data(), p.weights = weights.data();
    call.compare(
        [&](const Kernels& table, Floats& lines) {
            p.lines = lines.data();
            table.conv_scatter(p);
        },
        call.untouched(p.rows * p.line));
}

}  // namespace boundary
