// How the windows of convolutions and pools lie in an image, checked once, when a layer is added.
#pragma once

#include <optional>
#include <string>

#include "kernel_settings.h"
#include "types.h"
#include "workspace.h"

namespace nncore::network {

// What is around an image. "valid": nothing; "same": so much that output = ceil(input / stride), as
// Keras and TensorFlow place it (the odd pixel below and to the right); "explicit": `before` pixels
// above and to the left, `after` below and to the right.
struct Padding {
    std::string way = "valid";
    Extent before{0, 0}, after{0, 0};
};

// Images in and out. pad: of "explicit", on each side, or above and to the left where `pad_after`
// says what is below and to the right. activation: as of a dense layer, but for softmax.
struct Conv2D {
    std::ptrdiff_t filters;
    Extent kernel{1, 1}, strides{1, 1};
    std::string padding = "valid";
    Extent pad{0, 0};
    std::string activation = "linear";
    bool use_bias = true;
    KernelSettings kernel_settings{};
    // Input pixels from one of the kernel's rows or columns to the next.
    Extent dilation{1, 1};
    // Divides the channels of the image and the filters; the kernel of each filter sees the
    // channels of its own group. A pool behind several groups is a stage of its own.
    std::ptrdiff_t groups = 1;
    std::optional<Extent> pad_after{};
};

// Convolution of an image, in pixels.
struct ConvGeometry {
    std::ptrdiff_t height, width, channels;  // of the input
    std::ptrdiff_t kernel_height, kernel_width;
    std::ptrdiff_t stride_rows, stride_columns;
    Border padding;
    std::ptrdiff_t out_height, out_width, out_channels;
    // Input pixels between neighbouring rows and columns of the kernel; 1 where it has but one.
    std::ptrdiff_t dilation_rows = 1, dilation_columns = 1;
    // Input and output channels fall into so many groups, which do not see each other.
    std::ptrdiff_t groups = 1;

    // What the kernel reaches over.
    std::ptrdiff_t reach_rows() const { return (kernel_height - 1) * dilation_rows + 1; }
    std::ptrdiff_t reach_columns() const { return (kernel_width - 1) * dilation_columns + 1; }
};

// Of the layer over images of that shape. Throws std::invalid_argument that begins with `what`,
// such as "convolution \"c\"".
ConvGeometry conv_geometry(const std::string& what, const Shape& shape, const Conv2D& layer);

// A window sliding over an image; there is a pixel of the image in each.
struct PoolGeometry {
    std::ptrdiff_t height, width, channels;
    std::ptrdiff_t window_height, window_width, stride_rows, stride_columns;
    std::ptrdiff_t out_height, out_width;
    Border padding;
};

// The same for a pool.
PoolGeometry pool_geometry(const std::string& what, const Shape& shape, Extent window,
                           Extent strides, const Padding& padding);

}  // namespace nncore::network
