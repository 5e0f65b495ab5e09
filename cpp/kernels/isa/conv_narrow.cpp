// Convolutions of one-channel images to few channels, where lanes over output channels would mostly
// idle: lanes run over the pixels of a row instead. Each output is still the same chain.
#include "conv_narrow.h"

#include "activation.h"
#include "with_constant.h"

namespace nncore::kernels::NNCORE_TARGET {
namespace {

// Output pixels of one row that go through together, by way of a buffer with a plane per channel.
constexpr ptrdiff_t kStrip = 64;
constexpr int kChannels = 6;

// Two rows of outputs (one at the end of an odd number) by C channels by one vector of pixels.
template <int R, int C>
NNCORE_TILE void narrow_tile(const ConvArgs& p, const float* x, ptrdiff_t channel, float* planes) {
    vec acc[R][C];
    NNCORE_UNROLL
    for (int c = 0; c < C; ++c) {
        const vec start = broadcast(p.bias != nullptr ? p.bias[channel + c] : 0.0f);
        NNCORE_UNROLL
        for (int r = 0; r < R; ++r) acc[r][c] = start;
    }
    const float* w = p.weights + channel;
    const ptrdiff_t w_row = p.weights_row;
    for (ptrdiff_t k = 0; k < p.kernel_rows; ++k)
        for (ptrdiff_t i = 0; i < p.run; ++i, w += w_row) {
            vec pixels[R];
            NNCORE_UNROLL
            for (int r = 0; r < R; ++r) pixels[r] = load(x + k * p.kernel_row + r * p.x_row + i);
            NNCORE_UNROLL
            for (int c = 0; c < C; ++c) {
                const vec weight = broadcast(w[c]);
                NNCORE_UNROLL
                for (int r = 0; r < R; ++r) acc[r][c] = fma(pixels[r], weight, acc[r][c]);
            }
        }
    NNCORE_UNROLL
    for (int c = 0; c < C; ++c) {
        NNCORE_UNROLL
        for (int r = 0; r < R; ++r) store(planes + (2 * c + r) * kStrip, acc[r][c]);
    }
}

// Rows row and row + 1, if there are two, from `column` on, `count` pixels of up to kChannels
// channels: planes[2 * channel + row][pixel]. The last vector overlaps the one before it.
NNCORE_INLINE void narrow_strip(const ConvArgs& p, ptrdiff_t row, ptrdiff_t rows, ptrdiff_t column,
                                ptrdiff_t count, ptrdiff_t channel, ptrdiff_t channels,
                                float* planes) {
    const float* x = p.x + row * p.x_row + column;
    for (ptrdiff_t i = 0; i < count; i += kLanes) {
        const ptrdiff_t from = min_size(i, count - kLanes);
        if (rows == 2) {
            with_constant<kChannels>(
                channels, [&]<int C>() { narrow_tile<2, C>(p, x + from, channel, planes + from); });
        } else {
            with_constant<kChannels>(
                channels, [&]<int C>() { narrow_tile<1, C>(p, x + from, channel, planes + from); });
        }
    }
}

// body(first column, columns) for strips of at most kStrip; the last one may overlap the one before
// it, so that it is as wide as they are.
template <class Body>
NNCORE_INLINE void for_strips(ptrdiff_t columns, Body body) {
    for (ptrdiff_t i = 0; i < columns; i += kStrip) {
        // kStrip is even, so the last strip does not cut a pooling window in two.
        const ptrdiff_t from = columns - i >= kStrip || i == 0 ? i : columns - kStrip;
        body(from, min_size(kStrip, columns - from));
    }
}

}  // namespace

bool suits_conv_narrow(const ConvArgs& p) {
    const ptrdiff_t by_channels = p.columns * p.blocks * kVectorsPerBlock;
    const ptrdiff_t by_pixels = (p.columns + kLanes - 1) / kLanes * p.channels;
    return p.x_pixel == 1 && p.weights_block == kBlock && p.runs == 1 &&
           p.input_activity == nullptr && p.columns >= kLanes && 3 * by_pixels < 2 * by_channels;
}

void conv_narrow(const ConvArgs& p) {
    alignas(64) float planes[2 * kChannels * kStrip] = {};
    for (ptrdiff_t row = 0; row < p.rows; row += 2)
        for (ptrdiff_t channel = 0; channel < p.channels; channel += kChannels) {
            const ptrdiff_t rows = min_size(2, p.rows - row);
            const ptrdiff_t channels = min_size(kChannels, p.channels - channel);
            for_strips(p.columns, [&](ptrdiff_t column, ptrdiff_t count) {
                narrow_strip(p, row, rows, column, count, channel, channels, planes);
                for (ptrdiff_t plane = 0; plane < 2 * channels; ++plane)
                    for (ptrdiff_t i = 0; i < kStrip; i += kLanes)
                        store(planes + plane * kStrip + i,
                              activate(p.activation, load(planes + plane * kStrip + i)));
                for (ptrdiff_t r = 0; r < rows; ++r) {
                    float* y = p.y + (row + r) * p.y_row + column * p.y_pixel + channel;
                    for (ptrdiff_t i = 0; i < count; ++i, y += p.y_pixel)
                        for (ptrdiff_t c = 0; c < channels; ++c)
                            y[c] = planes[(2 * c + r) * kStrip + i];
                }
            });
        }
}

void conv_narrow_pool(const ConvArgs& p, Activation activation, float* y, uint8_t* winners) {
    alignas(64) float planes[2 * kChannels * kStrip] = {};
    alignas(64) float best[kChannels * kStrip / 2];
    alignas(64) int32_t winner[kChannels * kStrip / 2];
    for (ptrdiff_t channel = 0; channel < p.channels; channel += kChannels) {
        const ptrdiff_t channels = min_size(kChannels, p.channels - channel);
        for_strips(p.columns, [&](ptrdiff_t column, ptrdiff_t count) {
            narrow_strip(p, 0, 2, column, count, channel, channels, planes);
            for (ptrdiff_t c = 0; c < channels; ++c) {
                const float* upper = planes + 2 * c * kStrip;
                const float* lower = upper + kStrip;
                for (ptrdiff_t i = 0; i < kStrip / 2; i += kLanes) {
                    vec corner[4];
                    load_pairs(upper + 2 * i, corner[0], corner[1]);
                    load_pairs(lower + 2 * i, corner[2], corner[3]);
                    vec largest = corner[0];
                    ivec place{};
                    NNCORE_UNROLL
                    for (int k = 1; k < 4; ++k) {
                        const ivec larger = corner[k] > largest;
                        largest = larger ? corner[k] : largest;
                        place = larger ? broadcast_int(k) : place;
                    }
                    store(best + c * kStrip / 2 + i, activate(activation, largest));
                    *reinterpret_cast<ivec_unaligned*>(winner + c * kStrip / 2 + i) = place;
                }
            }
            const ptrdiff_t first = column / 2;
            for (ptrdiff_t i = 0; i < count / 2; ++i)
                for (ptrdiff_t c = 0; c < channels; ++c)
                    y[(first + i) * p.channels + channel + c] = best[c * kStrip / 2 + i];
            if (winners == nullptr) return;
            for (ptrdiff_t i = 0; i < count / 2; ++i)
                for (ptrdiff_t c = 0; c < channels; ++c)
                    winners[(first + i) * p.channels + channel + c] =
                        static_cast<uint8_t>(winner[c * kStrip / 2 + i]);
        });
    }
}

}  // namespace nncore::kernels::NNCORE_TARGET
