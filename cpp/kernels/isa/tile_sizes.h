// The register tiles of all kernels, by instruction set. A tile's accumulators, the vectors that
// each of its steps reads and one broadcast fill the registers: 32 of AVX-512 and NEON, 16 of AVX2
// and SSE2 (where an emulated fma needs most of them itself).
//
// They decide how fast a kernel is, never what it computes: each output is the same chain in a tile
// of any size.
#pragma once

#include "simd.h"

namespace nncore::kernels::NNCORE_TARGET {

#if defined(__AVX512F__)

// Products of matrices: rows x vectors of columns; and vectors for one, two or three rows alone.
constexpr int kProductRows = 14, kProductVectors = 2, kWideVectors = 8;
// Output channels of a convolution, or outputs of a dense layer: at most kWidest vectors of them,
// and V vectors by kPixels<V> output pixels (or inputs of the kernel).
constexpr int kWidest = 4;
template <int V>
constexpr int kPixels = V == 4   ? 6
                        : V == 3 ? 8
                        : V == 2 ? 13
                                 : 14;
// Groups of a depthwise convolution: J outputs, at most kMostOutputs, by kHeight<J> pixels of the
// result, or by kTaps<J> weights of its gradient. A product needs an input of its own, which it
// reads from memory.
constexpr int kMostOutputs = 4;
template <int J>
constexpr int kHeight = J == 4   ? 6
                        : J == 2 ? 12
                                 : 14;
template <int J>
constexpr int kTaps = J == 4 ? 6 : 9;
// Gradients behind a pooling: the accumulators of a weight gradient's tile and its widest vectors;
// the blocks of an input gradient's, here a whole group of ../pooled_groups.h.
constexpr int kPooledAccumulators = 24, kPooledWidest = 12, kSpreadBlocks = 12;
// Vectors of channels that a batch normalization sums up at once, with four chains for each sum.
constexpr int kMomentVectors = 6, kGradientSumVectors = 3;

#elif defined(__AVX2__)

constexpr int kProductRows = 6, kProductVectors = 2, kWideVectors = 4;
constexpr int kWidest = 2;
template <int V>
constexpr int kPixels = 6;
constexpr int kMostOutputs = 2;
template <int J>
constexpr int kHeight = J == 2 ? 6 : 12;
template <int J>
constexpr int kTaps = J == 2 ? 5 : 9;
constexpr int kPooledAccumulators = 12, kPooledWidest = 12, kSpreadBlocks = 3;
constexpr int kMomentVectors = 3, kGradientSumVectors = 1;

#elif defined(__ARM_NEON)

constexpr int kProductRows = 6, kProductVectors = 4, kWideVectors = 6;
constexpr int kWidest = 4;
template <int V>
constexpr int kPixels = 6;
constexpr int kMostOutputs = 4;
template <int J>
constexpr int kHeight = J == 4   ? 6
                        : J == 2 ? 12
                                 : 14;
template <int J>
constexpr int kTaps = J == 4 ? 6 : 9;
constexpr int kPooledAccumulators = 24, kPooledWidest = 12, kSpreadBlocks = 3;
constexpr int kMomentVectors = 6, kGradientSumVectors = 3;

#else

constexpr int kProductRows = 2, kProductVectors = 4, kWideVectors = 4;
constexpr int kWidest = 4;
template <int V>
constexpr int kPixels = 2;
constexpr int kMostOutputs = 1;
template <int J>
constexpr int kHeight = 4;
template <int J>
constexpr int kTaps = 3;
constexpr int kPooledAccumulators = 8, kPooledWidest = 4, kSpreadBlocks = 1;
constexpr int kMomentVectors = 2, kGradientSumVectors = 1;

#endif

// Of a weight gradient behind a pooling: kernel rows and channels of a tile.
constexpr int kPooledRows = 5, kPooledChannels = 4;

// For a weight gradient the output rows go through in bands of about this many pixels: enough work
// per load and store of an accumulator tile, few enough that the band stays in L1.
constexpr ptrdiff_t kBandPixels = 64;
// Rows of a depthwise convolution that go through together.
constexpr ptrdiff_t kDepthwiseRows = 4;
// A convolution that sees each pixel once goes through strips of pixels: of at least so many, so
// that weights are read seldom, and else of so many floats, so that the pixels stay in the first
// cache while all output channels are computed.
constexpr ptrdiff_t kStripPixels = 48, kStripFloats = 4096;
// Weights of a convolution that stay in the second cache beside its pixels, in floats.
constexpr ptrdiff_t kStayCached = ptrdiff_t{1} << 16;

// What is read twice stays in the second cache if it is no more than this, in floats; and the
// fewest vectors of channels that are worth a walk over all pixels, if it does not.
constexpr ptrdiff_t kTwiceRead = ptrdiff_t{1} << 18;
constexpr int kFewestMoments = 2;

// Results of more floats than this go past the caches, where nobody reads them soon.
constexpr ptrdiff_t kStreamed = ptrdiff_t{1} << 18;

}  // namespace nncore::kernels::NNCORE_TARGET
