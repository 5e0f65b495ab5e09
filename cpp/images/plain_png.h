// Plain PNG files, from their bytes to pixels.
#pragma once

#include <memory>
#include <optional>

#include "pixels.h"

namespace nncore::images {

// The version of zlib in use; nullptr in a build without it, when no PNG is plain.
const char* zlib_release() noexcept;

// Reads one file after the other; what inflating needs is allocated once.
//
// A PNG is plain if it is gray or RGB with 8 bits, not interlaced, has none but harmless chunks
// before one run of IDAT chunks, every checksum is right and nothing is missing or behind the end.
// All others are left to Pillow, so that there is one opinion about odd and damaged files.
class PngReader {
 public:
    PngReader();
    ~PngReader();
    PngReader(const PngReader&) = delete;
    PngReader& operator=(const PngReader&) = delete;

    // The pixels; nothing unless `file` is a plain PNG of at most `max_pixels` pixels.
    std::optional<Pixels> read(Bytes file, std::int64_t max_pixels);

 private:
    class Inflater;
    std::unique_ptr<Inflater> inflater_;
    std::vector<std::uint8_t> packed_, lines_;
};

}  // namespace nncore::images
