#include "jpeg_huffman.h"

#include <algorithm>

namespace nncore::images {
namespace {

// From zigzag order to rows; indices beyond the last one, as damaged files have them, fall on it.
constexpr std::array<std::uint8_t, kBlock + 32> kRows = [] {
    constexpr std::array<std::uint8_t, kBlock> zigzag{
        0,  1,  8,  16, 9,  2,  3,  10, 17, 24, 32, 25, 18, 11, 4,  5,  12, 19, 26, 33, 40, 48,
        41, 34, 27, 20, 13, 6,  7,  14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23,
        30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63};
    std::array<std::uint8_t, kBlock + 32> rows{};
    rows.fill(zigzag.back());
    std::copy(zigzag.begin(), zigzag.end(), rows.begin());
    return rows;
}();

constexpr int kEndOfBlock = 0x00;
constexpr int kSixteenZeros = 0xF0;
constexpr int kLongestCode = 16;

// Of numbers, in baseline files (T.81, tables F.1 and F.2).
constexpr int kLongestDc = 11, kLongestAc = 10;

}  // namespace

bool HuffmanTable::build(const std::uint8_t* counts, Bytes symbols, bool is_dc) {
    built_ = false;
    entries_.fill(Entry());
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
                if (size > 0 && size <= free)
                    entry = Entry(extended(rest >> (free - size), size), symbol, length + size);
                else
                    entry = Entry(0, symbol, length);
            }
        }
        limit_[static_cast<std::size_t>(length)] = code << (kLongestCode - length);
        code <<= 1;
    }
    built_ = next == symbols.size();
    return built_;
}

void HuffmanTable::build_pairs() {
    pairs_.assign(std::size_t{1} << kPairBits, Pair{});
    constexpr std::uint32_t mask = (1 << kPairBits) - 1;
    const auto look_at = [this](std::uint32_t bits) {
        return entries_[bits >> (kPairBits - kLookBits)];
    };
    for (std::uint32_t bits = 0; bits <= mask; ++bits) {
        const Entry first = look_at(bits);
        if (first.value() == 0) continue;
        Pair& pair = pairs_[bits];
        pair.first = static_cast<std::int16_t>(first.value());
        pair.skip_first = static_cast<std::uint8_t>((first.symbol() >> 4) + 1);
        pair.length = static_cast<std::uint8_t>(first.length());
        const Entry second = look_at(bits << first.length() & mask);
        const int length = first.length() + second.length();
        // Bits behind the look count as 0 here: what ends before them does not depend on them.
        if (second.length() == 0 || length > kPairBits) continue;
        pair.ends = second.value() == 0 && second.symbol() == kEndOfBlock;
        if (second.value() == 0 && !pair.ends) continue;
        pair.length = static_cast<std::uint8_t>(length);
        if (pair.ends) continue;
        pair.second = static_cast<std::int16_t>(second.value());
        pair.skip_second = static_cast<std::uint8_t>((second.symbol() >> 4) + 1);
    }
}

HuffmanTable::Entry HuffmanTable::long_code(std::uint32_t ahead) const {
    for (int length = 1; length <= kLongestCode; ++length) {
        const auto i = static_cast<std::size_t>(length);
        if (ahead >= limit_[i]) continue;
        const auto code = static_cast<std::int32_t>(ahead >> (kLongestCode - length));
        return {0, symbols_[static_cast<std::size_t>(code + offset_[i])], length};
    }
    return {};
}

namespace {

// A symbol at the next bits, without its number; skipped. Length 0: there is none.
HuffmanTable::Entry next_symbol(const HuffmanTable& table, HuffmanTable::Entry entry,
                                BitReader& bits) {
    if (entry.length() == 0) entry = table.long_code(bits.peek(kLongestCode));
    bits.skip(entry.length());
    return entry;
}

int next_number(int size, BitReader& bits) {
    const int number = extended(bits.peek(size), size);
    bits.skip(size);
    return number;
}

}  // namespace

int read_block(BitReader& reader, const HuffmanTable& dc_table, const HuffmanTable& ac_table,
               const Steps& steps, int& dc, Coefficients& block) {
    BitReader bits = reader;  // in registers, while nobody else sees it
    bits.refill();
    const HuffmanTable::Entry first = dc_table.look(bits);
    if (first.value() != 0) {
        bits.skip(first.length());
        dc += first.value();
    } else {
        const HuffmanTable::Entry entry = next_symbol(dc_table, first, bits);
        if (entry.length() == 0) return -1;
        if (entry.symbol() > 0) dc += next_number(entry.symbol(), bits);
    }
    // Far more than any picture has, and small enough for the product.
    if (dc < -32768 || dc > 32767) return -1;
    const int mean = dc * steps[0];
    block[0] = static_cast<std::int16_t>(mean);

    // All numbers of the block, moved so that those of 14 bits are not negative, OR-ed together.
    std::uint32_t all = moved(mean);
    int k = 0;  // of the last coefficient
    const auto put = [&](int index, int number) {
        const auto at = static_cast<std::size_t>(index);
        const int coefficient = number * steps[at];
        all |= moved(coefficient);
        block[kRows[at]] = static_cast<std::int16_t>(coefficient);
    };
    const HuffmanTable::Pair* const pairs = ac_table.pairs();
    while (true) {
        bits.refill();  // enough for two, of 26 bits at most
        for (int i = 0; i < 2; ++i) {
            if (pairs != nullptr) {
                const HuffmanTable::Pair pair = pairs[bits.peek(HuffmanTable::kPairBits)];
                const int next = k + pair.skip_first;
                // Behind the last coefficient, the bits belong to another block.
                if (pair.first != 0 && next < kBlock - 1) [[likely]] {
                    bits.skip(pair.length);
                    k = next + pair.skip_second;
                    put(k, pair.second);  // where there is no second, the first takes its place
                    put(next, pair.first);
                    if (!pair.ends && k < kBlock - 1) continue;
                    reader = bits;
                    return has_misfit(all) || k >= kBlock ? -1 : k;
                }
            }
            const HuffmanTable::Entry entry = ac_table.look(bits);
            int number = entry.value();
            int zeros = entry.symbol() >> 4;
            if (number != 0) [[likely]] {
                bits.skip(entry.length());
            } else {
                const HuffmanTable::Entry found = next_symbol(ac_table, entry, bits);
                const int symbol = found.symbol();
                const int size = symbol & 15;
                if (size == 0) {
                    const bool skips = symbol == kSixteenZeros;
                    if (found.length() == 0 || (symbol != kEndOfBlock && !skips)) return -1;
                    if (skips) k += 16;
                    if (skips && k < kBlock - 1) continue;
                    reader = bits;
                    return has_misfit(all) ? -1 : std::min(k, kBlock - 1);
                }
                zeros = symbol >> 4;
                number = next_number(size, bits);
            }
            k += zeros + 1;
            put(k, number);
            if (k >= kBlock - 1) {
                reader = bits;
                return has_misfit(all) || k >= kBlock ? -1 : k;
            }
        }
    }
}

}  // namespace nncore::images
