#include "jpeg_huffman.h"

#include <algorithm>

namespace nncore::images {
namespace {

// From zigzag order to rows; indices beyond the last one, as damaged files have them, fall on it.
constexpr std::array<std::uint8_t, kBlock + 16> kRows{
    0,  1,  8,  16, 9,  2,  3,  10, 17, 24, 32, 25, 18, 11, 4,  5,  12, 19, 26, 33,
    40, 48, 41, 34, 27, 20, 13, 6,  7,  14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36,
    29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54,
    47, 55, 62, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63};

constexpr int kEndOfBlock = 0x00;
constexpr int kSixteenZeros = 0xF0;
constexpr int kLongestCode = 16;

// Of numbers, in baseline files (T.81, tables F.1 and F.2).
constexpr int kLongestDc = 11, kLongestAc = 10;

}  // namespace

bool HuffmanTable::build(const std::uint8_t* counts, Bytes symbols, bool is_dc) {
    built_ = false;
    entries_.fill(Entry{0, 0, 0});
    std::uint32_t code = 0;
    std::size_t next = 0;
    for (int length = 1; length <= kLongestCode; ++length) {
        offset_[static_cast<std::size_t>(length)] =
            static_cast<std::int32_t>(next) - static_cast<std::int32_t>(code);
        const int count = counts[length - 1];
        if (code + static_cast<std::uint32_t>(count) > std::uint32_t{1} << length) return false;
        for (int i = 0; i < count; ++i, ++code, ++next) {
            if (next >= symbols.size() || next >= symbols_.size()) return false;
            const std::uint8_t symbol = symbols[next];
            const int size = symbol & 15;
            if (is_dc ? symbol > kLongestDc : size > kLongestAc) return false;
            symbols_[next] = symbol;
            if (length > kLookBits) continue;
            const int free = kLookBits - length;  // bits of the look that follow the code
            const std::uint32_t first = code << free;
            for (std::uint32_t rest = 0; rest < std::uint32_t{1} << free; ++rest) {
                Entry& entry = entries_[first + rest];
                entry.symbol = symbol;
                entry.length = static_cast<std::uint8_t>(length);
                if (size == 0 || size > free) continue;
                entry.value = static_cast<std::int16_t>(extended(rest >> (free - size), size));
                entry.length = static_cast<std::uint8_t>(length + size);
            }
        }
        limit_[static_cast<std::size_t>(length)] = code << (kLongestCode - length);
        code <<= 1;
    }
    built_ = next == symbols.size();
    return built_;
}

int HuffmanTable::long_symbol(BitReader& bits) const {
    const std::uint32_t ahead = bits.peek(kLongestCode);
    for (int length = 1; length <= kLongestCode; ++length) {
        const auto i = static_cast<std::size_t>(length);
        if (ahead >= limit_[i]) continue;
        const auto code = static_cast<std::int32_t>(ahead >> (kLongestCode - length));
        bits.skip(length);
        return symbols_[static_cast<std::size_t>(code + offset_[i])];
    }
    return -1;
}

int read_block(BitReader& bits, const HuffmanTable& dc_table, const HuffmanTable& ac_table,
               const Steps& steps, int& dc, Coefficients& block) {
    bits.refill();
    const HuffmanTable::Entry first = dc_table.look(bits);
    if (first.value != 0) {
        bits.skip(first.length);
        dc += first.value;
    } else {
        const int size = dc_table.symbol(first, bits);
        if (size < 0) return -1;
        if (size > 0) {
            dc += extended(bits.peek(size), size);
            bits.skip(size);
        }
    }
    // Far more than any picture has, and small enough for the product.
    if (dc < -32768 || dc > 32767) return -1;
    std::uint32_t misfits = misfit(dc * steps[0]);
    block[0] = static_cast<std::int16_t>(dc * steps[0]);

    int last = 0;
    for (int k = 1; k < kBlock; ++k) {
        bits.refill();
        const HuffmanTable::Entry entry = ac_table.look(bits);
        int value = entry.value;
        if (value != 0) {
            bits.skip(entry.length);
            k += entry.symbol >> 4;
        } else {
            const int symbol = ac_table.symbol(entry, bits);
            if (symbol == kEndOfBlock) break;
            const int size = symbol & 15;
            if (symbol < 0 || (size == 0 && symbol != kSixteenZeros)) return -1;
            k += symbol >> 4;
            if (size == 0) continue;
            value = extended(bits.peek(size), size);
            bits.skip(size);
        }
        const auto at = static_cast<std::size_t>(k);
        const int coefficient = value * steps[at];
        misfits |= misfit(coefficient);
        block[kRows[at]] = static_cast<std::int16_t>(coefficient);
        last = k;
    }
    return misfits != 0 || last >= kBlock ? -1 : last;
}

}  // namespace nncore::images
