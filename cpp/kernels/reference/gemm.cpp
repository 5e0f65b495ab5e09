// The matrix product, see GemmArgs.
#include <cmath>

#include "../declarations.h"

namespace nncore::kernels::reference {
namespace {

void one_column(const GemmArgs& g) {
    for (ptrdiff_t i = 0; i < g.M; ++i) {
        float chains[16] = {};
        for (ptrdiff_t k = 0; k < g.K; ++k)
            chains[k % 16] = std::fma(g.alpha * g.a[i * g.a_row + k * g.a_column], g.b[k * g.b_row],
                                      chains[k % 16]);
        for (int half = 8; half > 0; half /= 2)
            for (int l = 0; l < half; ++l) chains[l] += chains[l + half];
        float& c = g.c[i * g.c_row];
        c = g.accumulate ? c + chains[0] : chains[0];
    }
}

}  // namespace

const ptrdiff_t gemm_scratch_floats = 0;

void gemm(const GemmArgs& g, float*) {
    if (g.N == 1 && g.K > 0 && g.K <= kLongestColumn && g.alpha != 0.0f) {
        one_column(g);
        return;
    }
    for (ptrdiff_t i = 0; i < g.M; ++i)
        for (ptrdiff_t j = 0; j < g.N; ++j) {
            float& c = g.c[i * g.c_row + j];
            float acc = g.accumulate ? c : 0.0f;
            if (g.alpha != 0.0f)
                for (ptrdiff_t k = 0; k < g.K; ++k)
                    acc = std::fma(g.alpha * g.a[i * g.a_row + k * g.a_column],
                                   g.b[k * g.b_row + j * g.b_column], acc);
            c = acc;
        }
}

}  // namespace nncore::kernels::reference
