// The inverse discrete cosine transform of JPEG blocks, whole or reduced.
#pragma once

#include "jpeg_huffman.h"

namespace nncore::images {

// Turns a block into size x size samples 0..255 at `out`, whose lines are `stride` apart; size is
// 8, 4, 2 or 1, and smaller ones are the block's means over squares, nearly.
//
// In integers, bit for bit what libjpeg ("islow") and libjpeg-turbo give. `last` is the index of
// the last coefficient that is not zero. Returns false where a number in between is a `misfit`, or
// a sample far out of range: decoders differ there, and no picture has such.
bool inverse_dct(const Coefficients& block, int last, int size, std::uint8_t* out,
                 std::ptrdiff_t stride);

}  // namespace nncore::images
