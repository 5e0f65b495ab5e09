// Random calls of Winograd's minimal filtering.
#include "kernels.h"

namespace boundary {
using namespace nncore::kernels;

namespace {

// Several images, and some tiles of them; windows may reach beyond an image or see nothing of it.
WinogradTiles tiles(Call& call, ptrdiff_t& images) {
    WinogradTiles t{};
    images = call.size(3);
    t.rows = call.size(9), t.columns = call.size(20), t.inputs = call.size(40);
    t.x_rows = call.size(11), t.x_columns = call.size(22);
    t.top = call.random.below(4) - 1, t.left = call.random.below(4) - 1;
    t.x_pixel = t.inputs + call.gap();
    t.x_row = extent(t.x_columns, t.x_pixel, t.inputs) + call.gap();
    t.x_image = extent(t.x_rows, t.x_row, extent(t.x_columns, t.x_pixel, t.inputs)) + call.gap();
    t.last = 1 + call.random.below(images * winograd_tiles(t.rows, t.columns));
    t.first = call.random.below(t.last);
    return t;
}
ptrdiff_t inputs(const WinogradTiles& t, ptrdiff_t images) {
    return extent(images, t.x_image,
                  extent(t.x_rows, t.x_row, extent(t.x_columns, t.x_pixel, t.inputs)));
}

}  // namespace

void winograd_weights(Call& call) {
    WinogradWeightsArgs p{};
    p.inputs = call.size(40), p.blocks = call.size(4);
    p.turned = call.maybe();
    p.rows = p.turned ? (p.blocks - 1) * kBlock + call.size(kBlock) : p.inputs;
    // The columns are whole blocks, of all channels or of some.
    const ptrdiff_t columns = p.turned ? padded(p.inputs) : p.blocks * kBlock;
    p.weights_row = columns + call.random.below(2) * kBlock;
    p.weights_tap = extent(p.rows, p.weights_row, columns) + call.gap();
    const Floats weights =
        call.floats(extent(9, p.weights_tap, extent(p.rows, p.weights_row, columns)));
    p.weights = weights.data();
    call.compare(
        [&](const Kernels& table, Floats& transformed) {
            p.transformed = transformed.data();
            table.winograd_weights(p);
        },
        call.untouched(kWinogradPlaces * p.inputs * p.blocks * kBlock));
}

void winograd_conv(Call& call) {
    WinogradArgs p{};
    ptrdiff_t images;
    p.tiles = tiles(call, images);
    p.channels = call.size(80);
    p.blocks = blocks_of(p.channels);
    p.y_pixel = p.channels + call.gap();
    p.y_row = p.tiles.columns * p.y_pixel + call.gap();
    p.y_image = p.tiles.rows * p.y_row + call.gap();
    p.activity_pixel = p.channels + call.gap();
    p.activity_row = p.tiles.columns * p.activity_pixel + call.gap();
    p.activity_image = p.tiles.rows * p.activity_row + call.gap();
    const auto outputs = [&](ptrdiff_t image, ptrdiff_t row, ptrdiff_t pixel) {
        return extent(images, image,
                      extent(p.tiles.rows, row, extent(p.tiles.columns, pixel, p.channels)));
    };
    const Floats x = call.floats(inputs(p.tiles, images)),
                 weights = call.floats(kWinogradPlaces * p.tiles.inputs * p.blocks * kBlock),
                 bias = call.floats(p.blocks * kBlock),
                 activity =
                     call.rectified(outputs(p.activity_image, p.activity_row, p.activity_pixel));
    p.tiles.x = x.data(), p.weights = weights.data();
    p.bias = call.maybe() ? bias.data() : nullptr;
    p.activation = call.activation();
    p.input_activity = call.maybe() ? activity.data() : nullptr;
    call.compare(
        [&](const Kernels& table, Floats& y) {
            call.with_scratch(winograd_scratch(p.tiles.inputs, p.blocks), [&](float* scratch) {
                p.y = y.data();
                p.scratch = scratch;
                table.winograd_conv(p);
            });
        },
        call.untouched(outputs(p.y_image, p.y_row, p.y_pixel)));
}

void winograd_weight_gradient(Call& call) {
    WinogradWeightGradientArgs p{};
    ptrdiff_t images;
    p.tiles = tiles(call, images);
    p.channels = call.size(80);
    p.blocks = blocks_of(p.channels);
    p.d_pixel = p.channels + call.gap();
    p.d_row = p.tiles.columns * p.d_pixel + call.gap();
    p.d_image = p.tiles.rows * p.d_row + call.gap();
    const Floats x = call.floats(inputs(p.tiles, images)),
                 d = call.floats(extent(images, p.d_image,
                                        extent(p.tiles.rows, p.d_row,
                                               extent(p.tiles.columns, p.d_pixel, p.channels))));
    p.tiles.x = x.data(), p.d = d.data();
    call.compare(
        [&](const Kernels& table, Floats& gradient) {
            call.with_scratch(
                winograd_gradient_scratch(p.tiles.last - p.tiles.first, p.tiles.inputs, p.blocks),
                [&](float* scratch) {
                    p.gradient = gradient.data();
                    p.scratch = scratch;
                    table.winograd_weight_gradient(p);
                });
        },
        call.untouched(9 * p.tiles.inputs * p.blocks * kBlock));
}

}  // namespace boundary
