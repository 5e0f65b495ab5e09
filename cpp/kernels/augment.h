// One changed copy of an image: moved, turned and scaled by one affine map, then brightness and
// contrast, then a rectangle erased.
//
// Not in the table of kernels: compiled once for all instruction sets, so its bits are the same
// everywhere as they stand. Bytes are computed in integers, floats with single products and sums,
// which nothing contracts. It costs a few percent of a convolutional network's step.
#pragma once

#include <cstddef>
#include <cstdint>

namespace nncore::kernels {

// What stands outside an image: one value, the nearest pixel, or the image mirrored at its sides
// (the last pixel twice: c b a | a b c | c b a).
enum class Fill : std::int32_t { constant, edge, reflect };

// Images are (height, width, channels), contiguous.
struct AugmentArgs {
    ptrdiff_t height, width, channels;
    Fill fill;
    float fill_value;

    // The pixel (row r, column c) of the result is taken from the point
    //   x = x_origin + c * x_column + r * x_row,   y = y_origin + c * y_column + r * y_row
    // of the source, in units of 2^-32 pixels, rounded to 1/4096 pixel and interpolated
    // bilinearly. Points on whole pixels give these pixels, bit for bit.
    std::int64_t x_origin, x_column, x_row;
    std::int64_t y_origin, y_column, y_row;

    // v becomes brightness * (mean + contrast * (v - mean)), where mean is that of the moved image
    // over all pixels and channels. Bytes are rounded and clipped to 0..255, floats are not
    // clipped.
    double brightness, contrast;

    // Filled with fill_value or, where fill is not constant, with brightness * mean.
    ptrdiff_t erase_top, erase_left, erase_height, erase_width;
};

constexpr std::int64_t kWarpOne = std::int64_t{1} << 32;  // one pixel

// y must not overlap x.
void augment(const AugmentArgs& args, const std::uint8_t* x, std::uint8_t* y);
void augment(const AugmentArgs& args, const float* x, float* y);

}  // namespace nncore::kernels
