// Random calls of matrix products and dense layers.
#include "kernels.h"
#include "kernels/matmul.h"
#include "runtime/parallel.h"

namespace boundary {
using namespace nncore::kernels;

namespace {

// A random matrix, row-major, column-major or scattered, perhaps last row first.
struct Matrix {
    Floats storage;
    const float* origin;
    ptrdiff_t row, column;

    static Matrix random(Call& call, ptrdiff_t rows, ptrdiff_t columns) {
        ptrdiff_t row = columns + call.gap(), column = 1;
        if (call.maybe()) row = 1, column = rows + call.gap();
        if (call.random.below(8) == 0) row = 2, column = 2 * rows + 1;
        return {call, rows, columns, row, column, call.random.below(8) == 0};
    }

 private:
    Matrix(Call& call, ptrdiff_t rows, ptrdiff_t columns, ptrdiff_t row_, ptrdiff_t column_,
           bool backwards)
        : storage(call.floats((rows - 1) * row_ + (columns - 1) * column_ + 1)),
          origin(storage.data() + (backwards ? (rows - 1) * row_ : 0)),
          row(backwards ? -row_ : row_),
          column(column_) {}
};

}  // namespace

void gemm(Call& call) {
    // A few are long enough for the blocks of K and of columns.
    const bool large = call.random.below(16) == 0;
    const ptrdiff_t M = call.size(40), N = call.size(large ? 600 : 100),
                    K = call.size(large ? 600 : 60);
    const Matrix a = Matrix::random(call, M, K), b = Matrix::random(call, K, N);
    const float alpha = call.maybe() ? 1.0f : -0.5f;
    const bool accumulate = call.maybe();
    const ptrdiff_t c_row = N + call.gap();
    call.compare(
        [&](const Kernels& table, Floats& c) {
            call.with_scratch(table.gemm_scratch_floats, [&](float* scratch) {
                table.gemm({M, N, K, alpha, a.origin, a.row, a.column, b.origin, b.row, b.column,
                            accumulate, c.data(), c_row},
                           scratch);
            });
        },
        call.floats(extent(M, c_row, N)));
}

void matmul(Call& call) {
    MatmulArgs p;
    p.M = call.size(40), p.N = call.size(100), p.K = call.size(40);
    p.alpha = call.maybe() ? 1.0f : -0.5f;
    p.accumulate = call.maybe();
    const ptrdiff_t batch = 1 + call.random.below(3);
    p.a_row = p.K + call.gap(), p.a_column = 1;
    p.b_row = p.N + call.gap(), p.b_column = 1;
    p.c_row = p.N + call.gap();
    const ptrdiff_t a_size = extent(p.M, p.a_row, p.K), b_size = extent(p.K, p.b_row, p.N),
                    c_size = extent(p.M, p.c_row, p.N);
    p.batch_shape = {batch};
    p.a_batch = {call.maybe() ? 0 : a_size + call.gap()};
    p.b_batch = {call.maybe() ? 0 : b_size + call.gap()};
    p.c_batch = {c_size + call.gap()};
    const Floats a = call.floats(extent(batch, p.a_batch[0], a_size)),
                 b = call.floats(extent(batch, p.b_batch[0], b_size));
    p.a = a.data(), p.b = b.data();
    nncore::runtime::set_thread_limit(1 + static_cast<int>(call.random.below(3)));
    call.compare(
        [&](const Kernels& table, Floats& c) {
            select_isa(table.isa);
            p.c = c.data();
            nncore::kernels::matmul(p);
        },
        call.floats(extent(batch, p.c_batch[0], c_size)));
}

void dense_product(Call& call) {
    DenseProductArgs p{};
    p.rows = call.size(40), p.K = call.size(70), p.blocks = call.size(6);
    const ptrdiff_t columns = p.blocks * kBlock;
    p.a_row = p.K + call.gap();
    p.panel_stride = p.K * kBlock + call.gap();
    p.input_activity_row = columns + call.gap();
    p.y_row = columns + call.gap();
    const Floats a = call.floats(extent(p.rows, p.a_row, p.K)),
                 panels = call.floats(extent(p.blocks, p.panel_stride, p.K * kBlock)),
                 bias = call.floats(columns),
                 activity = call.rectified(extent(p.rows, p.input_activity_row, columns));
    p.a = a.data(), p.panels = panels.data();
    p.bias = call.maybe() ? bias.data() : nullptr;
    p.activation = call.activation();
    p.input_activity = call.maybe() ? activity.data() : nullptr;
    call.compare(
        [&](const Kernels& table, Floats& y) {
            p.y = y.data();
            table.dense_product(p);
        },
        call.untouched(extent(p.rows, p.y_row, columns)));
}

void dense_weight_gradient(Call& call) {
    DenseWeightGradientArgs p{};
    const ptrdiff_t inputs = call.size(100);
    p.rows = call.size(40), p.blocks = call.size(5);
    const ptrdiff_t columns = p.blocks * kBlock;
    if (call.maybe()) p.input_begin = call.random.below(inputs);
    p.input_end =
        call.maybe() ? inputs : p.input_begin + call.random.below(inputs - p.input_begin + 1);
    p.x_row = inputs + call.gap(), p.d_row = columns + call.gap();
    p.panel_stride = inputs * kBlock + call.gap();
    p.learning_rate = 0.37f;
    const Floats x = call.floats(extent(p.rows, p.x_row, inputs)),
                 d = call.floats(extent(p.rows, p.d_row, columns));
    p.x = x.data(), p.d = d.data();
    const bool update = call.maybe();
    call.compare(
        [&](const Kernels& table, Floats& result) {
            (update ? p.weights : p.gradient) = result.data();
            table.dense_weight_gradient(p);
        },
        call.floats(extent(p.blocks, p.panel_stride, inputs * kBlock)));
}

void transpose_panels(Call& call) {
    const ptrdiff_t inputs = call.size(100), output_blocks = call.size(4);
    const ptrdiff_t input_blocks = call.random.below(blocks_of(inputs) + 1);
    const ptrdiff_t stride = inputs * kBlock + call.gap(),
                    transposed_panel = output_blocks * kBlock * kBlock,
                    transposed_stride = transposed_panel + call.gap();
    const Floats panels = call.floats(extent(output_blocks, stride, inputs * kBlock));
    call.compare(
        [&](const Kernels& table, Floats& transposed) {
            table.transpose_panels(inputs, output_blocks, panels.data(), stride, input_blocks,
                                   transposed.data(), transposed_stride);
        },
        call.untouched(extent(input_blocks, transposed_stride, transposed_panel)));
}

void transpose(Call& call) {
    const ptrdiff_t rows = call.size(70), columns = call.size(70);
    const ptrdiff_t source_row = columns + call.gap(), target_row = rows + call.gap();
    const Floats source = call.floats(extent(rows, source_row, columns));
    call.compare(
        [&](const Kernels& table, Floats& target) {
            table.transpose(rows, columns, source.data(), source_row, target.data(), target_row);
        },
        call.untouched(extent(columns, target_row, rows)));
}

}  // namespace boundary
