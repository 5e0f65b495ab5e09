// Convolutions by Winograd's minimal filtering; lanes run over channels. See WinogradArgs in
// ../kernels.h.
#include "../declarations.h"
#include "activation.h"
#include "channel_tiles.h"
#include "transpose.h"
#include "vectors.h"
#include "winograd_transforms.h"
#include "with_constant.h"

namespace nncore::kernels::NNCORE_TARGET {
namespace {

// How many of the lanes are channels that exist, where so many are left.
NNCORE_INLINE int lanes_of(ptrdiff_t left) {
    return static_cast<int>(left < 0 ? 0 : min_size(kLanes, left));
}

// U of one input and one vector of outputs.
NNCORE_INLINE void transform_weights(const float* g, ptrdiff_t tap, float* u, ptrdiff_t place) {
    winograd_transform<3, 4>(
        [](const vec(&x)[3], vec(&out)[4]) { winograd_weights_line(x, out); },
        [&](int row, int column) { return load(g + (row * 3 + column) * tap); },
        [&](int row, int column, vec value) { store(u + (row * 4 + column) * place, value); });
}

// V and M of a strip of tiles.
struct Strip {
    ptrdiff_t first, count;
    float* v;
    ptrdiff_t v_tile, v_place;
    float* m;
    ptrdiff_t m_tile, m_place;
};

// H tiles, V vectors of outputs, at one place.
template <int H, int V>
NNCORE_TILE void product_tile(ptrdiff_t inputs, const float* v, ptrdiff_t v_tile,
                              const float* panels, ptrdiff_t panel, ptrdiff_t vector,
                              const float* start, float* m, ptrdiff_t m_tile) {
    const float* streams[V];
    vec acc[H][V];
    NNCORE_UNROLL
    for (int j = 0; j < V; ++j) {
        const ptrdiff_t number = vector + j;
        streams[j] =
            panels + number / kVectorsPerBlock * panel + number % kVectorsPerBlock * kLanes;
        const vec begin = start != nullptr ? load(start + number * kLanes) : zero();
        NNCORE_UNROLL
        for (int i = 0; i < H; ++i) acc[i][j] = begin;
    }
    multiply_rows<H, V>(inputs, v, v_tile, streams, kBlock, acc);
    NNCORE_UNROLL
    for (int i = 0; i < H; ++i) {
        NNCORE_UNROLL
        for (int j = 0; j < V; ++j) store(m + i * m_tile + (vector + j) * kLanes, acc[i][j]);
    }
}

void multiply(const WinogradArgs& p, const Strip& s) {
    const ptrdiff_t vectors = p.blocks * kVectorsPerBlock;
    const ptrdiff_t panel = kWinogradPlaces * p.tiles.inputs * kBlock;
    const int widest = widest_for(s.count, vectors);
    for (ptrdiff_t place = 0; place < kWinogradPlaces; ++place) {
        const float* const panels = p.weights + place * p.tiles.inputs * kBlock;
        const float* const v = s.v + place * s.v_place;
        float* const m = s.m + place * s.m_place;
        const float* const start = place == kWinogradMiddle ? p.bias : nullptr;
        for_channel_tiles_of(widest, vectors, [&]<int V>(ptrdiff_t vector) {
            for_even_tiles(s.count, kPixels<V>, [&](ptrdiff_t tile, int height) {
                with_constant<kPixels<V>>(height, [&]<int H>() {
                    product_tile<H, V>(p.tiles.inputs, v + tile * s.v_tile, s.v_tile, panels, panel,
                                       vector, start, m + tile * s.m_tile, s.m_tile);
                });
            });
        });
    }
}

// What becomes of a vector of sums; forward and backward, the common activations apart.
struct Linear {
    explicit Linear(Activation) {}
    vec operator()(vec sum) const { return sum; }
    vec operator()(vec, vec sum) const { return sum; }
};
struct Cut {
    explicit Cut(Activation activation) : cut_off(activation) {}
    vec operator()(vec sum) const { return activate(cut_off, sum); }
    vec operator()(vec y, vec sum) const { return times_derivative(cut_off, y, sum); }

    CutOff cut_off;
};
struct Rare {
    __attribute__((noinline)) vec operator()(vec sum) const { return activate(activation, sum); }
    __attribute__((noinline)) vec operator()(vec y, vec sum) const {
        return times_derivative(activation, y, sum);
    }

