// Pooling over windows.
#include "../declarations.h"
#include "activation.h"

namespace nncore::kernels::reference {
namespace {

// Calls body(corner of the window in x, place in y, place in a compact output) per output value.
template <class Body>
void for_windows(const PoolArgs& p, Body body) {
    for (ptrdiff_t row = 0; row < p.rows; ++row)
        for (ptrdiff_t column = 0; column < p.columns; ++column)
            for (ptrdiff_t c = 0; c < p.channels; ++c)
                body(row * p.step_rows * p.x_row + column * p.step_columns * p.x_pixel + c,
                     row * p.y_row + column * p.y_pixel + c,
                     (row * p.columns + column) * p.channels + c);
}

// Calls body(index in the window, offset from its corner) in row-major order.
template <class Body>
void for_window(const PoolArgs& p, Body body) {
    for (ptrdiff_t r = 0; r < p.window_rows; ++r)
        for (ptrdiff_t k = 0; k < p.window_columns; ++k)
            body(r * p.window_columns + k, r * p.x_row + k * p.x_pixel);
}

// Calls body(row, column, channel, place in y, place in a compact output) per output value.
template <class Body>
void for_outputs(const PoolArgs& p, Body body) {
    for (ptrdiff_t row = 0; row < p.rows; ++row)
        for (ptrdiff_t column = 0; column < p.columns; ++column)
            for (ptrdiff_t c = 0; c < p.channels; ++c)
                body(row, column, c, row * p.y_row + column * p.y_pixel + c,
                     (row * p.columns + column) * p.channels + c);
}

// Calls body(index in the window, place in x) for the pixels of one output's window that there are.
template <class Body>
void for_pixels(const PoolArgs& p, ptrdiff_t row, ptrdiff_t column, Body body) {
    for (ptrdiff_t r = 0; r < p.window_rows; ++r)
        for (ptrdiff_t k = 0; k < p.window_columns; ++k) {
            const ptrdiff_t y = row * p.step_rows - p.top + r;
            const ptrdiff_t x = column * p.step_columns - p.left + k;
            if (y < 0 || x < 0 || y >= p.x_rows || x >= p.x_columns) continue;
            body(r * p.window_columns + k, y * p.x_row + x * p.x_pixel);
        }
}

float share_of(const PoolArgs& p, ptrdiff_t row, ptrdiff_t column) {
    ptrdiff_t count = 0;
    for_pixels(p, row, column, [&](ptrdiff_t, ptrdiff_t) { ++count; });
    return 1.0f / static_cast<float>(p.counts_beyond ? p.window_rows * p.window_columns : count);
}

}  // namespace

void max_pool_2x2(const PoolArgs& p, Activation activation, const float* x, float* y,
                  uint8_t* winners) {
    for_windows(p, [&](ptrdiff_t from, ptrdiff_t to, ptrdiff_t compact) {
        float best = x[from];
        uint8_t winner = 0;
        for_window(p, [&](ptrdiff_t index, ptrdiff_t offset) {
            if (!(x[from + offset] > best)) return;
            best = x[from + offset];
            winner = static_cast<uint8_t>(index);
        });
        y[to] = activate(activation, best);
        if (winners != nullptr) winners[compact] = winner;
    });
}

void unpool_2x2(ptrdiff_t rows, ptrdiff_t columns, ptrdiff_t channels, const float* d,
                const uint8_t* winners, float* target, ptrdiff_t target_row,
                ptrdiff_t target_pixel) {
    for (ptrdiff_t row = 0; row < rows; ++row)
        for (ptrdiff_t column = 0; column < columns; ++column)
            for (ptrdiff_t c = 0; c < channels; ++c, ++d, ++winners)
                for (int k = 0; k < 4; ++k)
                    target[(2 * row + k / 2) * target_row + (2 * column + k % 2) * target_pixel +
                           c] = *winners == k ? *d : 0.0f;
}

void max_pool(const PoolArgs& p, const float* x, float* y, uint16_t* winners) {
    for_outputs(p,
                [&](ptrdiff_t row, ptrdiff_t column, ptrdiff_t c, ptrdiff_t to, ptrdiff_t compact) {
                    bool found = false;
                    for_pixels(p, row, column, [&](ptrdiff_t index, ptrdiff_t from) {
                        if (found && !(x[from + c] > y[to])) return;
                        found = true;
                        y[to] = x[from + c];
                        if (winners != nullptr) winners[compact] = static_cast<uint16_t>(index);
                    });
                });
}

void max_pool_gradient(const PoolArgs& p, const float* dy, const uint16_t* winners, float* dx) {
    for_outputs(p, [&](ptrdiff_t row, ptrdiff_t column, ptrdiff_t c, ptrdiff_t, ptrdiff_t compact) {
        for_pixels(p, row, column, [&](ptrdiff_t index, ptrdiff_t from) {
            if (index == winners[compact]) dx[from + c] += dy[compact];
        });
    });
}

void average_pool(const PoolArgs& p, const float* x, float* y) {
    for_outputs(p, [&](ptrdiff_t row, ptrdiff_t column, ptrdiff_t c, ptrdiff_t to, ptrdiff_t) {
        float sum = 0.0f;
        for_pixels(p, row, column, [&](ptrdiff_t, ptrdiff_t from) { sum += x[from + c]; });
        y[to] = sum * share_of(p, row, column);
    });
}

void average_pool_gradient(const PoolArgs& p, const float* dy, float* dx) {
    for_outputs(p, [&](ptrdiff_t row, ptrdiff_t column, ptrdiff_t c, ptrdiff_t, ptrdiff_t compact) {
        const float part = dy[compact] * share_of(p, row, column);
        for_pixels(p, row, column, [&](ptrdiff_t, ptrdiff_t from) { dx[from + c] += part; });
    });
}

}  // namespace nncore::kernels::reference
