// From the few pixels of a layer to a heat map of the image.
#pragma once

#include <cstddef>

namespace nncore::network {

// Bilinear, of pixels whose centres are where they are in the image: (height, width) to (rows,
// columns). Beyond the outermost centres it goes on as there.
void enlarge(const float* small, std::ptrdiff_t height, std::ptrdiff_t width, std::ptrdiff_t rows,
             std::ptrdiff_t columns, float* map);

// Divides by the largest value, if that is above 0; none is below.
void scale_to_one(std::ptrdiff_t count, float* map);

}  // namespace nncore::network
