// Batched matrix product over threads: C[i] = alpha * op(A)[i] op(B)[i] (+ C[i]).
#pragma once

#include <cstddef>
#include <vector>

namespace nncore::kernels {

// Element (m, k) of A in batch (i, j, ...) stands at
//   a + m * a_row + k * a_column + i * a_batch[0] + j * a_batch[1] + ...
// A batch stride of 0 broadcasts. The columns of C are contiguous. No check of bounds here:
// the bindings derive all of this from array shapes.
struct MatmulArgs {
    ptrdiff_t M = 0, N = 0, K = 0;
    float alpha = 1.0f;
    bool accumulate = false;
    const float* a = nullptr;
    ptrdiff_t a_row = 0, a_column = 0;
    const float* b = nullptr;
    ptrdiff_t b_row = 0, b_column = 0;
    float* c = nullptr;
    ptrdiff_t c_row = 0;
    std::vector<ptrdiff_t> batch_shape;
    std::vector<ptrdiff_t> a_batch, b_batch, c_batch;
};

// Splits by matrix and by rows or columns of the result; every element is one chain over K, so the
// split changes no bit.
void matmul(const MatmulArgs& args);

}  // namespace nncore::kernels
