// Any bytes as a PNG file: as they are, with checksums that are right, and as the lines of a
// picture.
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "images/plain_png.h"

#ifdef NNCORE_HAVE_ZLIB
#include <zlib.h>
#endif

namespace {

using Bytes = std::vector<std::uint8_t>;
constexpr std::int64_t kLimit = 1 << 14;  // pixels

// Whether it is a plain PNG. Memory of its own, and of that size: nothing is left of another file.
bool is_read(const Bytes& file) {
    const auto pixels = nncore::images::PngReader().read(file, kLimit);
    if (!pixels) return false;
    if (pixels->height * pixels->width > kLimit ||
        static_cast<std::ptrdiff_t>(pixels->values.size()) !=
            pixels->height * pixels->width * pixels->channels)
        std::abort();
    return true;
}

#ifdef NNCORE_HAVE_ZLIB

void append(Bytes& to, std::uint32_t number) {
    for (const int shift : {24, 16, 8, 0}) to.push_back(static_cast<std::uint8_t>(number >> shift));
}

std::uint32_t checksum(const std::uint8_t* from, std::size_t count) {
    return static_cast<std::uint32_t>(::crc32(0, from, static_cast<uInt>(count)));
}

// A checksum covers every byte of a file, so that hardly any change would be looked at.
Bytes repaired(const std::uint8_t* data, std::size_t size) {
    Bytes file(data, data + size);
    for (std::size_t at = 8; at + 12 <= size;) {
        const std::size_t length = nncore::images::big_endian_32(data + at);
        if (length > size - at - 12) break;
        Bytes sum;
        append(sum, checksum(data + at + 4, length + 4));
        std::copy(sum.begin(), sum.end(),
                  file.begin() + static_cast<std::ptrdiff_t>(at + 8 + length));
        at += 12 + length;
    }
    return file;
}

void append_chunk(Bytes& file, const char* name, const Bytes& content) {
    append(file, static_cast<std::uint32_t>(content.size()));
    const auto start = static_cast<std::ptrdiff_t>(file.size());
    file.insert(file.end(), name, name + 4);
    file.insert(file.end(), content.begin(), content.end());
    append(file, checksum(file.data() + start, content.size() + 4));
}

// A picture whose filtered lines are these bytes, as many as make whole ones: plain exactly if each
// line's filter is known.
void check_lines(const std::uint8_t* data, std::size_t size) {
    if (size < 2) return;
    const std::size_t channels = data[0] % 2 == 0 ? 1 : 3, width = 1 + data[1] % 64;
    const std::size_t line = 1 + width * channels, height = (size - 2) / line;
    if (height == 0 || height * width > kLimit) return;
    Bytes header;
    append(header, static_cast<std::uint32_t>(width));
    append(header, static_cast<std::uint32_t>(height));
    for (const int field : {8, channels == 1 ? 0 : 2, 0, 0, 0})
        header.push_back(static_cast<std::uint8_t>(field));
    bool known = true;
    for (std::size_t y = 0; y < height; ++y) known = known && data[2 + y * line] < 5;
    uLongf packed_size = ::compressBound(static_cast<uLong>(height * line));
    Bytes packed(packed_size);
    if (::compress2(packed.data(), &packed_size, data + 2, static_cast<uLong>(height * line), 1) !=
        Z_OK)
        std::abort();
    packed.resize(packed_size);
    Bytes file{0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
    append_chunk(file, "IHDR", header);
    append_chunk(file, "IDAT", packed);
    append_chunk(file, "IEND", {});
    if (is_read(file) != known) std::abort();
}

#endif

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    is_read(Bytes(data, data + size));
#ifdef NNCORE_HAVE_ZLIB
    is_read(repaired(data, size));
    check_lines(data, size);
#endif
    return 0;
}
