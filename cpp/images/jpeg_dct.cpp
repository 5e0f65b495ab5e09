// After C. Loeffler, A. Ligtenberg and G. Moschytz, "Practical fast 1-D DCT algorithms with 11
// multiplications", ICASSP 1989, in fixed point; the reduced ones are that with the outputs that
// are not wanted left out. Which products are rounded, and where, is as in libjpeg's jidctint.c and
// jidctred.c: the samples would not be the same otherwise.
#include "jpeg_dct.h"

#include <algorithm>

namespace nncore::images {
namespace {

constexpr int kFraction = 13;  // bits behind the point of the constants
constexpr int kBetween = 2;    // and of the numbers between the passes

constexpr int fixed(double value) { return static_cast<int>(value * (1 << kFraction) + 0.5); }

constexpr int rounded(int value, int bits) { return (value + (1 << (bits - 1))) >> bits; }

std::uint8_t sample(int value) {
    return static_cast<std::uint8_t>(std::clamp(value + 128, 0, 255));
}

// Not 0 where a sample is so far beyond black or white that some decoders wrap it around.
std::uint32_t wild(int value) {
    return (static_cast<std::uint32_t>(value) + 512U) & ~std::uint32_t{1023};
}

// The last column that is not zero, by the last index in zigzag order.
constexpr std::array<std::uint8_t, kBlock> kColumns = [] {
    std::array<std::uint8_t, kBlock> result{};
    int row = 0, column = 0, widest = 0;
    for (auto& entry : result) {
        widest = std::max(widest, column);
        entry = static_cast<std::uint8_t>(widest);
        const bool up = (row + column) % 2 == 0;
        int& ahead = up ? column : row;  // what grows along the diagonal, up to 7
        int& behind = up ? row : column;
        if (ahead == 7) {
            ++behind;
        } else {
            ++ahead;
            if (behind > 0) --behind;
        }
    }
    return result;
}();

// One dimension, 8 numbers `step` apart to 8, which `put(i, number)` takes with 13 bits more.
template <class Get, class Put>
void transform_8(const Get& in, const Put& put) {
    const int even = (in(2) + in(6)) * fixed(0.541196100);
    const int two = even - in(6) * fixed(1.847759065);
    const int three = even + in(2) * fixed(0.765366865);
    const int zero = (in(0) + in(4)) * (1 << kFraction);
    const int one = (in(0) - in(4)) * (1 << kFraction);
    const int sums[4] = {zero + three, one + two, one - two, zero - three};

    const int all = (in(7) + in(3) + in(5) + in(1)) * fixed(1.175875602);
    const int z1 = (in(7) + in(1)) * -fixed(0.899976223);
    const int z2 = (in(5) + in(3)) * -fixed(2.562915447);
    const int z3 = (in(7) + in(3)) * -fixed(1.961570560) + all;
    const int z4 = (in(5) + in(1)) * -fixed(0.390180644) + all;
    const int odd[4] = {in(1) * fixed(1.501321110) + z1 + z4, in(3) * fixed(3.072711026) + z2 + z3,
                        in(5) * fixed(2.053119869) + z2 + z4, in(7) * fixed(0.298631336) + z1 + z3};
    for (int i = 0; i < 4; ++i) {
        put(i, sums[i] + odd[i]);
        put(7 - i, sums[i] - odd[i]);
    }
}

// 8 numbers to 4, with 14 bits more; the fifth is not used.
template <class Get, class Put>
void transform_4(const Get& in, const Put& put) {
    const int zero = in(0) * (1 << (kFraction + 1));
    const int even = in(2) * fixed(1.847759065) - in(6) * fixed(0.765366865);
    const int inner = in(5) * fixed(1.451774981) + in(1) * fixed(1.061594337) -
                      in(7) * fixed(0.211164243) - in(3) * fixed(2.172734803);
    const int outer = in(3) * fixed(0.899976223) + in(1) * fixed(2.562915447) -
                      in(7) * fixed(0.509795579) - in(5) * fixed(0.601344887);
    put(0, zero + even + outer);
    put(3, zero + even - outer);
    put(1, zero - even + inner);
    put(2, zero - even - inner);
}

// 8 numbers to 2, with 15 bits more; of the even ones only the first is used.
template <class Get, class Put>
void transform_2(const Get& in, const Put& put) {
    const int zero = in(0) * (1 << (kFraction + 2));
    const int odd = in(5) * fixed(0.850430095) + in(1) * fixed(3.624509785) -
                    in(7) * fixed(0.720959822) - in(3) * fixed(1.272758580);
    put(0, zero + odd);
    put(1, zero - odd);
}

template <int size>
constexpr int kMore = kFraction + (size == 8   ? 0
                                   : size == 4 ? 1
                                               : 2);

template <int size, class Get, class Put>
void transform(const Get& in, const Put& put) {
    if constexpr (size == 8) transform_8(in, put);
    if constexpr (size == 4) transform_4(in, put);
    if constexpr (size == 2) transform_2(in, put);
}

template <int size>
constexpr bool uses(int column) {
    return size == 8 || (size == 4 && column != 4) || column % 2 == 1 || column == 0;
}

// Columns, then rows.
template <int size>
bool two_passes(const Coefficients& block, int last, std::uint8_t* out, std::ptrdiff_t stride) {
    int between[size][8] = {};
    std::uint32_t all = 0;
    const int columns = kColumns[static_cast<std::size_t>(last)];
    for (int x = 0; x <= columns; ++x) {
        if (!uses<size>(x)) continue;
        const std::int16_t* const column = block.data() + x;
        transform<size>([&](int i) { return int{column[8 * i]}; },
                        [&](int i, int value) {
                            between[i][x] = rounded(value, kMore<size> - kBetween);
                            all |= moved(between[i][x]);
                        });
    }
    if (has_misfit(all)) return false;
    std::uint32_t wilds = 0;
    for (int y = 0; y < size; ++y) {
        const int* const line = between[y];
        std::uint8_t* const to = out + y * stride;
        transform<size>([&](int i) { return line[i]; },
                        [&](int i, int value) {
                            const int result = rounded(value, kMore<size> + kBetween + 3);
                            to[i] = sample(result);
                            wilds |= wild(result);
                        });
    }
    return wilds == 0;
}

}  // namespace

bool inverse_dct(const Coefficients& block, int last, int size, std::uint8_t* out,
                 std::ptrdiff_t stride) {
    if (size == 1 || last == 0) {
        const int mean = rounded(block[0], 3);
        for (int y = 0; y < size; ++y) std::fill_n(out + y * stride, size, sample(mean));
        return wild(mean) == 0;
    }
    if (size == 8) return two_passes<8>(block, last, out, stride);
    if (size == 4) return two_passes<4>(block, last, out, stride);
    return two_passes<2>(block, last, out, stride);
}

}  // namespace nncore::images
