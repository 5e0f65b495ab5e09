// Weight gradients of convolutions by Winograd's minimal filtering; lanes run over the output
// channels. See WinogradWeightGradientArgs in ../kernels.h.
#include "../declarations.h"
#include "channel_tiles.h"
#include "winograd_transforms.h"
#include "with_constant.h"

namespace nncore::kernels::NNCORE_TARGET {
namespace {

// V and D of a strip of tiles.
struct Strip {
    ptrdiff_t first, count;
    float* v;
    ptrdiff_t v_tile, v_place;
    float* d;
    ptrdiff_t d_tile, d_place;
};

// M of some inputs and outputs, rows of inputs.
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
        float* const to = s.d + t * s.d_tile;
        for (ptrdiff_t c = 0; c < s.d_tile; c += kLanes) {
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
                    store(to + (row * 4 + column) * s.d_place + c, value);
                });
        }
    }
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

// To the sums of inputs [first, first + inputs) and V vectors of outputs from number `vector` on.
template <int V>
void add_strip(const Strip& s, ptrdiff_t first, ptrdiff_t inputs, ptrdiff_t vector, bool begins,
               const Sums& sums) {
    for (ptrdiff_t place = 0; place < kWinogradPlaces; ++place) {
        const float* const v = s.v + place * s.v_place + first;
        const float* const d = s.d + place * s.d_place + vector * kLanes;
        float* const m = sums.m + place * sums.place;
        for_even_tiles(inputs, kPixels<V>, [&](ptrdiff_t input, int height) {
            with_constant<kPixels<V>>(height, [&]<int H>() {
                sum_tile<H, V>(s.count, v + input, s.v_tile, d, s.d_tile, begins,
                               m + input * sums.row, sums.row);
            });
        });
    }
}

template <int V>
void transform_sums(const WinogradWeightGradientArgs& p, const Sums& sums, ptrdiff_t first,
                    ptrdiff_t inputs, ptrdiff_t vector) {
    const ptrdiff_t row = p.blocks * kBlock, tap = p.tiles.inputs * row;
    for (ptrdiff_t i = 0; i < inputs; ++i)
        for (int j = 0; j < V; ++j) {
            const float* const m = sums.m + i * sums.row + j * kLanes;
            float* const gradient = p.gradient + (first + i) * row + (vector + j) * kLanes;
            winograd_transform<4, 3>(
                [](const vec(&x)[4], vec(&out)[3]) { winograd_gradient_line(x, out); },
                [&](int r, int c) { return load(m + (r * 4 + c) * sums.place); },
                [&](int r, int c, vec value) { store(gradient + (r * 3 + c) * tap, value); });
        }
}

// body.operator()<V>(first input, inputs, vector) for parts of M of so many inputs at most.
template <class Body>
NNCORE_INLINE void for_parts(const WinogradWeightGradientArgs& p, ptrdiff_t most, Body body) {
    for_channel_tiles(p.blocks * kVectorsPerBlock, [&]<int V>(ptrdiff_t vector) {
        for_even_tiles(p.tiles.inputs, static_cast<int>(most), [&](ptrdiff_t first, int inputs) {
            body.template operator()<V>(first, inputs, vector);
        });
    });
}

}  // namespace

// With one strip, each part of M becomes a gradient at once, and needs no memory beyond the cache.
void winograd_weight_gradient(const WinogradWeightGradientArgs& p) {
    const WinogradTiles& tiles = p.tiles;
    const ptrdiff_t outputs = p.blocks * kBlock;
    Strip s{};
    s.v = p.scratch;
    s.v_tile = padded(tiles.inputs);
    s.v_place = winograd_places(kWinogradGradientStrip, tiles.inputs);
    s.d = s.v + kWinogradPlaces * s.v_place;
    s.d_tile = outputs;
    s.d_place = winograd_places(kWinogradGradientStrip, outputs);
    float* const m = s.d + kWinogradPlaces * s.d_place;
    const auto transform_strip = [&](ptrdiff_t first, int count) {
        s.first = tiles.first + first;
        s.count = count;
        winograd_inputs(tiles, s.first, s.count, s.v, s.v_tile, s.v_place);
        transform_deltas(p, s);
    };
    const ptrdiff_t count = tiles.last - tiles.first;
    if (count <= kWinogradGradientStrip) {
        transform_strip(0, static_cast<int>(count));
        for_parts(p, kWinogradGradientInputs,
                  [&]<int V>(ptrdiff_t first, ptrdiff_t inputs, ptrdiff_t vector) {
                      const Sums sums{m, winograd_places(inputs, V * kLanes), V * kLanes};
                      add_strip<V>(s, first, inputs, vector, true, sums);
                      transform_sums<V>(p, sums, first, inputs, vector);
                  });
        return;
    }
    const auto sums_of = [&](ptrdiff_t first, ptrdiff_t vector) {
        return Sums{m + first * outputs + vector * kLanes, winograd_places(tiles.inputs, outputs),
                    outputs};
    };
    for_even_tiles(count, static_cast<int>(kWinogradGradientStrip), [&](ptrdiff_t strip, int size) {
        transform_strip(strip, size);
        for_parts(p, tiles.inputs, [&]<int V>(ptrdiff_t first, ptrdiff_t inputs, ptrdiff_t vector) {
            add_strip<V>(s, first, inputs, vector, strip == 0, sums_of(first, vector));
        });
    });
    for_parts(p, tiles.inputs, [&]<int V>(ptrdiff_t first, ptrdiff_t inputs, ptrdiff_t vector) {
        transform_sums<V>(p, sums_of(first, vector), first, inputs, vector);
    });
}

}  // namespace nncore::kernels::NNCORE_TARGET
