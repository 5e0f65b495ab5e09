#include "plain_jpeg.h"

#include <algorithm>
#include <memory>

#include "jpeg_color.h"
#include "jpeg_dct.h"
#include "jpeg_huffman.h"

namespace nncore::images {
namespace {

constexpr int kBlockSide = 8;
constexpr std::size_t kTables = 4;
constexpr std::size_t kWorthPairs = 1 << 15;  // bytes
// Of more pixels, where the transform is most of the work, libjpeg-turbo's vector code is faster.
constexpr std::int64_t kLargestWhole = 1 << 15;

enum Marker : std::uint8_t {
    start_of_frame_baseline = 0xC0,
    start_of_frame_extended = 0xC1,
    huffman_tables = 0xC4,
    first_restart = 0xD0,
    last_restart = 0xD7,
    start_of_image = 0xD8,
    end_of_image = 0xD9,
    start_of_scan = 0xDA,
    quantization_tables = 0xDB,
    restart_interval = 0xDD,
    first_application = 0xE0,
    adobe_application = 0xEE,
    last_application = 0xEF,
    comment = 0xFE,
};

struct Component {
    std::uint8_t name = 0;
    int across = 1, down = 1;  // blocks of an MCU (minimum coded unit)
    std::size_t steps = 0, dc_table = 0, ac_table = 0;
    int side = 0;  // of a block when it is decoded: 8, 4, 2 or 1
    int dc = 0;    // of the previous block
    Plane plane;
};

std::int64_t divided_up(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

class Decoder {
 public:
    Decoder(Bytes file, const JpegRequest& request) : file_(file), request_(request) {}

    std::optional<Jpeg> decode() {
        if (!read_headers() || !plan() || !collect_scan() || !read_scan()) return std::nullopt;
        return Jpeg{finish(), height_, width_};
    }

 private:
    bool read_headers();
    bool read_quantization(Bytes segment);
    bool read_huffman(Bytes segment);
    bool read_frame(Bytes segment);
    bool read_scan_header(Bytes segment);
    bool plan();
    bool collect_scan();
    bool read_scan();
    bool read_mcu(BitReader& bits, std::int64_t row, std::int64_t column);
    Pixels finish();

    Bytes file_;
    const JpegRequest& request_;
    std::size_t scan_start_ = 0;
    std::int64_t height_ = 0, width_ = 0;
    std::array<Steps, kTables> steps_{};
    std::array<bool, kTables> has_steps_{};
    std::array<HuffmanTable, kTables> dc_, ac_;
    std::vector<Component> components_;
    std::int64_t interval_ = 0;  // MCUs between restarts; 0: none
    int scale_ = 1;
    std::int64_t rows_ = 0, columns_ = 0;  // of MCUs
    std::vector<std::uint8_t> scan_;       // without stuffing and markers
    std::vector<std::size_t> parts_;       // where each part between restarts ends in it
};

bool Decoder::read_headers() {
    if (file_.size() < 4 || file_[0] != 0xFF || file_[1] != start_of_image) return false;
    std::size_t start = 2;
    while (start + 4 <= file_.size() && file_[start] == 0xFF) {
        const std::uint8_t marker = file_[start + 1];
        const std::size_t length = big_endian_16(&file_[start + 2]);
        if (length < 2 || length > file_.size() - start - 2) return false;
        const Bytes segment = file_.subspan(start + 4, length - 2);
        start += 2 + length;
        switch (marker) {
            case first_application:
            case comment:
                break;
            case quantization_tables:
                if (!read_quantization(segment)) return false;
                break;
            case huffman_tables:
                if (!read_huffman(segment)) return false;
                break;
            case restart_interval:
                if (segment.size() != 2) return false;
                interval_ = big_endian_16(segment.data());
                break;
            case start_of_frame_baseline:
            case start_of_frame_extended:
                if (!read_frame(segment)) return false;
                break;
            case start_of_scan:
                scan_start_ = start;
                return read_scan_header(segment);
            default:
                if (!request_.skip_applications || marker < first_application ||
                    marker > last_application || marker == adobe_application)
                    return false;
        }
    }
    return false;
}

bool Decoder::read_quantization(Bytes segment) {
    while (!segment.empty()) {
        const std::size_t table = segment[0];  // the high half: 16 bits instead of 8
        if (table >= kTables || segment.size() < 1 + kBlock) return false;
        for (std::size_t i = 0; i < kBlock; ++i) steps_[table][i] = segment[1 + i];
        has_steps_[table] = true;
        segment = segment.subspan(1 + kBlock);
    }
    return true;
}

bool Decoder::read_huffman(Bytes segment) {
    while (!segment.empty()) {
        constexpr std::size_t head = 1 + 16;
        const std::size_t kind = segment[0] >> 4, table = segment[0] & 15;
        if (kind > 1 || table >= kTables || segment.size() < head) return false;
        std::size_t count = 0;
        for (std::size_t i = 1; i < head; ++i) count += segment[i];
        if (count > segment.size() - head) return false;
        HuffmanTable& target = kind == 0 ? dc_[table] : ac_[table];
        if (!target.build(&segment[1], segment.subspan(head, count), kind == 0)) return false;
        segment = segment.subspan(head + count);
    }
    return true;
}

bool Decoder::read_frame(Bytes segment) {
    if (!components_.empty() || segment.size() < 6 || segment[0] != 8) return false;
    height_ = big_endian_16(&segment[1]);
    width_ = big_endian_16(&segment[3]);
    const std::size_t count = segment[5];
    if ((count != 1 && count != 3) || segment.size() != 6 + 3 * count) return false;
    if (height_ == 0 || width_ == 0 || height_ * width_ > request_.max_pixels) return false;
    components_.resize(count);
    for (std::size_t i = 0; i < count; ++i) {
        Component& component = components_[i];
        const std::uint8_t* const fields = &segment[6 + 3 * i];
        component.name = fields[0];
        component.across = fields[1] >> 4;
        component.down = fields[1] & 15;
        component.steps = fields[2];
        if (component.steps >= kTables) return false;
        if (component.across < 1 || component.across > 4 || component.down < 1 ||
            component.down > 4)
            return false;
    }
    Component& luma = components_[0];
    if (count == 1) {
        luma.across = luma.down = 1;  // of one component alone, an MCU is a block
        return true;
    }
    for (std::size_t i = 0; i < count; ++i) {
        if (components_[i].name != i + 1) return false;  // other names may mean other colours
        if (i > 0 && (components_[i].across != 1 || components_[i].down != 1)) return false;
    }
    return luma.across <= 2 && luma.down <= luma.across;
}

bool Decoder::read_scan_header(Bytes segment) {
    const std::size_t count = components_.size();
    if (count == 0 || segment.size() != 4 + 2 * count || segment[0] != count) return false;
    for (std::size_t i = 0; i < count; ++i) {
        Component& component = components_[i];
        const std::uint8_t tables = segment[2 + 2 * i];
        component.dc_table = tables >> 4;
        component.ac_table = tables & 15;
        if (segment[1 + 2 * i] != component.name) return false;
        if (component.dc_table >= kTables || component.ac_table >= kTables) return false;
        if (!has_steps_[component.steps] || !dc_[component.dc_table].is_built() ||
            !ac_[component.ac_table].is_built())
            return false;
    }
    if (file_.size() > kWorthPairs)
        for (const Component& component : components_) ac_[component.ac_table].build_pairs();
    const Bytes range = segment.subspan(1 + 2 * count);  // of coefficients, and of their bits
    return range[0] == 0 && range[1] == kBlock - 1 && range[2] == 0;
}

// Sizes, and room for the planes.
bool Decoder::plan() {
    if (request_.reduced_side > 0) {
        const std::int64_t ratio = std::min(height_, width_) / request_.reduced_side;
        scale_ = ratio >= 8 ? 8 : ratio >= 4 ? 4 : ratio >= 2 ? 2 : 1;
    }
    if (divided_up(height_, scale_) * divided_up(width_, scale_) > request_.max_decoded)
        return false;
    if (scale_ < 4 && height_ * width_ > kLargestWhole) return false;
    const Component& luma = components_[0];
    const int mcu_width = kBlockSide * luma.across, mcu_height = kBlockSide * luma.down;
    rows_ = divided_up(height_, mcu_height);
    columns_ = divided_up(width_, mcu_width);
    std::int64_t blocks = 0;
    const int smallest = kBlockSide / scale_;
    for (Component& component : components_) {
        // Chroma that is coarser in both directions is reduced less instead of being enlarged.
        const bool coarser = component.across < luma.across && component.down < luma.down;
        component.side = coarser && scale_ > 1 ? 2 * smallest : smallest;
        blocks += rows_ * columns_ * component.across * component.down;
        Plane& plane = component.plane;
        plane.height = divided_up(height_ * component.down * component.side, mcu_height);
        plane.width = divided_up(width_ * component.across * component.side, mcu_width);
        plane.stride = columns_ * component.across * component.side;
    }
    // A block has two codes of one bit at least: small files do not get much memory.
    if (blocks / 4 > static_cast<std::int64_t>(file_.size())) return false;
    for (Component& component : components_) {
        const std::int64_t lines = rows_ * component.down * component.side;
        component.plane.samples.resize(static_cast<std::size_t>(lines * component.plane.stride));
    }
    return true;
}

// Takes the bytes up to the end marker together, without what is stuffed in between them.
bool Decoder::collect_scan() {
    const std::uint8_t* at = file_.data() + scan_start_;
    const std::uint8_t* const end = file_.data() + file_.size();
    scan_.resize(static_cast<std::size_t>(end - at) + BitReader::kPadding);
    std::uint8_t* out = scan_.data();
    while (true) {
        const auto* const mark = static_cast<const std::uint8_t*>(
            std::memchr(at, 0xFF, static_cast<std::size_t>(end - at)));
        if (mark == nullptr || mark + 1 == end) return false;
        out = std::copy(at, mark, out);
        at = mark + 2;
        const std::uint8_t marker = mark[1];
        if (marker == 0) {
            *out++ = 0xFF;
            continue;
        }
        const auto expected = static_cast<std::uint8_t>(
            first_restart + parts_.size() % (last_restart - first_restart + 1));
        parts_.push_back(static_cast<std::size_t>(out - scan_.data()));
        if (marker == end_of_image) break;
        if (marker != expected) return false;
    }
    std::fill_n(out, BitReader::kPadding, std::uint8_t{0});
    const std::int64_t mcus = rows_ * columns_;
    const std::int64_t parts = interval_ == 0 ? 1 : divided_up(mcus, interval_);
    return static_cast<std::int64_t>(parts_.size()) == parts;
}

bool Decoder::read_scan() {
    const std::int64_t mcus = rows_ * columns_;
    std::int64_t mcu = 0;
    std::size_t start = 0;
    for (const std::size_t end : parts_) {
        const std::uint8_t* const first = scan_.data() + start;
        const auto available = static_cast<std::int64_t>(8 * (end - start));
        BitReader bits;
        bits.start(first);
        for (Component& component : components_) component.dc = 0;
        const std::int64_t stop = interval_ == 0 ? mcus : std::min(mcus, mcu + interval_);
        for (; mcu < stop; ++mcu) {
            // An MCU is six blocks at most, each of which runs as far as the padding.
            if (!read_mcu(bits, mcu / columns_, mcu % columns_)) return false;
            if (bits.position(first) > available) return false;
        }
        if (available - bits.position(first) >= 8) return false;  // more than it needs
        start = end;
    }
    return true;
}

bool Decoder::read_mcu(BitReader& bits, std::int64_t row, std::int64_t column) {
    for (Component& component : components_) {
        const HuffmanTable& dc_table = dc_[component.dc_table];
        const HuffmanTable& ac_table = ac_[component.ac_table];
        const Steps& steps = steps_[component.steps];
        Plane& plane = component.plane;
        for (int down = 0; down < component.down; ++down) {
            const std::int64_t y = (row * component.down + down) * component.side;
            for (int across = 0; across < component.across; ++across) {
                const std::int64_t x = (column * component.across + across) * component.side;
                Coefficients block{};
                const int last = read_block(bits, dc_table, ac_table, steps, component.dc, block);
                if (last < 0 ||
                    !inverse_dct(block, last, component.side,
                                 plane.samples.data() + y * plane.stride + x, plane.stride))
                    return false;
            }
        }
    }
    return true;
}

Pixels Decoder::finish() {
    Pixels pixels{divided_up(height_, scale_),
                  divided_up(width_, scale_),
                  static_cast<std::ptrdiff_t>(components_.size()),
                  {}};
    pixels.values.resize(static_cast<std::size_t>(pixels.height * pixels.width * pixels.channels));
    if (pixels.channels == 1) {
        const Plane& plane = components_[0].plane;
        for (std::ptrdiff_t y = 0; y < pixels.height; ++y)
            std::copy_n(plane.samples.data() + y * plane.stride, pixels.width,
                        pixels.values.data() + y * pixels.width);
        return pixels;
    }
    const Component& luma = components_[0];
    const Component& chroma = components_[1];
    const Enlargement enlargement{luma.across * luma.side / chroma.side,
                                  luma.down * luma.side / chroma.side};
    const Plane planes[3] = {std::move(components_[0].plane), std::move(components_[1].plane),
                             std::move(components_[2].plane)};
    to_rgb(planes, enlargement, scale_ < kBlockSide, pixels);
    return pixels;
}

}  // namespace

std::optional<Jpeg> plain_jpeg(Bytes file, const JpegRequest& request) {
    // Tables of 40 kB: not on the stack.
    return std::make_unique<Decoder>(file, request)->decode();
}

}  // namespace nncore::images
