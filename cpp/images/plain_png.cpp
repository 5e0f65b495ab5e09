#include "plain_png.h"

#ifdef NNCORE_HAVE_ZLIB
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <stdexcept>

#include "png_filters.h"
#endif

namespace nncore::images {

#ifdef NNCORE_HAVE_ZLIB

namespace {

constexpr std::array<std::uint8_t, 8> kSignature{0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
constexpr std::size_t kSmallest = 57;                          // signature, IHDR, IDAT and IEND
constexpr std::size_t kLargest = std::size_t{1} << 30;         // zlib counts in 32 bits
constexpr std::int64_t kLargestImage = std::int64_t{1} << 28;  // pixels; likewise

struct Header {
    std::int64_t height, width, channels;
};

bool is_named(const std::uint8_t* chunk, const char* name) {
    return std::memcmp(chunk + 4, name, 4) == 0;
}

// Chunks that do not change the pixels that Pillow gives, by their length.
bool is_harmless(const std::uint8_t* chunk, std::size_t length) {
    struct Kind {
        const char* name;
        std::size_t length;
    };
    static constexpr std::array<Kind, 5> kinds{
        {{"gAMA", 4}, {"cHRM", 32}, {"sRGB", 1}, {"pHYs", 9}, {"tIME", 7}}};
    return std::any_of(kinds.begin(), kinds.end(), [&](const Kind& kind) {
        return kind.length == length && is_named(chunk, kind.name);
    });
}

std::optional<Header> header_of(Bytes file, std::int64_t max_pixels) {
    if (file.size() < kSmallest || file.size() > kLargest ||
        !std::equal(kSignature.begin(), kSignature.end(), file.begin()) ||
        !is_named(file.data() + 8, "IHDR"))
        return std::nullopt;
    const std::uint8_t* const fields = file.data() + 16;
    const std::int64_t width = big_endian_32(fields), height = big_endian_32(fields + 4);
    const int bits = fields[8], kind = fields[9];
    const bool plain_methods = fields[10] == 0 && fields[11] == 0 && fields[12] == 0;
    if (bits != 8 || (kind != 0 && kind != 2) || !plain_methods) return std::nullopt;
    // A division: the product may not fit.
    const std::int64_t limit = std::min(max_pixels, kLargestImage);
    if (width < 1 || height < 1 || height > limit / width) return std::nullopt;
    return Header{height, width, kind == 0 ? 1 : 3};
}

// What the IDAT chunks hold, joined in `joined` if they are several.
std::optional<Bytes> image_data(Bytes file, std::vector<std::uint8_t>& joined) {
    Bytes first;
    int parts = 0;
    std::size_t start = kSignature.size();
    while (start + 12 <= file.size()) {
        const std::uint8_t* const chunk = file.data() + start;
        const std::size_t length = big_endian_32(chunk);
        if (length > file.size() - start - 12) return std::nullopt;
        const auto checked = static_cast<uInt>(length + 4);
        if (::crc32(0, chunk + 4, checked) != big_endian_32(chunk + 8 + length))
            return std::nullopt;
        const Bytes content(chunk + 8, length);
        const std::size_t next = start + 12 + length;
        if (is_named(chunk, "IDAT")) {
            if (parts == 1) joined.assign(first.begin(), first.end());
            if (parts > 0) joined.insert(joined.end(), content.begin(), content.end());
            if (parts++ == 0) first = content;
        } else if (is_named(chunk, "IEND")) {
            // Nothing may follow: Pillow would read on in some versions.
            if (next != file.size() || length != 0) return std::nullopt;
            return parts > 1 ? Bytes(joined) : first;
        } else if (is_named(chunk, "IHDR")) {
            if (start != kSignature.size() || length != 13) return std::nullopt;
        } else if (parts > 0 || !is_harmless(chunk, length)) {
            return std::nullopt;
        }
        start = next;
    }
    return std::nullopt;
}

}  // namespace

class PngReader::Inflater {
 public:
    Inflater() {
        if (::inflateInit(&stream_) != Z_OK) throw std::bad_alloc();
    }
    ~Inflater() { ::inflateEnd(&stream_); }
    Inflater(const Inflater&) = delete;
    Inflater& operator=(const Inflater&) = delete;

    // Whether `packed` is one whole stream of exactly `size` bytes, which are put into `out`, which
    // has room for one more: a longer stream is found out without inflating it.
    bool inflate(Bytes packed, std::uint8_t* out, std::size_t size) {
        ::inflateReset(&stream_);
        stream_.next_in = const_cast<Bytef*>(packed.data());  // zlib does not write to it
        stream_.avail_in = static_cast<uInt>(packed.size());
        stream_.next_out = out;
        stream_.avail_out = static_cast<uInt>(size + 1);
        return ::inflate(&stream_, Z_FINISH) == Z_STREAM_END && stream_.avail_out == 1 &&
               stream_.avail_in == 0;
    }

 private:
    z_stream stream_{};
};

PngReader::PngReader() : inflater_(std::make_unique<Inflater>()) {}
PngReader::~PngReader() = default;

const char* zlib_release() noexcept { return ::zlibVersion(); }

std::optional<Pixels> PngReader::read(Bytes file, std::int64_t max_pixels) {
    const auto header = header_of(file, max_pixels);
    if (!header) return std::nullopt;
    const auto packed = image_data(file, packed_);
    if (!packed) return std::nullopt;
    const std::int64_t line_bytes = header->width * header->channels;
    const auto size = static_cast<std::size_t>(header->height * (1 + line_bytes));
    if (lines_.size() < size + 1) lines_.resize(size + 1);
    if (!inflater_->inflate(*packed, lines_.data(), size)) return std::nullopt;
    Pixels pixels{header->height, header->width, header->channels, {}};
    pixels.values.resize(static_cast<std::size_t>(header->height * line_bytes));
    try {
        undo_png_filters(lines_.data(), header->height, line_bytes, header->channels,
                         pixels.values.data());
    } catch (const std::invalid_argument&) {  // an unknown filter
        return std::nullopt;
    }
    return pixels;
}

#else  // without zlib

class PngReader::Inflater {};
PngReader::PngReader() = default;
PngReader::~PngReader() = default;

const char* zlib_release() noexcept { return nullptr; }

std::optional<Pixels> PngReader::read(Bytes, std::int64_t) { return std::nullopt; }

#endif

}  // namespace nncore::images
