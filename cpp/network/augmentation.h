// Augmentation: which changed copy of an image one epoch of training sees.
#pragma once

#include <cstdint>

#include "../kernels/augment.h"
#include "types.h"

namespace nncore::network {

// How far the copies may differ from the image. All zeros: not at all.
struct Augmentation {
    double shift = 0.0;     // up and down, left and right: share of the height and of the width
    double rotation = 0.0;  // degrees, to either side
    double scale = 0.0;     // the size is multiplied by 1 - scale to 1 + scale
    bool horizontal_flip = false, vertical_flip = false;
    double brightness = 0.0, contrast = 0.0;  // factors 1 - value to 1 + value
    std::ptrdiff_t crop_padding = 0;          // pixels
    double erase = 0.0;  // longest sides of a rectangle, as shares of the image's
    kernels::Fill fill = kernels::Fill::constant;
    float fill_value = 0.0f;

    // Throws std::invalid_argument that names the setting and its value.
    void validate() const;
};

// The copy of image number `sample` in one epoch: a pure function of its arguments. `shape` is
// (height, width, channels); the settings are valid.
kernels::AugmentArgs draw_augmentation(const Augmentation& settings, const Shape& shape,
                                       const Randomness& randomness, std::uint32_t sample);

}  // namespace nncore::network
