// Dense layers: activations row-major, weights in panels of 16 outputs.
#include <cmath>

#include "../declarations.h"
#include "activation.h"

namespace nncore::kernels::reference {
namespace {

// Where column c of row k stands in panels of 16 columns.
ptrdiff_t panel_index(ptrdiff_t k, ptrdiff_t c, ptrdiff_t panel_stride) {
    return c / kBlock * panel_stride + k * kBlock + c % kBlock;
}

}  // namespace

void dense_product(const DenseProductArgs& p) {
    for (ptrdiff_t r = 0; r < p.rows; ++r)
        for (ptrdiff_t c = 0; c < p.blocks * kBlock; ++c) {
            float acc = p.bias != nullptr ? p.bias[c] : 0.0f;
            for (ptrdiff_t k = 0; k < p.K; ++k)
                acc = std::fma(p.a[r * p.a_row + k], p.panels[panel_index(k, c, p.panel_stride)],
                               acc);
            p.y[r * p.y_row + c] =
                p.input_activity != nullptr
                    ? times_derivative(p.activation, p.input_activity[r * p.input_activity_row + c],
                                       acc)
                    : activate(p.activation, acc);
        }
}

void dense_weight_gradient(const DenseWeightGradientArgs& p) {
    for (ptrdiff_t i = p.input_begin; i < p.input_end; ++i)
        for (ptrdiff_t o = 0; o < p.blocks * kBlock; ++o) {
            float acc = 0.0f;
            for (ptrdiff_t n = 0; n < p.rows; ++n)
                acc = std::fma(p.x[n * p.x_row + i], p.d[n * p.d_row + o], acc);
            const ptrdiff_t at = panel_index(i, o, p.panel_stride);
            if (p.weights != nullptr) {
                p.weights[at] = std::fma(-p.learning_rate, acc, p.weights[at]);
            } else {
                p.gradient[at] = acc;
            }
        }
}

void transpose_panels(ptrdiff_t inputs, ptrdiff_t output_blocks, const float* panels,
                      ptrdiff_t panel_stride, ptrdiff_t input_blocks, float* transposed,
                      ptrdiff_t transposed_stride) {
    for (ptrdiff_t i = 0; i < input_blocks * kBlock; ++i)
        for (ptrdiff_t o = 0; o < output_blocks * kBlock; ++o)
            transposed[panel_index(o, i, transposed_stride)] =
                i < inputs ? panels[panel_index(i, o, panel_stride)] : 0.0f;
}

}  // namespace nncore::kernels::reference
