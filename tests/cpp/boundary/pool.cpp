// Random calls of pooling kernels.
#include "kernels.h"

namespace boundary {
using namespace nncore::kernels;

namespace {

PoolArgs two_by_two(Call& call) {
    PoolArgs p{};
    p.window_rows = p.window_columns = p.step_rows = p.step_columns = 2;
    p.rows = call.size(6), p.columns = call.size(12), p.channels = call.size(70);
    p.x_rows = 2 * p.rows, p.x_columns = 2 * p.columns;
    return p;
}

// Windows may reach beyond the image on each side, as far as each keeps a pixel of it.
PoolArgs any_window(Call& call) {
    PoolArgs p{};
    p.window_rows = call.size(4), p.window_columns = call.size(4);
    p.step_rows = call.size(3), p.step_columns = call.size(3);
    p.rows = call.size(6), p.columns = call.size(9), p.channels = call.size(70);
    const ptrdiff_t height = (p.rows - 1) * p.step_rows + p.window_rows,
                    width = (p.columns - 1) * p.step_columns + p.window_columns;
    p.x_rows = height, p.x_columns = width;
    if (call.maybe()) {
        p.top = call.random.below(p.window_rows);
        p.left = call.random.below(p.window_columns);
        p.x_rows -= p.top + call.random.below(p.window_rows);
        p.x_columns -= p.left + call.random.below(p.window_columns);
        // Where one window spans the image, what both sides cut off may be all of it.
        if (p.x_rows < 1) p.top = 0, p.x_rows = height;
        if (p.x_columns < 1) p.left = 0, p.x_columns = width;
    }
    p.counts_beyond = call.maybe();
    return p;
}

void lay_out(Call& call, PoolArgs& p) {
    p.x_pixel = p.channels + call.gap(), p.y_pixel = p.channels + call.gap();
    p.x_row = p.x_columns * p.x_pixel + call.gap();
    p.y_row = p.columns * p.y_pixel + call.gap();
}
ptrdiff_t x_floats(const PoolArgs& p) {
    return extent(p.x_rows, p.x_row, extent(p.x_columns, p.x_pixel, p.channels));
}
ptrdiff_t y_floats(const PoolArgs& p) {
    return extent(p.rows, p.y_row, extent(p.columns, p.y_pixel, p.channels));
}
ptrdiff_t compact(const PoolArgs& p) { return p.rows * p.columns * p.channels; }

}  // namespace

void max_pool_2x2(Call& call) {
    PoolArgs p = two_by_two(call);
    lay_out(call, p);
    const auto kind = call.activation();
    const Floats x = call.rectified(x_floats(p));
    const bool places = call.maybe();
    call.compare(
        [&](const Kernels& table, Floats& y, GuardedArray<std::uint8_t>& winners) {
            table.max_pool_2x2(p, kind, x.data(), y.data(), places ? winners.data() : nullptr);
        },
        call.untouched(y_floats(p)), call.integers<std::uint8_t>(compact(p), 1));
}

void unpool_2x2(Call& call) {
    PoolArgs p = two_by_two(call);
    lay_out(call, p);
    const Floats d = call.floats(compact(p));
    const auto winners = call.integers<std::uint8_t>(d.size(), 4);
    call.compare(
        [&](const Kernels& table, Floats& target) {
            table.unpool_2x2(p.rows, p.columns, p.channels, d.data(), winners.data(), target.data(),
                             p.x_row, p.x_pixel);
        },
        call.untouched(x_floats(p)));
}

void max_pool(Call& call) {
    PoolArgs p = any_window(call);
    lay_out(call, p);
    const Floats x = call.rectified(x_floats(p));
    const bool places = call.maybe();
    call.compare(
        [&](const Kernels& table, Floats& y, GuardedArray<std::uint16_t>& winners) {
            table.max_pool(p, x.data(), y.data(), places ? winners.data() : nullptr);
        },
        call.untouched(y_floats(p)), call.integers<std::uint16_t>(compact(p), 1));
}

void max_pool_gradient(Call& call) {
    PoolArgs p = any_window(call);
    lay_out(call, p);
    // Any place of a window that the image has.
    auto winners = call.integers<std::uint16_t>(compact(p), 1);
    Floats y = call.untouched(y_floats(p));
    reference_table().max_pool(p, call.floats(x_floats(p)).data(), y.data(), winners.data());
    const Floats dy = call.floats(winners.size());
    call.compare(
        [&](const Kernels& table, Floats& dx) {
            table.max_pool_gradient(p, dy.data(), winners.data(), dx.data());
        },
        call.zeros(x_floats(p)));
}

void average_pool(Call& call) {
    PoolArgs p = any_window(call);
    lay_out(call, p);
    const Floats x = call.floats(x_floats(p));
    call.compare(
        [&](const Kernels& table, Floats& y) { table.average_pool(p, x.data(), y.data()); },
        call.untouched(y_floats(p)));
}

void average_pool_gradient(Call& call) {
    PoolArgs p = any_window(call);
    lay_out(call, p);
    const Floats dy = call.floats(compact(p));
    call.compare([&](const Kernels& table,
                     Floats& dx) { table.average_pool_gradient(p, dy.data(), dx.data()); },
                 call.zeros(x_floats(p)));
}

}  // namespace boundary