    Activation activation;
};

template <class Finish>
void transform_outputs(const WinogradArgs& p, const Strip& s, const Finish& finish) {
    for (ptrdiff_t t = 0; t < s.count; ++t) {
        const WinogradTile tile(p.tiles, s.first + t);
        float* const y =
            p.y + tile.image * p.y_image + tile.row * p.y_row + tile.column * p.y_pixel;
        const float* const activity = p.input_activity == nullptr
                                          ? nullptr
                                          : p.input_activity + tile.image * p.activity_image +
                                                tile.row * p.activity_row +
                                                tile.column * p.activity_pixel;
        const float* const from = s.m + t * s.m_tile;
        for (ptrdiff_t c = 0; c < p.channels; c += kLanes) {
            const int count = lanes_of(p.channels - c);
            winograd_transform<4, 2>(
                [](const vec(&x)[4], vec(&out)[2]) { winograd_output_line(x, out); },
                [&](int row, int column) {
                    return load(from + (row * 4 + column) * s.m_place + c);
                },
                [&](int row, int column, vec sum) {
                    if (row >= tile.rows || column >= tile.columns) return;
                    const ptrdiff_t at = row * p.activity_row + column * p.activity_pixel + c;
                    const vec value = activity == nullptr
                                          ? finish(sum)
                                          : finish(load_some(activity + at, count), sum);
                    store_some(y + row * p.y_row + column * p.y_pixel + c, value, count);
                });
        }
    }
}

}  // namespace

void winograd_weights(const WinogradWeightsArgs& p) {
    const ptrdiff_t place = p.inputs * kBlock, panel = kWinogradPlaces * place;
    const auto transform = [&](const float* g, ptrdiff_t tap, float* u) {
        for (int v = 0; v < kVectorsPerBlock; ++v)
            transform_weights(g + v * kLanes, tap, u + v * kLanes, place);
    };
    // Weights are read line after line: the outer loop goes over their rows.
    if (!p.turned) {
        for (ptrdiff_t first = 0; first < p.inputs; first += kBlock) {
            const ptrdiff_t count = min_size(kBlock, p.inputs - first);
            for (ptrdiff_t block = 0; block < p.blocks; ++block)
                for (ptrdiff_t i = first; i < first + count; ++i)
                    transform(p.weights + i * p.weights_row + block * kBlock, p.weights_tap,
                              p.transformed + block * panel + i * kBlock);
        }
        return;
    }
    alignas(64) float taps[9 * kBlock * kBlock];
    for (ptrdiff_t block = 0; block < p.blocks; ++block) {
        const int rows = static_cast<int>(min_size(kBlock, p.rows - block * kBlock));
        for (ptrdiff_t first = 0; first < p.inputs; first += kBlock) {
            const float* const weights = p.weights + block * kBlock * p.weights_row + first;
            for (ptrdiff_t tap = 0; tap < 9; ++tap)
                transpose_16(weights + tap * p.weights_tap, p.weights_row, rows,
                             taps + (8 - tap) * kBlock * kBlock, kBlock);
            const ptrdiff_t count = min_size(kBlock, p.inputs - first);
            for (ptrdiff_t i = 0; i < count; ++i)
                transform(taps + i * kBlock, kBlock * kBlock,
                          p.transformed + block * panel + (first + i) * kBlock);
        }
    }
}

void winograd_conv(const WinogradArgs& p) {
    const WinogradTiles& tiles = p.tiles;
    const ptrdiff_t most = winograd_strip(tiles.inputs, p.blocks);
    Strip s{};
    s.v = p.scratch;
    s.v_tile = padded(tiles.inputs);
    s.v_place = winograd_places(most, tiles.inputs);
    s.m = s.v + kWinogradPlaces * s.v_place;
    s.m_tile = p.blocks * kBlock;
    s.m_place = winograd_places(most, s.m_tile);
    for_even_tiles(tiles.last - tiles.first, static_cast<int>(most),
                   [&](ptrdiff_t first, int count) {
                       s.first = tiles.first + first;
                       s.count = count;
                       winograd_inputs(tiles, s.first, s.count, s.v, s.v_tile, s.v_place);
                       multiply(p, s);
                       if (p.activation == Activation::linear) {
                           transform_outputs(p, s, Linear(p.activation));
                       } else if (CutOff::is(p.activation)) {
                           transform_outputs(p, s, Cut(p.activation));
                       } else {
                           transform_outputs(p, s, Rare{p.activation});
                       }
                   });
}

}  // namespace nncore::kernels::NNCORE_TARGET
