#include "checked_blocks.h"

#include <algorithm>
#include <stdexcept>
#include <string>

#include "checksum.h"
#include "mapped_file.h"
#include "parallel.h"

namespace nncore::runtime {
namespace {

constexpr std::size_t kBytesWorthATeam = std::size_t{4} << 20;  // some hundred microseconds

std::size_t blocks_of(std::size_t size, std::size_t block_bytes) {
    return size / block_bytes + (size % block_bytes != 0);
}

// body(i) for each of `count` pieces of `bytes` each, by several threads where that pays.
template <class Body>
void for_each_block(std::size_t count, std::size_t bytes, const Body& body) {
    const int threads = count < 2 || count * bytes < kBytesWorthATeam ? 1 : thread_limit();
    run_team(threads, [&](const Team& team) {
        team.for_each(static_cast<std::ptrdiff_t>(count),
                      [&](std::ptrdiff_t i, int) { body(static_cast<std::size_t>(i)); });
    });
}

}  // namespace

void block_checksums(const std::uint8_t* data, std::size_t size, std::size_t block_bytes,
                     std::uint64_t* sums) {
    for_each_block(blocks_of(size, block_bytes), block_bytes, [&](std::size_t i) {
        const std::size_t first = i * block_bytes;
        sums[i] = checksum(data + first, std::min(block_bytes, size - first));
    });
}

CheckedBlocks::CheckedBlocks(const std::uint8_t* data, std::size_t size, std::size_t row_bytes,
                             std::size_t rows_per_block, std::vector<std::uint64_t> sums)
    : data_(data),
      size_(size),
      rows_per_block_(rows_per_block),
      block_bytes_(row_bytes * rows_per_block),
      rows_(row_bytes == 0 ? 0 : size / row_bytes),
      sums_(std::move(sums)),
      sound_(sums_.size()),
      unknown_(sums_.size()) {
    const std::size_t blocks = block_bytes_ == 0 ? 0 : blocks_of(size, block_bytes_);
    if (block_bytes_ == 0 || rows_ * row_bytes != size || blocks != sums_.size())
        throw std::invalid_argument(std::to_string(sums_.size()) + " checksums for " +
                                    std::to_string(size) + " bytes in rows of " +
                                    std::to_string(row_bytes) + " and blocks of " +
                                    std::to_string(rows_per_block) + " rows");
}

template <class Index>
bool CheckedBlocks::sound(const Index* rows, std::size_t count) {
    std::vector<std::size_t> blocks;
    if (!all_sound()) {
        for (std::size_t i = 0; i < count; ++i) {
            const std::size_t block = static_cast<std::size_t>(rows[i]) / rows_per_block_;
            if (!is_sound(block) && (blocks.empty() || blocks.back() != block))
                blocks.push_back(block);
        }
        std::sort(blocks.begin(), blocks.end());
        blocks.erase(std::unique(blocks.begin(), blocks.end()), blocks.end());
    }
    return check(blocks);
}

template bool CheckedBlocks::sound(const std::int32_t*, std::size_t);
template bool CheckedBlocks::sound(const std::int64_t*, std::size_t);

bool CheckedBlocks::check(const std::vector<std::size_t>& blocks) {
    std::atomic<bool> sound{true};
    if (!blocks.empty())
        for_each_block(blocks.size(), block_bytes_, [&](std::size_t i) {
            const std::size_t block = blocks[i], first = block * block_bytes_;
            if (checksum(data_ + first, std::min(block_bytes_, size_ - first)) != sums_[block])
                sound.store(false, std::memory_order_relaxed);
            else if (sound_[block].exchange(1, std::memory_order_acq_rel) == 0)
                unknown_.fetch_sub(1, std::memory_order_acq_rel);
        });
    // Zeros may have taken the place of pages that the file has no more, now or at any time before.
    return sound.load() && lost_pages_at(data_) == 0;
}

}  // namespace nncore::runtime
