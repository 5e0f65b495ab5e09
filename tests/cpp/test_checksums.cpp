// Checksums by which damage is found, and blocks that are compared with theirs before use.
#include <atomic>
#include <set>
#include <stdexcept>
#include <thread>
#include <vector>

#include "check.h"
#include "guarded.h"
#include "random.h"
#include "runtime/checked_blocks.h"
#include "runtime/checksum.h"
#include "runtime/thread_limit.h"

using nncore::runtime::block_checksums;
using nncore::runtime::CheckedBlocks;
using nncore::runtime::checksum;

namespace {

std::vector<std::uint8_t> random_bytes(std::size_t size, std::uint64_t seed) {
    Random random(seed);
    std::vector<std::uint8_t> bytes(size);
    for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(random.bits());
    return bytes;
}

std::uint64_t of(const std::vector<std::uint8_t>& bytes) {
    return checksum(bytes.data(), bytes.size());
}

void flip(std::vector<std::uint8_t>& bytes, std::size_t bit) {
    bytes[bit / 8] = static_cast<std::uint8_t>(bytes[bit / 8] ^ (1 << bit % 8));
}

// A cache that one machine has made is read by another: they must mean the same.
TEST(checksums_are_the_same_everywhere) {
    CHECK_EQUAL(std::uint64_t{0x4b3255f685c1f47a}, of({}));
    CHECK_EQUAL(std::uint64_t{0xd28755ca2fb04474}, of(random_bytes(999, 1)));
}

TEST(nothing_behind_the_bytes_is_read) {
    for (std::ptrdiff_t size = 0; size < 600; ++size) {
        const GuardedArray<std::uint8_t> bytes(size, kAtFence);
        const std::vector<std::uint8_t> copy(bytes.data(), bytes.data() + size);
        CHECK_EQUAL(of(copy), checksum(bytes.data(), static_cast<std::size_t>(size)));
    }
}

TEST(every_flipped_bit_and_every_length_counts) {
    for (const std::size_t size : {1u, 7u, 8u, 127u, 128u, 129u, 255u, 256u, 300u, 1000u}) {
        std::vector<std::uint8_t> bytes = random_bytes(size, size);
        std::set<std::uint64_t> seen{of(bytes)};
        for (std::size_t bit = 0; bit < 8 * size; ++bit) {
            flip(bytes, bit);
            seen.insert(of(bytes));
            flip(bytes, bit);
        }
        CHECK_EQUAL(8 * size + 1, seen.size());
    }
    std::set<std::uint64_t> zeros;
    for (std::size_t size = 0; size < 2000; ++size)
        zeros.insert(of(std::vector<std::uint8_t>(size)));
    CHECK_EQUAL(std::size_t{2000}, zeros.size());
}

// What plain sums would miss: the same bit in two words, as memory at fault gives, and words that
// have changed places.
TEST(two_changes_do_not_cancel) {
    const std::size_t words = 16 * 140;
    for (std::vector<std::uint8_t> bytes :
         {random_bytes(8 * words, 5), std::vector<std::uint8_t>(8 * words),
          std::vector<std::uint8_t>(8 * words, 0xff)}) {
        const std::uint64_t whole = of(bytes);
        Random random(6);
        for (const std::size_t first : {std::size_t{0}, std::size_t{5}})
            for (std::size_t second = first + 1; second < words; ++second)
                for (const std::ptrdiff_t bit : {std::ptrdiff_t{63}, random.below(63)}) {
                    const auto place = static_cast<std::size_t>(bit);
                    flip(bytes, 64 * first + place);
                    flip(bytes, 64 * second + place);
                    CHECK_THAT(of(bytes) != whole, first << ", " << second << ", bit " << bit);
                    flip(bytes, 64 * first + place);
                    flip(bytes, 64 * second + place);
                }
    }
    std::vector<std::uint8_t> bytes = random_bytes(8 * words, 7);
    const std::uint64_t whole = of(bytes);
    for (std::size_t second = 1; second < words; ++second) {
        std::swap_ranges(&bytes[0], &bytes[8], &bytes[8 * second]);
        CHECK_THAT(of(bytes) != whole, "words 0 and " << second);
        std::swap_ranges(&bytes[0], &bytes[8], &bytes[8 * second]);
    }
}

constexpr std::size_t kRowBytes = 300, kRows = 1000, kRowsPerBlock = 7;

std::vector<std::uint64_t> sums_of(const std::vector<std::uint8_t>& bytes) {
    const std::size_t block = kRowBytes * kRowsPerBlock;
    std::vector<std::uint64_t> sums((bytes.size() + block - 1) / block);
    block_checksums(bytes.data(), bytes.size(), block, sums.data());
    return sums;
}

TEST(damage_is_found_in_the_blocks_that_are_asked_for) {
    std::vector<std::uint8_t> bytes = random_bytes(kRowBytes * kRows, 9);
    const std::vector<std::uint64_t> sums = sums_of(bytes);
    CHECK_EQUAL(checksum(bytes.data() + 994 * kRowBytes, 6 * kRowBytes), sums.back());
    CheckedBlocks blocks(bytes.data(), bytes.size(), kRowBytes, kRowsPerBlock, sums);
    CHECK_EQUAL(kRows, blocks.rows());
    const std::vector<std::int32_t> early{20, 3, 20, 8};
    CHECK(blocks.sound(early.data(), early.size()));
    flip(bytes, 8 * kRowBytes * 500);  // of block 71, rows 497 to 503
    flip(bytes, 0);                    // of block 0, which has been looked at
    CHECK(blocks.sound(early.data(), early.size()));
    for (const std::int64_t row : {496, 504, 999}) CHECK(blocks.sound(&row, 1));
    for (const std::int64_t row : {497, 500, 503}) CHECK(!blocks.sound(&row, 1));
    std::vector<std::int64_t> all(kRows);
    for (std::size_t i = 0; i < kRows; ++i) all[i] = static_cast<std::int64_t>(i);
    CHECK(!blocks.sound(all.data(), all.size()));
    CHECK(!blocks.all_sound());
    flip(bytes, 8 * kRowBytes * 500);
    CHECK(blocks.sound(all.data(), all.size()));
    CHECK(blocks.all_sound());
    CHECK(blocks.sound(all.data(), 0));
}

TEST(blocks_must_fit_their_checksums) {
    const std::vector<std::uint8_t> bytes(kRowBytes * kRows);
    std::vector<std::uint64_t> sums = sums_of(bytes);
    sums.pop_back();
    CHECK_THROWS(std::invalid_argument, "142 checksums for 300000 bytes",
                 CheckedBlocks(bytes.data(), bytes.size(), kRowBytes, kRowsPerBlock, sums));
    CHECK_THROWS(std::invalid_argument, "rows of 0",
                 CheckedBlocks(bytes.data(), bytes.size(), 0, kRowsPerBlock, sums));
    CHECK_THROWS(std::invalid_argument, "blocks of 0 rows",
                 CheckedBlocks(bytes.data(), bytes.size(), kRowBytes, 0, sums));
}

TEST(several_threads_ask_at_once) {
    nncore::runtime::set_thread_limit(3);
    const std::vector<std::uint8_t> bytes = random_bytes(std::size_t{9} << 20, 11);
    const std::size_t row = 1 << 10, block = 16;
    std::vector<std::uint64_t> sums(bytes.size() / (row * block));
    block_checksums(bytes.data(), bytes.size(), row * block, sums.data());
    CheckedBlocks blocks(bytes.data(), bytes.size(), row, block, sums);
    std::vector<std::int32_t> all(blocks.rows());
    for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<std::int32_t>(i);
    std::atomic<int> right{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i)
        threads.emplace_back([&] { right += blocks.sound(all.data(), all.size()) ? 1 : 0; });
    for (std::thread& thread : threads) thread.join();
    CHECK_EQUAL(4, right.load());
    CHECK(blocks.all_sound());
}

}  // namespace
