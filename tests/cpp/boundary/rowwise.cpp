// Random calls of softmax, the losses and layer normalization.
#include "kernels.h"

namespace boundary {
using namespace nncore::kernels;

namespace {

struct Shape {
    ptrdiff_t rows, columns;
    explicit Shape(Call& call) : rows(call.size(50)), columns(call.size(100)) {}
    ptrdiff_t scratch() const { return 3 * 16 * columns; }
    ptrdiff_t floats(ptrdiff_t row) const { return extent(rows, row, columns); }
};

void loss(Call& call, decltype(Kernels::squared_error) Kernels::* kernel) {
    const Shape s(call);
    const ptrdiff_t output_row = s.columns + call.gap(), target_row = s.columns + call.gap(),
                    gradient_row = s.columns + call.gap();
    const Floats output = call.floats(s.floats(output_row), -15.0f, 15.0f),
                 target = call.floats(s.floats(target_row), 0.0f, 1.0f);
    const bool losses = call.maybe(), graded = call.maybe(), predicts = call.maybe();
    call.compare(
        [&](const Kernels& table, Floats& of_rows, Floats& gradient,
            GuardedArray<std::int32_t>& predicted) {
            call.with_scratch(s.scratch(), [&](float* scratch) {
                (table.*kernel)(s.rows, s.columns, 0.3f, output.data(), output_row, target.data(),
                                target_row, losses ? of_rows.data() : nullptr,
                                graded ? gradient.data() : nullptr, gradient_row,
                                predicts ? predicted.data() : nullptr, scratch);
            });
        },
        call.untouched(s.rows), call.untouched(s.floats(gradient_row)),
        call.integers<std::int32_t>(s.rows, 1));
}

}  // namespace

void squared_error(Call& call) { loss(call, &Kernels::squared_error); }
void softmax_cross_entropy(Call& call) { loss(call, &Kernels::softmax_cross_entropy); }
void softmax_focal(Call& call) { loss(call, &Kernels::softmax_focal); }

void softmax(Call& call) {
    const Shape s(call);
    const ptrdiff_t x_row = s.columns + call.gap(), y_row = s.columns + call.gap();
    const Floats x = call.floats(s.floats(x_row), -20.0f, 20.0f);
    call.compare(
        [&](const Kernels& table, Floats& y) {
            call.with_scratch(s.scratch(), [&](float* scratch) {
                table.softmax(s.rows, s.columns, x.data(), x_row, y.data(), y_row, scratch);
            });
        },
        call.untouched(s.floats(y_row)));
}

void softmax_gradient(Call& call) {
    const Shape s(call);
    const ptrdiff_t y_row = s.columns + call.gap(), dy_row = s.columns + call.gap(),
                    dx_row = s.columns + call.gap();
    const Floats y = call.floats(s.floats(y_row), 0.0f, 1.0f), dy = call.floats(s.floats(dy_row));
    call.compare(
        [&](const Kernels& table, Floats& dx) {
            call.with_scratch(s.scratch(), [&](float* scratch) {
                table.softmax_gradient(s.rows, s.columns, y.data(), y_row, dy.data(), dy_row,
                                       dx.data(), dx_row, scratch);
            });
        },
        call.untouched(s.floats(dx_row)));
}

void layer_norm(Call& call) {
    const Shape s(call);
    const ptrdiff_t x_row = s.columns + call.gap(), y_row = s.columns + call.gap();
    const Floats x = call.floats(s.floats(x_row), -4.0f, 4.0f), scale = call.floats(s.columns),
                 shift = call.floats(s.columns);
    const LayerNormArgs p{s.rows, s.columns, 1e-3f, x.data(), x_row};
    call.compare(
        [&](const Kernels& table, Floats& y) {
            call.with_scratch(s.scratch(), [&](float* scratch) {
                table.layer_norm(p, scale.data(), shift.data(), y.data(), y_row, scratch);
            });
        },
        call.untouched(s.floats(y_row)));
}

void layer_norm_gradient(Call& call) {
    const Shape s(call);
    const ptrdiff_t x_row = s.columns + call.gap(), dy_row = s.columns + call.gap(),
                    dx_row = s.columns + call.gap(), products_row = s.columns + call.gap();
    const Floats x = call.floats(s.floats(x_row), -4.0f, 4.0f), dy = call.floats(s.floats(dy_row)),
                 scale = call.floats(s.columns);
    const LayerNormArgs p{s.rows, s.columns, 1e-3f, x.data(), x_row};
    call.compare(
        [&](const Kernels& table, Floats& dx, Floats& products) {
            call.with_scratch(s.scratch(), [&](float* scratch) {
                table.layer_norm_gradient(p, scale.data(), dy.data(), dy_row, dx.data(), dx_row,
                                          products.data(), products_row, scratch);
            });
        },
        call.untouched(s.floats(dx_row)), call.untouched(s.floats(products_row)));
}

}  // namespace boundary
