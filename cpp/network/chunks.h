// How sums over the samples of a batch are cut: by the batch alone, never by who computes them, so
// that neither threads nor processes can change a bit.
//
// The chunks of a batch are as many as a power of two and as even as can be. Each is summed in
// order, and then their sums by a binary tree: neighbours, then pairs of neighbours, and so on. A
// process that has a half, a quarter, ... of the chunks sums a whole branch of it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <utility>

namespace nncore::network {

constexpr std::ptrdiff_t kMostChunks = 16;

// One for every 4 samples or so; more samples, more chunks.
inline std::ptrdiff_t chunk_count(std::ptrdiff_t rows) {
    std::ptrdiff_t count = 1;
    while (count < kMostChunks && 2 * count <= (rows + 3) / 4) count *= 2;
    return count;
}

// No chunk of a batch of up to so many samples has more than this.
inline std::ptrdiff_t most_in_chunk(std::ptrdiff_t largest) {
    return std::min(largest,
                    std::max(std::ptrdiff_t{8}, (largest + kMostChunks - 1) / kMostChunks));
}

// What one process has of a batch: some of its chunks, one behind the other, perhaps none.
struct Share {
    std::ptrdiff_t batch = 0;  // samples of all processes
    std::ptrdiff_t first_chunk = 0, chunks = 0;

    static Share whole(std::ptrdiff_t batch) { return {batch, 0, chunk_count(batch)}; }

    // Where the share's samples are in the batch.
    std::ptrdiff_t first_row() const { return begin_in_batch(first_chunk); }
    std::ptrdiff_t rows() const { return begin(chunks); }
    // Where its chunk number `chunk` begins, counted from first_row(); begin(chunks) is the end.
    std::ptrdiff_t begin(std::ptrdiff_t chunk) const {
        return begin_in_batch(first_chunk + chunk) - first_row();
    }

 private:
    std::ptrdiff_t begin_in_batch(std::ptrdiff_t chunk) const {
        return batch * chunk / chunk_count(batch);
    }
};

// The share of process `rank` of `size`: of a range of processes the first half, rounded up, has
// the first half of the range's chunks. Where there are fewer chunks than processes, the first of
// each range has the chunk.
inline Share share_of(std::ptrdiff_t batch, std::ptrdiff_t rank, std::ptrdiff_t size) {
    Share share = Share::whole(batch);
    while (size > 1) {
        const std::ptrdiff_t first = (size + 1) / 2;
        const bool in_first = rank < first;
        if (share.chunks > 1) {
            share.chunks /= 2;
            if (!in_first) share.first_chunk += share.chunks;
        } else if (!in_first) {
            share.first_chunk += std::exchange(share.chunks, 0);
        }
        if (!in_first) rank -= first;
        size = in_first ? first : size - first;
    }
    return share;
}

}  // namespace nncore::network
