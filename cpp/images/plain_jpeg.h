// Plain JPEG files, from their bytes to pixels.
#pragma once

#include <optional>

#include "pixels.h"

namespace nncore::images {

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
// A JPEG is plain if it is baseline (sequential, Huffman codes, 8 bits), gray or YCbCr with chroma
// as fine as luma, half as wide, or half as wide and high, in one scan, wholly undamaged up to its
// end marker, and small or reduced at least by 4 (libjpeg-turbo is faster else). All others are
// left to Pillow, so that there is one opinion about odd and damaged files. The pixels are those of
// libjpeg-turbo, which Pillow has, at its usual settings.
//
// Source: ITU-T Recommendation T.81 | ISO/IEC 10918-1, and JFIF for colour.
std::optional<Jpeg> plain_jpeg(Bytes file, const JpegRequest& request);

}  // namespace nncore::images
