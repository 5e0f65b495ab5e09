// Plain JPEG files, from their bytes to pixels.
#pragma once

#include <optional>

#include "pixels.h"

namespace nncore::images {

// The version of libjpeg-turbo that this build was made with; nullptr without it, when no JPEG is
// plain.
const char* libjpeg_release() noexcept;

// What is wanted of a JPEG.
struct JpegRequest {
    std::int64_t max_pixels;    // of the picture as it is stored
    std::int64_t max_decoded;   // of what is decoded, after the reduction
    std::int64_t reduced_side;  // the picture is reduced by 2, 4 or 8 while both sides stay at
                                // least this long; 0: it is not reduced
    bool skip_applications;     // accept APP1 to APP15, which the caller has looked at: Exif and
                                // colour profiles; Adobe's, which changes pixels, never
};

struct Jpeg {
    Pixels pixels;
    std::int64_t height, width;  // as stored, before the reduction, which rounds up
};

// The picture; nothing unless `file` is a plain JPEG within the limits.
//
// A JPEG is plain if it is baseline, extended or progressive with Huffman codes and 8 bits, gray or
// YCbCr with chroma as fine as luma, half as wide, or half as wide and high, and libjpeg-turbo has
// not even a warning about it up to its end marker, which comes within a hundred scans. All others
// are left to Pillow, so that there is one opinion about odd and damaged files. The pixels are
// Pillow's: it decodes by the same library at the same settings.
std::optional<Jpeg> plain_jpeg(Bytes file, const JpegRequest& request);

}  // namespace nncore::images
