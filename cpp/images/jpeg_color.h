// From the planes of a JPEG picture to RGB: chroma enlarged to the size of luma, and converted.
#pragma once

#include "pixels.h"

namespace nncore::images {

// One component's samples, lines `stride` apart.
struct Plane {
    std::vector<std::uint8_t> samples;
    std::ptrdiff_t height = 0, width = 0, stride = 0;
};

// How many times as wide and as high the result is as the plane: 1 x 1, 2 x 1 or 2 x 2.
struct Enlargement {
    int across = 1, down = 1;
};

// YCbCr planes, the first of the picture's size and the others smaller by `chroma`, to RGB
// (height, width, 3) as libjpeg gives them, bit for bit. `smooth` enlarges by a triangle filter
// (libjpeg's "fancy upsampling"), else samples are repeated.
void to_rgb(const Plane (&planes)[3], Enlargement chroma, bool smooth, Pixels& pixels);

}  // namespace nncore::images
