// The transforms of Winograd's minimal filtering: see WinogradArgs in ../kernels.h, which fixes the
// order of their sums.
#pragma once

#include "../kernels.h"
#include "vectors.h"

namespace nncore::kernels::NNCORE_TARGET {

// The place whose products are in all four pixels of a tile.
constexpr ptrdiff_t kWinogradMiddle = 5;

// F(2, 3) along one line.
NNCORE_INLINE void winograd_weights_line(const vec (&x)[3], vec (&out)[4]) {
    const vec half = broadcast(0.5f);
    const vec outer = x[0] + x[2];
    out[0] = x[0];
    out[1] = (outer + x[1]) * half;
    out[2] = (outer - x[1]) * half;
    out[3] = x[2];
}
NNCORE_INLINE void winograd_input_line(const vec (&x)[4], vec (&out)[4]) {
    out[0] = x[0] - x[2];
    out[1] = x[1] + x[2];
    out[2] = x[2] - x[1];
    out[3] = x[1] - x[3];
}
NNCORE_INLINE void winograd_output_line(const vec (&x)[4], vec (&out)[2]) {
    out[0] = x[0] + (x[1] + x[2]);
    out[1] = (x[1] - x[2]) - x[3];
}
// F(3, 2), for the weight gradient.
NNCORE_INLINE void winograd_delta_line(const vec (&x)[2], vec (&out)[4]) {
    out[0] = x[0];
    out[1] = x[0] + x[1];
    out[2] = x[0] - x[1];
    out[3] = -x[1];
}
NNCORE_INLINE void winograd_gradient_line(const vec (&x)[4], vec (&out)[3]) {
    const vec half = broadcast(0.5f);
    const vec middle = (x[1] + x[2]) * half;
    out[0] = x[0] + middle;
    out[1] = (x[1] - x[2]) * half;
    out[2] = middle + x[3];
}

// Size x Size vectors to Out x Out, each column by `line` and then each line; read(row, column)
// gives them and write(row, column, value) takes them.
template <int Size, int Out, class Line, class Read, class Write>
NNCORE_INLINE void winograd_transform(Line line, Read read, Write write) {
    vec lines[Out][Size];
    NNCORE_UNROLL
    for (int column = 0; column < Size; ++column) {
        vec x[Size], out[Out];
        NNCORE_UNROLL
        for (int row = 0; row < Size; ++row) x[row] = read(row, column);
        line(x, out);
        NNCORE_UNROLL
        for (int row = 0; row < Out; ++row) lines[row][column] = out[row];
    }
    NNCORE_UNROLL
    for (int row = 0; row < Out; ++row) {
        vec out[Out];
        line(lines[row], out);
        NNCORE_UNROLL
        for (int column = 0; column < Out; ++column) write(row, column, out[column]);
    }
}

// Where a tile's output begins, and how many lines and columns of it there are.
struct WinogradTile {
    ptrdiff_t image, row, column;
    int rows, columns;

    WinogradTile(const WinogradTiles& p, ptrdiff_t number) {
        const ptrdiff_t across = (p.columns + 1) / 2, down = (p.rows + 1) / 2;
        image = number / (across * down);
        row = number / across % down * 2;
        column = number % across * 2;
        rows = static_cast<int>(min_size(2, p.rows - row));
        columns = static_cast<int>(min_size(2, p.columns - column));
    }
};

// V of `count` tiles: a tile's places are v_place apart, those of the next one v_tile behind. The
// last vector of a tile may be filled with zeros.
NNCORE_INLINE void winograd_inputs(const WinogradTiles& p, ptrdiff_t first, ptrdiff_t count,
                                   float* v, ptrdiff_t v_tile, ptrdiff_t v_place) {
    for (ptrdiff_t t = 0; t < count; ++t) {
        const WinogradTile tile(p, first + t);
        const ptrdiff_t row = tile.row - p.top, column = tile.column - p.left;
        // The upper left pixel, which there may not be.
        const ptrdiff_t corner = tile.image * p.x_image + row * p.x_row + column * p.x_pixel;
        const bool inside =
            row >= 0 && row + 4 <= p.x_rows && column >= 0 && column + 4 <= p.x_columns;
        float* const to = v + t * v_tile;
        const auto transform = [&](ptrdiff_t i, auto read) {
            winograd_transform<4, 4>(
                [](const vec(&x)[4], vec(&out)[4]) { winograd_input_line(x, out); }, read,
                [&](int r, int c, vec value) { store(to + (r * 4 + c) * v_place + i, value); });
        };
        for (ptrdiff_t i = 0; i < p.inputs; i += kLanes) {
            const int lanes = static_cast<int>(min_size(kLanes, p.inputs - i));
            if (inside && lanes == kLanes) {
                transform(i, [&](int r, int c) {
                    return load(p.x + corner + r * p.x_row + c * p.x_pixel + i);
                });
            } else {
                transform(i, [&](int r, int c) {
                    const bool exists = row + r >= 0 && row + r < p.x_rows && column + c >= 0 &&
                                        column + c < p.x_columns;
                    return exists ? load_some(p.x + corner + r * p.x_row + c * p.x_pixel + i, lanes)
                                  : zero();
                });
            }
        }
    }
}

}  // namespace nncore::kernels::NNCORE_TARGET
