// Bytes that are compared with checksums before they are first used, block by block.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace nncore::runtime {

// sums[i] becomes the checksum of block i of `size` bytes, for each block; the last may be shorter.
void block_checksums(const std::uint8_t* data, std::size_t size, std::size_t block_bytes,
                     std::uint64_t* sums);

class CheckedBlocks {
 public:
    // Rows of `row_bytes`, so many to a block, of bytes that outlive this; a checksum per block.
    CheckedBlocks(const std::uint8_t* data, std::size_t size, std::size_t row_bytes,
                  std::size_t rows_per_block, std::vector<std::uint64_t> sums);

    std::size_t rows() const { return rows_; }
    bool all_sound() const { return unknown_.load(std::memory_order_acquire) == 0; }

    // Whether the blocks of some rows, each below rows(), are what they were. What is known to be
    // so is not looked at again. Any number of threads may ask at once.
    template <class Index>
    bool sound(const Index* rows, std::size_t count);

 private:
    bool check(const std::vector<std::size_t>& blocks);
    bool is_sound(std::size_t block) const {
        return sound_[block].load(std::memory_order_acquire) != 0;
    }

    const std::uint8_t* const data_;
    const std::size_t size_, rows_per_block_, block_bytes_, rows_;
    const std::vector<std::uint64_t> sums_;
    std::vector<std::atomic<std::uint8_t>> sound_;  // by block
    std::atomic<std::size_t> unknown_;              // blocks that are not sound as far as is known
};

}  // namespace nncore::runtime
