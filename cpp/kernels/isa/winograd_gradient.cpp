// Weight gradients of convolutions by Winograd's minimal filtering; lanes run over the output
// channels. See WinogradWeightGradientArgs in ../kernels.h.
#include "../declarations.h"
#include "channel_tiles.h"
#include "winograd_transforms.h"
#include "with_constant.h"

namespace nncore::kernels::NNCORE_TARGET {
namespace {

constexpr ptrdiff_t kInputs = kWinogradGradientInputs, kOutputs = kWinogradGradientOutputs;

// V and D of a strip of tiles, by groups of inputs and of outputs: with the channels of a tile all
// beside each other, those of all tiles that are multiplied together would be in few lines of the
// first cache. The last group of each may have less.
struct Strip {
    ptrdiff_t first, count;
    float* v;
    ptrdiff_t v_tile, v_place;
    float* d;
    ptrdiff_t d_tile, d_place;

    float* inputs(ptrdiff_t first) const { return v + first / kInputs * kWinogradPlaces * v_place; }
    float* outputs(ptrdiff_t first) const {
        return d + first / kOutputs * kWinogradPlaces * d_place;
    }
};

// Some inputs and outputs, of a group each.
struct Part {
    ptrdiff_t input, inputs;
    ptrdiff_t output, outputs;
};

// M of a part, rows of inputs.
struct Sums {
    float* m;
    ptrdiff_t place, row;
};

// D of all tiles.
void transform_deltas(const WinogradWeightGradientArgs& p, const Strip& s) {
    for (ptrdiff_t t = 0; t < s.count; ++t) {
        const WinogradTile tile(p.tiles, s.first + t);
        const float* const from =
            p.d + tile.image * p.d_image + tile.row * p.d_row + tile.column * p.d_pixel;
        for (ptrdiff_t c = 0; c < p.blocks * kBlock; c += kLanes) {
            float* const to = s.outputs(c) + t * s.d_tile + c % kOutputs;
            const ptrdiff_t left = p.channels - c;
            const int lanes = static_cast<int>(left < 0 ? 0 : min_size(kLanes, left));
            winograd_transform<2, 4>(
                [](const vec(&x)[2], vec(&out)[4]) { winograd_delta_line(x, out); },
                [&](int row, int column) {
                    return lanes > 0 && row < tile.rows && column < tile.columns
                               ? load_some(from + row * p.d_row + column * p.d_pixel + c, lanes)
                               : zero();
                },
                [&](int row, int column, vec value) {
                    store(to + (row * 4 + column) * s.d_place, value);
                });
        }
    }
}

// V and D of a strip's tiles.
void transform_tiles(const WinogradWeightGradientArgs& p, const Strip& s) {
    for (ptrdiff_t input = 0; input < p.tiles.inputs; input += kInputs) {
        WinogradTiles group = p.tiles;
        group.inputs = min_size(kInputs, p.tiles.inputs - input);
        group.x += input;
        winograd_inputs(group, s.first, s.count, s.inputs(input), s.v_tile, s.v_place);
    }
    transform_deltas(p, s);
}

// H inputs, V vectors of outputs, at one place: the sums over the tiles of a strip.
template <int H, int V>
NNCORE_TILE void sum_tile(ptrdiff_t tiles, const float* v, ptrdiff_t v_tile, const float* d,
                          ptrdiff_t d_tile, bool begins, float* m, ptrdiff_t m_row) {
    vec acc[H][V];
    if (begins) {
        clear_tile(acc);
    } else {
        NNCORE_UNROLL
        for (int i = 0; i < H; ++i) {
            NNCORE_UNROLL
            for (int j = 0; j < V; ++j) acc[i][j] = load(m + i * m_row + j * kLanes);
        }
    }
    const float* streams[V];
    NNCORE_UNROLL
    for (int j = 0; j < V; ++j) streams[j] = d + j * kLanes;
    multiply_columns<H, V>(tiles, v, v_tile, streams, d_tile, acc);
    NNCORE_UNROLL
    for (int i = 0; i < H; ++i) {
        NNCORE_UNROLL
        for (int j = 0; j < V; ++j) store(m + i * m_row + j * kLanes, acc[i][j]);
    }
}

// To the sums of a part those over the tiles of a strip; where the strip begins them, from zero.
void add_strip(const Strip& s, const Part& part, bool begins, const Sums& sums) {
    for (ptrdiff_t place = 0; place < kWinogradPlaces; ++place) {
        const float* const v = s.inputs(part.input) + place * s.v_place;
        const float* const d = s.outputs(part.output) + place * s.d_place;
        float* const m = sums.m + place * sums.place;
        for_channel_tiles(part.outputs / kLanes, [&]<int V>(ptrdiff_t vector) {
            for_even_tiles(part.inputs, kPixels<V>, [&](ptrdiff_t input, int height) {
                with_constant<kPixels<V>>(height, [&]<int H>() {
                    sum_tile<H, V>(s.count, v + input, s.v_tile, d + vector * kLanes, s.d_tile,
                                   begins, m + input * sums.row + vector * kLanes, sums.row);
                });
            });
        });
    }
}

template <bool Streams>
void transform_sums(const WinogradWeightGradientArgs& p, const Part& part, const Sums& sums) {
    const ptrdiff_t row = p.blocks * kBlock, tap = p.tiles.inputs * row;
    for (ptrdiff_t i = 0; i < part.inputs; ++i)
        for (ptrdiff_t c = 0; c < part.outputs; c += kLanes) {
            const float* const m = sums.m + i * sums.row + c;
            float* const gradient = p.gradient + (part.input + i) * row + part.output + c;
            winograd_transform<4, 3>(
                [](const vec(&x)[4], vec(&out)[3]) { winograd_gradient_line(x, out); },
                [&](int r, int c) { return load(m + (r * 4 + c) * sums.place); },
                [&](int r, int c, vec value) {
                    float* const to = gradient + (r * 3 + c) * tap;
                    if constexpr (Streams) {
                        stream(to, value);
                    } else {
                        store(to, value);
                    }
                });
        }
}

// body(part, its number) for all parts; the outputs' D stay in the second cache meanwhile.
template <class Body>
NNCORE_INLINE void for_parts(const WinogradWeightGradientArgs& p, Body body) {
    ptrdiff_t number = 0;
    const ptrdiff_t inputs = p.tiles.inputs, outputs = p.blocks * kBlock;
    for (ptrdiff_t output = 0; output < outputs; output += kOutputs)
        for (ptrdiff_t input = 0; input < inputs; input += kInputs)
            body(Part{input, min_size(kInputs, inputs - input), output,
                      min_size(kOutputs, outputs - output)},
                 number++);
}

}  // namespace

// With one strip, each part of M becomes a gradient at once, and needs no memory beyond the cache.
void winograd_weight_gradient(const WinogradWeightGradientArgs& p) {
    const WinogradTiles& tiles = p.tiles;
    constexpr ptrdiff_t strip = kWinogradGradientStrip;
    Strip s{};
    s.v = p.scratch;
    s.v_tile = min_size(kInputs, padded(tiles.inputs));
    s.v_place = winograd_places(strip, s.v_tile);
    s.d = s.inputs(tiles.inputs + kInputs - 1);
    s.d_tile = min_size(kOutputs, p.blocks * kBlock);
    s.d_place = winograd_places(strip, s.d_tile);
    Sums sums{};
    sums.row = s.d_tile;
    sums.place = winograd_places(s.v_tile, sums.row);
    float* const m = s.outputs(p.blocks * kBlock + kOutputs - 1);
    const bool streams = 9 * tiles.inputs * p.blocks * kBlock > kStreamed && is_aligned(p.gradient);
    const ptrdiff_t count = tiles.last - tiles.first;
    const ptrdiff_t part_floats = count > strip ? kWinogradPlaces * sums.place : 0;
    for_even_tiles(count, static_cast<int>(strip), [&](ptrdiff_t first, int size) {
        s.first = tiles.first + first;
        s.count = size;
        transform_tiles(p, s);
        for_parts(p, [&](const Part& part, ptrdiff_t number) {
            sums.m = m + number * part_floats;
            add_strip(s, part, first == 0, sums);
            if (first + size < count) return;
            if (streams) {
                transform_sums<true>(p, part, sums);
            } else {
                transform_sums<false>(p, part, sums);
            }
        });
    });
    if (streams) finish_streams();
}

}  // namespace nncore::kernels::NNCORE_TARGET
