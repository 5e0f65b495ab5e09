// The entropy-coded part of a JPEG file: bits, Huffman codes, blocks of coefficients.
#pragma once

#include <array>
#include <bit>
#include <cstring>

#include "pixels.h"

namespace nncore::images {

inline constexpr int kBlock = 64;  // coefficients of a block of 8 x 8

// Of one component: quantisation steps in zigzag order, for indices up to 31 beyond the last one.
using Steps = std::array<std::uint16_t, kBlock + 32>;

// A block's coefficients, dequantised, in the order of rows.
using Coefficients = std::array<std::int16_t, kBlock>;

// Numbers of the transform fit 14 bits in any picture. Of larger ones, in damaged files, decoders
// make different things: some wrap around, some saturate. `moved` numbers, OR-ed together, show
// whether all of them fit.
inline std::uint32_t moved(int value) { return static_cast<std::uint32_t>(value) + 8192U; }
inline bool has_misfit(std::uint32_t moved_numbers) { return moved_numbers >= 16384U; }

// Reads bits from bytes without markers and stuffing. Runs up to `kPadding` bytes beyond the end,
// which must be readable; whether it has run beyond is for the caller to ask.
class BitReader {
 public:
    static constexpr std::size_t kPadding = 2048;

    void start(const std::uint8_t* at) {
        at_ = at;
        bits_ = 0;
        count_ = 0;
    }

    // At least 56 bits are there then.
    void refill() {
        std::uint64_t next;
        std::memcpy(&next, at_, sizeof next);
        if constexpr (std::endian::native == std::endian::little) next = __builtin_bswap64(next);
        bits_ |= next >> count_;
        at_ += (63 - count_) >> 3;
        count_ |= 56;
    }

    // The next `count` bits, 1 to 32, without going on.
    std::uint32_t peek(int count) const {
        return static_cast<std::uint32_t>(bits_ >> (64 - count));
    }

    void skip(int count) {
        bits_ <<= count;
        count_ -= count;
    }

    // Where the next bit is, in bits from `start`.
    std::int64_t position(const std::uint8_t* start) const { return 8 * (at_ - start) - count_; }

 private:
    const std::uint8_t* at_ = nullptr;
    std::uint64_t bits_ = 0;  // the next one is the highest
    int count_ = 0;
};

// A Huffman table (ITU-T T.81, annexes C and F.2.2.3). Most codes are found by one look at the next
// bits, together with the number that follows the code.
class HuffmanTable {
 public:
    static constexpr int kLookBits = 10;

    // What stands at the next bits: a code, and if the bits go so far, the number behind it.
    class Entry {
     public:
        Entry() = default;
        Entry(int value, int symbol, int length)
            : packed_(static_cast<std::int32_t>(static_cast<std::uint32_t>(value) << 16) |
                      symbol << 8 | length) {}
        int value() const { return packed_ >> 16; }  // 0: the number is not there, or not whole
        int symbol() const { return packed_ >> 8 & 255; }
        int length() const { return packed_ & 255; }  // in bits; 0: a longer code, or none

     private:
        std::int32_t packed_ = 0;  // one load
    };

    // `counts`: codes of each length from 1 to 16; `symbols`: their meaning, as many as they are.
    // False if no such code exists, or a symbol stands for a number longer than a baseline file
    // has.
    bool build(const std::uint8_t* counts, Bytes symbols, bool is_dc);

    bool is_built() const { return built_; }
    Entry look(const BitReader& bits) const { return entries_[bits.peek(kLookBits)]; }

    // What two codes stand for that lie within the next `kPairBits` bits, with their numbers.
    struct Pair {
        std::int16_t first = 0, second = 0;  // first 0: not even one fits; second 0: one only
        std::uint8_t skip_first = 0;         // 1 more than the zeros before it
        std::uint8_t skip_second = 0;
        std::uint8_t length = 0;  // of all in bits
        bool ends = false;        // the second code is that of the end of the block
    };
    static constexpr int kPairBits = 11;

    // Pairs save half of the looks, where more is decoded than making them takes.
    void build_pairs();
    const Pair* pairs() const { return pairs_.empty() ? nullptr : pairs_.data(); }

    // Any code, given the next 16 bits, as an entry of value 0; length 0 if there is none.
    Entry long_code(std::uint32_t ahead) const;

 private:
    bool built_ = false;
    std::array<Entry, 1 << kLookBits> entries_;
    std::vector<Pair> pairs_;
    std::array<std::uint8_t, 256> symbols_{};
    std::array<std::uint32_t, 17> limit_{};  // codes of this length are below it, as 16 bits
    std::array<std::int32_t, 17> offset_{};  // from a code of this length to its symbol
};

// The number that `bits` stand for (T.81, table F.1 and figure F.12).
inline int extended(std::uint32_t bits, int count) {
    const int value = static_cast<int>(bits);
    return value < 1 << (count - 1) ? value - (1 << count) + 1 : value;
}

// Reads one block into zeroed `block`; `dc` is the previous one's, and becomes this one's. The
// index in zigzag order of the last coefficient that is not zero, or -1: damaged, or with a misfit.
int read_block(BitReader& bits, const HuffmanTable& dc_table, const HuffmanTable& ac_table,
               const Steps& steps, int& dc, Coefficients& block);

}  // namespace nncore::images
