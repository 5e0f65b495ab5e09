// Random calls of kernels that go through arrays once.
#include "kernels.h"

namespace boundary {
using namespace nncore::kernels;

namespace {
constexpr ptrdiff_t kMost = 300;
}

void add_bias(Call& call) {
    const ptrdiff_t rows = call.size(20), columns = call.size(100);
    const ptrdiff_t x_row = columns + call.gap(), y_row = columns + call.gap();
    const Floats x = call.floats(extent(rows, x_row, columns)), bias = call.floats(columns);
    call.compare(
        [&](const Kernels& table, Floats& y) {
            table.add_bias(rows, columns, x.data(), x_row, bias.data(), y.data(), y_row);
        },
        call.untouched(extent(rows, y_row, columns)));
}

void bias_gradient(Call& call) {
    const ptrdiff_t rows = call.size(40), columns = call.size(100), row = columns + call.gap();
    const Floats dy = call.floats(extent(rows, row, columns));
    const bool first = call.maybe();
    call.compare(
        [&](const Kernels& table, Floats& gradient) {
            table.bias_gradient(rows, columns, dy.data(), row, first, gradient.data());
        },
        call.untouched(columns));
}

void activation(Call& call) {
    const auto kind = call.activation();
    const Floats x = call.floats(call.size(kMost), -9.0f, 9.0f);
    const bool in_place = call.maybe();
    call.compare(
        [&](const Kernels& table, Floats& y) {
            table.activation(kind, x.size(), in_place ? y.data() : x.data(), y.data());
        },
        call.result(x, in_place));
}

void activation_gradient(Call& call) {
    const auto kind = call.activation();
    const Floats y = call.rectified(call.size(kMost)), dy = call.floats(y.size());
    const bool in_place = call.maybe();
    call.compare(
        [&](const Kernels& table, Floats& dx) {
            table.activation_gradient(kind, y.size(), y.data(), in_place ? dx.data() : dy.data(),
                                      dx.data());
        },
        call.result(dy, in_place));
}

void self_gated(Call& call) {
    const auto kind = call.kind<SelfGated>(3);
    const Floats x = call.floats(call.size(kMost), -9.0f, 9.0f);
    const bool in_place = call.maybe();
    call.compare(
        [&](const Kernels& table, Floats& y) {
            table.self_gated(kind, x.size(), in_place ? y.data() : x.data(), y.data());
        },
        call.result(x, in_place));
}

void self_gated_gradient(Call& call) {
    const auto kind = call.kind<SelfGated>(3);
    const Floats x = call.floats(call.size(kMost), -9.0f, 9.0f), dy = call.floats(x.size());
    const bool in_place = call.maybe();
    call.compare(
        [&](const Kernels& table, Floats& dx) {
            table.self_gated_gradient(kind, x.size(), x.data(), in_place ? dx.data() : dy.data(),
                                      dx.data());
        },
        call.result(dy, in_place));
}

void add(Call& call) {
    const auto kind = call.activation();
    const Floats a = call.floats(call.size(kMost)), b = call.floats(a.size());
    call.compare([&](const Kernels& table,
                     Floats& y) { table.add(kind, a.size(), a.data(), b.data(), y.data()); },
                 call.untouched(a.size()));
}

void multiply(Call& call) {
    const Floats x = call.floats(call.size(kMost)), factors = call.floats(x.size());
    const bool in_place = call.maybe();
    call.compare(
        [&](const Kernels& table, Floats& y) {
            table.multiply(x.size(), in_place ? y.data() : x.data(), factors.data(), y.data());
        },
        call.result(x, in_place));
}

void multiply_add(Call& call) {
    const Floats x = call.floats(call.size(kMost)), factors = call.floats(x.size()),
                 summands = call.floats(x.size());
    const bool in_place = call.maybe();
    call.compare(
        [&](const Kernels& table, Floats& y) {
            table.multiply_add(x.size(), in_place ? y.data() : x.data(), factors.data(),
                               summands.data(), y.data());
        },
        call.result(x, in_place));
}

void dropout_mask(Call& call) {
    const auto word = [&] { return static_cast<std::uint32_t>(call.random.bits() >> 32); };
    const RandomKey key{word(), word(), word(), word(), word()};
    const auto threshold = static_cast<std::uint32_t>(call.random.below(65537));
    const ptrdiff_t count = call.size(kMost);
    call.compare(
        [&](const Kernels& table, Floats& mask) {
            table.dropout_mask(count, key, threshold, 1.25f, mask.data());
        },
        call.untouched(count));
}

void random_words(Call& call) {
    const auto word = [&] { return static_cast<std::uint32_t>(call.random.bits() >> 32); };
    const RandomKey key{word(), word(), word(), word(), word()};
    const std::uint32_t first = word();  // may pass 2^32
    const ptrdiff_t count = call.size(kMost);
    call.compare(
        [&](const Kernels& table, GuardedArray<std::uint32_t>& words0,
            GuardedArray<std::uint32_t>& words1) {
            table.random_words(key, first, count, words0.data(), words1.data());
        },
        call.integers<std::uint32_t>(count, 1), call.integers<std::uint32_t>(count, 1));
}

void bytes_to_floats(Call& call) {
    const ptrdiff_t channels = call.size(5), count = call.size(60) * channels;
    const auto x = call.integers<std::uint8_t>(count, 256);
    const Floats scale = call.floats(channels), offset = call.floats(channels);
    const bool scaled = call.maybe();
    call.compare(
        [&](const Kernels& table, Floats& y) {
            table.bytes_to_floats(count, x.data(), channels, scaled ? scale.data() : nullptr,
                                  scaled ? offset.data() : nullptr, y.data());
        },
        call.untouched(count));
}

void sum_partials(Call& call) {
    const ptrdiff_t count = call.size(kMost), parts = ptrdiff_t{1} << (call.size(5) - 1);
    const ptrdiff_t stride = count + call.gap();
    const Floats partials = call.floats(extent(parts, stride, count));
    call.compare(
        [&](const Kernels& table, Floats& sum) {
            table.sum_partials(count, parts, stride, partials.data(), sum.data());
        },
        call.untouched(count));
}

}  // namespace boundary
