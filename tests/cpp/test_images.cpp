// Picture files, PNG filters, and facts about files.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <numeric>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "check.h"
#include "images/plain_jpeg.h"
#include "images/plain_png.h"
#include "images/png_filters.h"
#include "picture_files.h"
#include "random.h"
#include "runtime/file_status.h"
#include "runtime/plain_files.h"
#include "runtime/read_file.h"

using nncore::images::undo_png_filters;

namespace {

using Bytes = std::vector<std::uint8_t>;

Bytes undone(const Bytes& lines, std::ptrdiff_t height, std::ptrdiff_t line_bytes,
             std::ptrdiff_t pixel_bytes) {
    Bytes pixels(static_cast<std::size_t>(height * line_bytes));
    undo_png_filters(lines.data(), height, line_bytes, pixel_bytes, pixels.data());
    return pixels;
}

// The specification's formulas, worked out by hand for two lines of two RGB pixels.
TEST(filters_of_the_specification) {
    const Bytes first{0, 10, 20, 30, 40, 50, 60};
    const auto second = [&](std::uint8_t filter, Bytes values) {
        Bytes lines = first;
        lines.push_back(filter);
        lines.insert(lines.end(), values.begin(), values.end());
        const Bytes pixels = undone(lines, 2, 6, 3);
        CHECK((Bytes(pixels.begin(), pixels.begin() + 6) == Bytes{10, 20, 30, 40, 50, 60}));
        return Bytes(pixels.begin() + 6, pixels.end());
    };
    CHECK((second(0, {1, 2, 3, 4, 5, 6}) == Bytes{1, 2, 3, 4, 5, 6}));
    CHECK((second(1, {1, 2, 3, 4, 5, 255}) == Bytes{1, 2, 3, 5, 7, 2}));
    CHECK((second(2, {1, 2, 3, 4, 5, 200}) == Bytes{11, 22, 33, 44, 55, 4}));
    // Half of above; half of left and above, rounded down.
    CHECK((second(3, {1, 2, 4, 4, 5, 6}) == Bytes{6, 12, 19, 27, 36, 45}));
    // left 5, above 40, above left 10: 35 is nearest to above.
    CHECK((second(4, {251, 2, 3, 4, 5, 6}) == Bytes{5, 22, 33, 44, 55, 66}));
}

TEST(the_first_line_has_zeros_above) {
    for (const std::uint8_t filter : Bytes{0, 2})
        CHECK((undone({filter, 7, 8}, 1, 2, 1) == Bytes{7, 8}));
    CHECK((undone({1, 7, 8}, 1, 2, 1) == Bytes{7, 15}));
    CHECK((undone({3, 7, 8}, 1, 2, 1) == Bytes{7, 11}));
    CHECK((undone({4, 7, 8}, 1, 2, 1) == Bytes{7, 15}));
}

TEST(unknown_filters_are_named) {
    CHECK_THROWS(std::invalid_argument, "line 1 has filter type 5", undone({0, 1, 5, 1}, 2, 1, 1));
}

std::int64_t sum(const nncore::images::Pixels& pixels) {
    return std::accumulate(pixels.values.begin(), pixels.values.end(), std::int64_t{0});
}

constexpr std::int64_t kLimit = 1 << 20;

std::optional<nncore::images::Jpeg> jpeg(const Bytes& file, std::int64_t reduced_side = 0) {
    // A copy of exactly the file: the sanitizer sees every byte that is read beyond it.
    const std::unique_ptr<std::uint8_t[]> copy(new std::uint8_t[file.size()]);
    std::copy(file.begin(), file.end(), copy.get());
    return nncore::images::plain_jpeg({copy.get(), file.size()},
                                      {kLimit, kLimit, reduced_side, true});
}

std::optional<nncore::images::Pixels> png(const Bytes& file) {
    const std::unique_ptr<std::uint8_t[]> copy(new std::uint8_t[file.size()]);
    std::copy(file.begin(), file.end(), copy.get());
    return nncore::images::PngReader().read({copy.get(), file.size()}, kLimit);
}

TEST(plain_jpegs) {
    if (nncore::images::libjpeg_release() == nullptr) {
        CHECK(!jpeg(kGrayJpeg));  // left to Python
        return;
    }
    CHECK_EQUAL(std::int64_t{52718}, sum(jpeg(kGrayJpeg)->pixels));
    CHECK_EQUAL(std::int64_t{140851}, sum(jpeg(kHalvedJpeg)->pixels));
    CHECK_EQUAL(std::int64_t{140940}, sum(jpeg(kNarrowedJpeg)->pixels));
    CHECK_EQUAL(std::int64_t{144853}, sum(jpeg(kProgressiveJpeg)->pixels));
    const auto reduced = jpeg(kHalvedJpeg, 4);
    CHECK_EQUAL(std::ptrdiff_t{5}, reduced->pixels.height);  // 18 / 4, rounded up
    CHECK_EQUAL(std::ptrdiff_t{6}, reduced->pixels.width);
    CHECK_EQUAL(std::int64_t{18}, reduced->height);
}

TEST(plain_pngs) {
    if (nncore::images::zlib_release() == nullptr) {
        CHECK(!png(kRgbPng));
        return;
    }
    CHECK_EQUAL(std::int64_t{16911}, sum(*png(kRgbPng)));
}

// Nothing is read or written out of bounds, whatever a file says: for the sanitizers.
TEST(damaged_files_do_no_harm) {
    Random random(1);
    int taken = 0;
    for (const Bytes& file : {kGrayJpeg, kHalvedJpeg, kNarrowedJpeg, kProgressiveJpeg, kRgbPng}) {
        const bool is_png = file[0] == 0x89;
        for (std::size_t end = 0; end < file.size(); ++end) {
            const Bytes part(file.begin(), file.begin() + static_cast<std::ptrdiff_t>(end));
            CHECK(!jpeg(part) && !png(part));
        }
        for (int number = 0; number < 4000; ++number) {
            Bytes spoiled = file;
            for (int i = 0; i <= number % 4; ++i)
                spoiled[static_cast<std::size_t>(random.below(std::ssize(spoiled)))] =
                    static_cast<std::uint8_t>(random.below(256));
            if (is_png) {
                CHECK(spoiled == file || !png(spoiled));  // a checksum covers every byte
                continue;
            }
            for (const std::int64_t side : {0, 9, 4, 2}) taken += jpeg(spoiled, side) ? 1 : 0;
        }
    }
    // Else the damage was never reached.
    CHECK(taken > 1000 || nncore::images::libjpeg_release() == nullptr);
}

TEST(small_files_and_their_names) {
    const char* const path = "test_images.tmp";
    std::FILE* const file = std::fopen(path, "wb");
    std::fputs("four", file);
    std::fclose(file);
    Bytes content;
    CHECK(nncore::runtime::read_small_file(path, 4, content));
    CHECK((content == Bytes{'f', 'o', 'u', 'r'}));
    CHECK(!nncore::runtime::read_small_file(path, 3, content));
    CHECK(!nncore::runtime::read_small_file(".", 1 << 20, content));
    std::remove(path);
    CHECK(!nncore::runtime::read_small_file(path, 4, content));
    CHECK(!nncore::runtime::plain_files(path));
}

TEST(status_of_files) {
    const char* const path = "test_images.tmp";
    std::FILE* const file = std::fopen(path, "wb");
    std::fputs("four", file);
    std::fclose(file);
    const auto status = nncore::runtime::file_status(path);
    CHECK_EQUAL(std::int64_t{4}, status.size);
    CHECK(status.inode > 0);
    CHECK(status.modified > 1'500'000'000'000'000'000);
    CHECK(status.changed >= status.modified);
    std::remove(path);
    const auto gone = nncore::runtime::file_status(path);
    CHECK_EQUAL(std::int64_t{-1}, gone.size);
    CHECK_EQUAL(std::int64_t{-1}, gone.modified);
    CHECK_EQUAL(std::int64_t{-1}, gone.inode);
}

}  // namespace
