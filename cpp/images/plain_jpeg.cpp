#include "plain_jpeg.h"

#ifdef NNCORE_HAVE_LIBJPEG
#include <algorithm>
#include <csetjmp>
#include <cstring>
// clang-format off: jpeglib.h needs what the first declares
#include <cstdio>
#include <jpeglib.h>
// clang-format on
#endif

namespace nncore::images {

#ifdef NNCORE_HAVE_LIBJPEG

#define NNCORE_TEXT_OF(macro) NNCORE_TEXT(macro)
#define NNCORE_TEXT(text) #text

namespace {

constexpr int kAdobe = JPEG_APP0 + 14;
// Of one picture. Encoders make a dozen; each goes over the whole picture in as few bytes as a
// stranger likes. Python's MOST_SCANS is the same.
constexpr int kMostScans = 100;

std::int64_t divided_up(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

// By default libjpeg prints warnings and ends the process at an error. Here both leave it for the
// method of `Decompressor` that called it.
struct Errors {
    jpeg_error_mgr manager;  // the first member: libjpeg's pointer to it is one to the whole
    std::jmp_buf caller;
};

[[noreturn]] void leave(j_common_ptr info) {
    std::longjmp(reinterpret_cast<Errors*>(info->err)->caller, 1);
}

void leave_if_warning(j_common_ptr info, int level) {
    if (level < 0) leave(info);  // others are a trace
}

void leave_if_endless(j_common_ptr info) {
    if (reinterpret_cast<j_decompress_ptr>(info)->input_scan_number > kMostScans) leave(info);
}

boolean leave_at_marker(j_decompress_ptr info) { leave(reinterpret_cast<j_common_ptr>(info)); }

// One file in libjpeg-turbo. A jump past an object with a destructor is undefined: what is called
// after `setjmp` has none.
class Decompressor {
 public:
    Decompressor() = default;
    ~Decompressor() { jpeg_destroy_decompress(&info_); }
    Decompressor(const Decompressor&) = delete;
    Decompressor& operator=(const Decompressor&) = delete;

    // The next three, in this order, as long as they give true.
    bool read_header(Bytes file, bool skip_applications);
    // Whether the pixels are within the limits; their size is then in `output_height` and so on.
    bool plan(const JpegRequest& request);
    bool read_pixels(std::uint8_t* out);

    const jpeg_decompress_struct& info() const { return info_; }

 private:
    bool is_plain() const;
    bool has_a_short_jfif() const;
    bool is_complete() const;

    jpeg_decompress_struct info_{};
    Errors errors_{};
    jpeg_progress_mgr progress_{};
};

bool Decompressor::read_header(Bytes file, bool skip_applications) {
    info_.err = jpeg_std_error(&errors_.manager);
    errors_.manager.error_exit = leave;
    errors_.manager.emit_message = leave_if_warning;
    if (setjmp(errors_.caller) != 0) return false;
    jpeg_create_decompress(&info_);
    progress_.progress_monitor = leave_if_endless;
    info_.progress = &progress_;
    jpeg_mem_src(&info_, file.data(), static_cast<unsigned long>(file.size()));
    for (int marker = JPEG_APP0 + 1; marker < JPEG_APP0 + 16; ++marker)
        if (!skip_applications || marker == kAdobe)
            jpeg_set_marker_processor(&info_, marker, leave_at_marker);
    jpeg_save_markers(&info_, JPEG_APP0, 16);  // beginnings alone
    return jpeg_read_header(&info_, TRUE) == JPEG_HEADER_OK && is_plain() && !has_a_short_jfif();
}

// Without the version that Pillow asks for. libjpeg takes it for a segment of somebody else's.
bool Decompressor::has_a_short_jfif() const {
    constexpr unsigned kUpToVersion = 7;
    for (jpeg_saved_marker_ptr m = info_.marker_list; m != nullptr; m = m->next)
        if (m->original_length < kUpToVersion && m->data_length >= 4 &&
            std::memcmp(m->data, "JFIF", 4) == 0)
            return true;
    return false;
}

bool Decompressor::is_plain() const {
    if (info_.arith_code || info_.data_precision != 8) return false;
    // Lossless files, which new versions decode, have other numbers here.
    if (!info_.progressive_mode && (info_.Ss != 0 || info_.Se != DCTSIZE2 - 1)) return false;
    if (info_.jpeg_color_space == JCS_GRAYSCALE) return info_.num_components == 1;
    if (info_.jpeg_color_space != JCS_YCbCr || info_.num_components != 3) return false;
    const jpeg_component_info* const parts = info_.comp_info;
    for (int i = 1; i < 3; ++i)
        if (parts[i].h_samp_factor != 1 || parts[i].v_samp_factor != 1) return false;
    // Versions differ in how they enlarge chroma that is coarser in height alone.
    return parts[0].h_samp_factor <= 2 && parts[0].v_samp_factor <= parts[0].h_samp_factor;
}

bool Decompressor::plan(const JpegRequest& request) {
    const std::int64_t height = info_.image_height, width = info_.image_width;
    info_.scale_num = info_.scale_denom = 1;
    if (request.reduced_side > 0) {
        const std::int64_t ratio = std::min(height, width) / request.reduced_side;
        info_.scale_denom = ratio >= 8 ? 8 : ratio >= 4 ? 4 : ratio >= 2 ? 2 : 1;
    }
    if (height * width > request.max_pixels) return false;
    if (divided_up(height, info_.scale_denom) * divided_up(width, info_.scale_denom) >
        request.max_decoded)
        return false;
    if (setjmp(errors_.caller) != 0) return false;
    info_.out_color_space = info_.num_components == 1 ? JCS_GRAYSCALE : JCS_RGB;
    jpeg_calc_output_dimensions(&info_);
    return true;
}

bool Decompressor::read_pixels(std::uint8_t* out) {
    if (setjmp(errors_.caller) != 0) return false;
    jpeg_start_decompress(&info_);
    if (!is_complete()) return false;
    while (info_.output_scanline < info_.output_height) {
        const std::size_t line_bytes =
            std::size_t{info_.output_width} * static_cast<std::size_t>(info_.output_components);
        JSAMPROW line = out + info_.output_scanline * line_bytes;
        jpeg_read_scanlines(&info_, &line, 1);
    }
    jpeg_finish_decompress(&info_);  // reads up to the end marker
    return true;
}

// Whether every bit of every coefficient was in some scan: else versions smooth differently.
bool Decompressor::is_complete() const {
    if (info_.coef_bits == nullptr) return true;  // not progressive
    return std::all_of(info_.coef_bits, info_.coef_bits + info_.num_components,
                       [](const int(&bits)[DCTSIZE2]) {
                           return std::all_of(bits, bits + DCTSIZE2, [](int i) { return i == 0; });
                       });
}

}  // namespace

const char* libjpeg_release() noexcept { return NNCORE_TEXT_OF(LIBJPEG_TURBO_VERSION); }

std::optional<Jpeg> plain_jpeg(Bytes file, const JpegRequest& request) {
    Decompressor decompressor;
    if (!decompressor.read_header(file, request.skip_applications) || !decompressor.plan(request))
        return std::nullopt;
    const jpeg_decompress_struct& info = decompressor.info();
    Jpeg jpeg{{info.output_height, info.output_width, info.output_components, {}},
              info.image_height,
              info.image_width};
    std::vector<std::uint8_t>& values = jpeg.pixels.values;
    values.resize(
        static_cast<std::size_t>(jpeg.pixels.height * jpeg.pixels.width * jpeg.pixels.channels));
    if (!decompressor.read_pixels(values.data())) return std::nullopt;
    return jpeg;
}

#else  // without libjpeg-turbo

const char* libjpeg_release() noexcept { return nullptr; }

std::optional<Jpeg> plain_jpeg(Bytes, const JpegRequest&) { return std::nullopt; }

#endif

}  // namespace nncore::images
