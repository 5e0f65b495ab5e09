// The last step of reading a PNG, after inflating.
#pragma once

#include <cstddef>
#include <cstdint>

namespace nncore::images {

// Undoes the filters of an image of 8 bits per channel that is not interlaced: PNG (Portable
// Network Graphics) Specification, third edition, section 9, "Filtering".
//
// `lines` holds `height` scanlines, one byte of filter type and then `line_bytes` filtered bytes
// each; `pixels` becomes height x line_bytes. `pixel_bytes` is the number of channels.
//
// Throws std::invalid_argument that names the line of an unknown filter type.
void undo_png_filters(const std::uint8_t* lines, std::ptrdiff_t height, std::ptrdiff_t line_bytes,
                      std::ptrdiff_t pixel_bytes, std::uint8_t* pixels);

}  // namespace nncore::images
