// PNG filters and the status of files.
#include <cstdint>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <vector>

#include "check.h"
#include "images/png_filters.h"
#include "runtime/file_status.h"

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
