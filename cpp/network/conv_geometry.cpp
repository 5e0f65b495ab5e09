#include "conv_geometry.h"

#include <algorithm>
#include <stdexcept>

namespace nncore::network {
namespace {

// Of kernels, strides, borders and dilations: far above what is of use, low enough that products
// of two cannot overflow.
constexpr std::ptrdiff_t kLongest = 1024;

bool within(Extent extent, std::ptrdiff_t lowest) {
    return extent.rows >= lowest && extent.columns >= lowest && extent.rows <= kLongest &&
           extent.columns <= kLongest;
}

std::string to_string(Extent extent) {
    return network::to_string(Shape{extent.rows, extent.columns});
}

[[noreturn]] void fail(const std::string& what, const std::string& problem) {
    throw std::invalid_argument(what + ": " + problem);
}

void check_images(const std::string& what, const Shape& shape) {
    if (shape.size() != 3)
        fail(what, "needs images (height, width, channels), got " + network::to_string(shape));
}

void check_strides(const std::string& what, Extent strides) {
    if (!within(strides, 1))
        fail(what, "strides must be from 1 to 1024, got " + to_string(strides));
}

void check_numbers(const std::string& what, const Shape& shape, const Conv2D& layer) {
    if (!within(layer.kernel, 1))
        fail(what, "the kernel must be from 1x1 to 1024x1024, got " + to_string(layer.kernel));
    check_strides(what, layer.strides);
    if (!within(layer.dilation, 1))
        fail(what, "dilation must be from 1 to 1024, got " + to_string(layer.dilation));
    if (layer.groups < 1 || shape[2] % layer.groups != 0 || layer.filters % layer.groups != 0)
        fail(what, "groups must divide the channels of the image, " + std::to_string(shape[2]) +
                       ", and the filters, " + std::to_string(layer.filters) + "; got " +
                       std::to_string(layer.groups));
}

// What padding "same" adds along one axis, in all.
std::ptrdiff_t same_padding(std::ptrdiff_t size, std::ptrdiff_t reach, std::ptrdiff_t stride) {
    const std::ptrdiff_t outputs = (size + stride - 1) / stride;
    return std::max<std::ptrdiff_t>((outputs - 1) * stride + reach - size, 0);
}

// Around an image of `shape`, over which a window of that reach moves.
Border border_of(const std::string& what, const Shape& shape, Extent reach, Extent strides,
                 const Padding& padding) {
    for (const Extent pad : {padding.before, padding.after})
        if (!within(pad, 0)) fail(what, "padding must be from 0 to 1024, got " + to_string(pad));
    if (padding.way == "valid") return {};
    if (padding.way == "explicit")
        return {padding.before.rows, padding.before.columns, padding.after.rows,
                padding.after.columns};
    if (padding.way != "same")
        fail(what, "unknown padding \"" + padding.way + "\"; known: valid, same, explicit");
    const std::ptrdiff_t rows = same_padding(shape[0], reach.rows, strides.rows);
    const std::ptrdiff_t columns = same_padding(shape[1], reach.columns, strides.columns);
    return {rows / 2, columns / 2, rows - rows / 2, columns - columns / 2};
}

}  // namespace

ConvGeometry conv_geometry(const std::string& what, const Shape& shape, const Conv2D& layer) {
    check_images(what, shape);
    check_numbers(what, shape, layer);
    ConvGeometry g{};
    g.height = shape[0];
    g.width = shape[1];
    g.channels = shape[2];
    g.kernel_height = layer.kernel.rows;
    g.kernel_width = layer.kernel.columns;
    g.stride_rows = layer.strides.rows;
    g.stride_columns = layer.strides.columns;
    g.out_channels = layer.filters;
    g.dilation_rows = layer.kernel.rows > 1 ? layer.dilation.rows : 1;
    g.dilation_columns = layer.kernel.columns > 1 ? layer.dilation.columns : 1;
    g.groups = layer.groups;
    const Extent reach{g.reach_rows(), g.reach_columns()};
    if (!within(reach, 1))
        fail(what, "the dilated kernel must reach over 1024x1024 pixels at most, got " +
                       to_string(reach));
    g.padding = border_of(what, shape, reach, layer.strides,
                          {layer.padding, layer.pad, layer.pad_after.value_or(layer.pad)});
    const std::ptrdiff_t height = g.padding.top + g.height + g.padding.bottom;
    const std::ptrdiff_t width = g.padding.left + g.width + g.padding.right;
    if (height < reach.rows || width < reach.columns)
        fail(what, "the kernel " + to_string(reach) + " is larger than the padded image " +
                       to_string(Extent{height, width}));
    g.out_height = (height - reach.rows) / g.stride_rows + 1;
    g.out_width = (width - reach.columns) / g.stride_columns + 1;
    return g;
}

PoolGeometry pool_geometry(const std::string& what, const Shape& shape, Extent window,
                           Extent strides, const Padding& padding) {
    check_images(what, shape);
    // The kernels keep a winner's place in 16 bits.
    if (window.rows < 1 || window.columns < 1 || window.rows > 65535 || window.columns > 65535 ||
        window.rows * window.columns > 65535)
        fail(what, "the window must have from 1 to 65535 pixels, got " + to_string(window));
    check_strides(what, strides);
    const Border border = border_of(what, shape, window, strides, padding);
    // Else there would be windows without a pixel.
    if (std::max(border.top, border.bottom) >= window.rows ||
        std::max(border.left, border.right) >= window.columns)
        fail(what, "padding must be smaller than the window " + to_string(window) + ", got " +
                       to_string(Extent{std::max(border.top, border.bottom),
                                        std::max(border.left, border.right)}));
    const std::ptrdiff_t height = border.top + shape[0] + border.bottom;
    const std::ptrdiff_t width = border.left + shape[1] + border.right;
    if (window.rows > height || window.columns > width)
        fail(what, "the window " + to_string(window) + " must fit into the image " +
                       network::to_string(shape));
    return {shape[0],
            shape[1],
            shape[2],
            window.rows,
            window.columns,
            strides.rows,
            strides.columns,
            (height - window.rows) / strides.rows + 1,
            (width - window.columns) / strides.columns + 1,
            border};
}

}  // namespace nncore::network
