// The gradients of a convolution whose output went through a 2x2 max pool.
#include <algorithm>
#include <cmath>
#include <vector>

#include "../declarations.h"
#include "../pooled_groups.h"

namespace nncore::kernels::reference {

void pooled_weight_gradient(const PooledWeightGradientArgs& p) {
    const ptrdiff_t taps = p.kernel_rows * p.padded_run;
    if (p.first) std::fill_n(p.gradient, p.channels * taps, 0.0f);
    for (ptrdiff_t row = 0; row < p.rows; ++row)
        for (ptrdiff_t column = 0; column < p.columns; ++column)
            for (ptrdiff_t c = 0; c < p.channels; ++c) {
                const ptrdiff_t at = (row * p.columns + column) * p.channels + c;
                const float* x = p.x + (2 * row + p.winners[at] / 2) * p.x_row +
                                 (2 * column + p.winners[at] % 2) * p.x_pixel;
                for (ptrdiff_t k = 0; k < p.kernel_rows; ++k)
                    for (ptrdiff_t i = 0; i < p.padded_run; ++i) {
                        float& g = p.gradient[c * taps + k * p.padded_run + i];
                        g = std::fma(p.d[at], x[k * p.kernel_row + i], g);
                    }
            }
}

void pooled_input_gradient(const PooledInputGradientArgs& p) {
    constexpr ptrdiff_t at_once = kPooledInputGradientWindows;
    const auto add = [&](ptrdiff_t window, ptrdiff_t place, ptrdiff_t row, ptrdiff_t rows,
                         ptrdiff_t block, ptrdiff_t blocks) {
        std::vector<ptrdiff_t> won;
        for (ptrdiff_t c = 0; c < p.channels; ++c)
            if (p.winners[window * p.channels + c] == place && p.d[window * p.channels + c] != 0.0f)
                won.push_back(c);
        if (won.empty()) return;
        float* const inputs = p.image + (2 * (window / p.columns) + place / 2) * p.x_row +
                              (2 * (window % p.columns) + place % 2) * p.x_pixel;
        for (ptrdiff_t k = row; k < row + rows; ++k)
            for (ptrdiff_t j = block * kBlock; j < (block + blocks) * kBlock; ++j) {
                float sums[2] = {0.0f, 0.0f};
                for (std::size_t i = 0; i < won.size(); ++i) {
                    const float w = p.weights[(k * p.channels + won[i]) * p.padded_run + j];
                    sums[i % 2] = std::fma(p.d[window * p.channels + won[i]], w, sums[i % 2]);
                }
                inputs[k * p.line + j] += sums[0] + sums[1];
            }
    };
    for (ptrdiff_t first = 0; first < p.rows * p.columns; first += at_once)
        for_pooled_groups(p.kernel_rows, p.padded_run / kBlock, p.channels, [&](auto... group) {
            const ptrdiff_t last = std::min(first + at_once, p.rows * p.columns);
            for (ptrdiff_t window = first; window < last; ++window)
                for (ptrdiff_t place = 0; place < 4; ++place) add(window, place, group...);
        });
}

}  // namespace nncore::kernels::reference
