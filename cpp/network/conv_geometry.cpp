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
    if (!within(layer.pad, 0))
        fail(what, "padding must be from 0 to 1024, got " + to_string(layer.pad));
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

Border padding_of(const std::string& what, const ConvGeometry& g, const Conv2D& layer) {
    if (layer.padding == "valid") return {};
    if (layer.padding == "explicit")
        return {layer.pad.rows, layer.pad.columns, layer.pad.rows, layer.pad.columns};
    if (layer.padding != "same")
        fail(what, "unknown padding \"" + layer.padding + "\"; known: valid, same, explicit");
    const std::ptrdiff_t rows = same_padding(g.height, g.reach_rows(), g.stride_rows);
    const std::ptrdiff_t columns = same_padding(g.width, g.reach_columns(), g.stride_columns);
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
    g.padding = padding_of(what, g, layer);
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
                           Extent strides) {
    check_images(what, shape);
    // The kernels keep a winner's place in 16 bits.
    if (window.rows < 1 || window.columns < 1 || window.rows > shape[0] ||
        window.columns > shape[1] || window.rows * window.columns > 65535)
        fail(what, "the window " + to_string(window) + " must fit into the image " +
                       network::to_string(shape));
    check_strides(what, strides);
    return {shape[0],
            shape[1],
            shape[2],
            window.rows,
            window.columns,
            strides.rows,
            strides.columns,
            (shape[0] - window.rows) / strides.rows + 1,
            (shape[1] - window.columns) / strides.columns + 1};
}

}  // namespace nncore::network
