// Convolutions by Winograd's minimal filtering.
#include <algorithm>
#include <cmath>

#include "../declarations.h"
#include "activation.h"

namespace nncore::kernels::reference {
namespace {

void weights_line(const float* x, ptrdiff_t step, float (&out)[4]) {
    const float a = x[0], b = x[step], c = x[2 * step];
    out[0] = a;
    out[1] = ((a + c) + b) * 0.5f;
    out[2] = ((a + c) - b) * 0.5f;
    out[3] = c;
}

void input_line(const float* x, ptrdiff_t step, float (&out)[4]) {
    const float a = x[0], b = x[step], c = x[2 * step], d = x[3 * step];
    out[0] = a - c;
    out[1] = b + c;
    out[2] = c - b;
    out[3] = b - d;
}

void output_line(const float* x, ptrdiff_t step, float (&out)[2]) {
    const float a = x[0], b = x[step], c = x[2 * step], d = x[3 * step];
    out[0] = a + (b + c);
    out[1] = (b - c) - d;
}

void delta_line(const float* x, ptrdiff_t step, float (&out)[4]) {
    const float a = x[0], b = x[step];
    out[0] = a;
    out[1] = a + b;
    out[2] = a - b;
    out[3] = -b;
}

void gradient_line(const float* x, ptrdiff_t step, float (&out)[3]) {
    const float a = x[0], b = x[step], c = x[2 * step], d = x[3 * step];
    out[0] = a + (b + c) * 0.5f;
    out[1] = (b - c) * 0.5f;
    out[2] = (b + c) * 0.5f + d;
}

// From Size x Size numbers to Out x Out: each column, then each line.
template <int Size, int Out>
void transform(const float* x, void (&line)(const float*, ptrdiff_t, float (&)[Out]), float* out) {
    float lines[Out * Size], result[Out];
    for (int column = 0; column < Size; ++column) {
        line(x + column, Size, result);
        for (int row = 0; row < Out; ++row) lines[row * Size + column] = result[row];
    }
    for (int row = 0; row < Out; ++row) {
        line(lines + row * Size, 1, result);
        std::copy_n(result, Out, out + row * Out);
    }
}

// Where a tile's output begins.
struct Tile {
    ptrdiff_t image, row, column;

    Tile(const WinogradTiles& p, ptrdiff_t number) {
        const ptrdiff_t across = (p.columns + 1) / 2, down = (p.rows + 1) / 2;
        image = number / (across * down);
        row = number / across % down * 2;
        column = number % across * 2;
    }
};

// V of one input.
void transform_inputs(const WinogradTiles& p, const Tile& tile, ptrdiff_t input, float* v) {
    float d[16] = {};
    for (ptrdiff_t i = 0; i < 16; ++i) {
        const ptrdiff_t y = tile.row + i / 4 - p.top, x = tile.column + i % 4 - p.left;
        if (y >= 0 && y < p.x_rows && x >= 0 && x < p.x_columns)
            d[i] = p.x[tile.image * p.x_image + y * p.x_row + x * p.x_pixel + input];
    }
    transform<4, 4>(d, input_line, v);
}

}  // namespace

void winograd_weights(const WinogradWeightsArgs& p) {
    for (ptrdiff_t output = 0; output < p.blocks * kBlock; ++output)
        for (ptrdiff_t input = 0; input < p.inputs; ++input) {
            float g[9], u[16];
            for (ptrdiff_t tap = 0; tap < 9; ++tap) {
                if (!p.turned) {
                    g[tap] = p.weights[tap * p.weights_tap + input * p.weights_row + output];
                } else {
                    g[8 - tap] =
                        output < p.rows
                            ? p.weights[tap * p.weights_tap + output * p.weights_row + input]
                            : 0.0f;
                }
            }
            transform<3, 4>(g, weights_line, u);
            for (ptrdiff_t place = 0; place < kWinogradPlaces; ++place)
                p.transformed[((output / kBlock * kWinogradPlaces + place) * p.inputs + input) *
                                  kBlock +
                              output % kBlock] = u[place];
        }
}

void winograd_conv(const WinogradArgs& p) {
    const ptrdiff_t inputs = p.tiles.inputs;
    for (ptrdiff_t number = p.tiles.first; number < p.tiles.last; ++number) {
        const Tile tile(p.tiles, number);
        for (ptrdiff_t c = 0; c < p.channels; ++c) {
            float m[16] = {}, v[16], sums[4];
            if (p.bias != nullptr) m[5] = p.bias[c];
            for (ptrdiff_t input = 0; input < inputs; ++input) {
                transform_inputs(p.tiles, tile, input, v);
                for (ptrdiff_t i = 0; i < 16; ++i)
                    m[i] = std::fma(
                        v[i],
                        p.weights[((c / kBlock * 16 + i) * inputs + input) * kBlock + c % kBlock],
                        m[i]);
            }
            transform<4, 2>(m, output_line, sums);
            for (ptrdiff_t i = 0; i < 4; ++i) {
                const ptrdiff_t y = tile.row + i / 2, x = tile.column + i % 2;
                if (y >= p.tiles.rows || x >= p.tiles.columns) continue;
                p.y[tile.image * p.y_image + y * p.y_row + x * p.y_pixel + c] =
                    p.input_activity != nullptr
                        ? times_derivative(
                              p.activation,
                              p.input_activity[tile.image * p.activity_image + y * p.activity_row +
                                               x * p.activity_pixel + c],
                              sums[i])
                        : activate(p.activation, sums[i]);
            }
        }
    }
}

void winograd_weight_gradient(const WinogradWeightGradientArgs& p) {
    const ptrdiff_t inputs = p.tiles.inputs, outputs = p.blocks * kBlock;
    for (ptrdiff_t input = 0; input < inputs; ++input)
        for (ptrdiff_t c = 0; c < outputs; ++c) {
            float m[16] = {}, v[16], d[16], g[9];
            for (ptrdiff_t number = p.tiles.first; number < p.tiles.last; ++number) {
                const Tile tile(p.tiles, number);
                transform_inputs(p.tiles, tile, input, v);
                float delta[4] = {};
                for (ptrdiff_t i = 0; i < 4; ++i) {
                    const ptrdiff_t y = tile.row + i / 2, x = tile.column + i % 2;
                    if (y < p.tiles.rows && x < p.tiles.columns && c < p.channels)
                        delta[i] = p.d[tile.image * p.d_image + y * p.d_row + x * p.d_pixel + c];
                }
                transform<2, 4>(delta, delta_line, d);
                for (ptrdiff_t i = 0; i < 16; ++i) m[i] = std::fma(v[i], d[i], m[i]);
            }
            transform<4, 3>(m, gradient_line, g);
            for (ptrdiff_t tap = 0; tap < 9; ++tap)
                p.gradient[(tap * inputs + input) * outputs + c] = g[tap];
        }
}

}  // namespace nncore::kernels::reference
