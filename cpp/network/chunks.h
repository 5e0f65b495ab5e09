// How sums over the samples of a batch are cut: by the batch alone, never by the threads, so that
// their number cannot change a bit.
#pragma once

#include <algorithm>
#include <cstddef>

namespace nncore::network {

// Chunks of at least 4 samples each, at most 16 of them.
constexpr std::ptrdiff_t kSmallestChunk = 4, kMostChunks = 16;

inline std::ptrdiff_t chunk_size(std::ptrdiff_t rows) {
    return std::max(kSmallestChunk, (rows + kMostChunks - 1) / kMostChunks);
}
inline std::ptrdiff_t chunk_count(std::ptrdiff_t rows) {
    return (rows + chunk_size(rows) - 1) / chunk_size(rows);
}
// The most chunks that a batch of up to `largest` samples has.
inline std::ptrdiff_t chunks_capacity(std::ptrdiff_t largest) {
    return std::min(kMostChunks, (largest + kSmallestChunk - 1) / kSmallestChunk);
}

}  // namespace nncore::network
