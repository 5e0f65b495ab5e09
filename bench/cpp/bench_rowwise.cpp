// What works on rows of logits and on flat parameters: loss with gradient, update, loading pixels.
#include <benchmark/benchmark.h>

#include <vector>

#include "floats.h"
#include "kernels/dispatch.h"

namespace nncore::bench {
namespace {

void softmax_cross_entropy(benchmark::State& state) {
    const std::ptrdiff_t rows = state.range(0), classes = state.range(1), row = padded(classes);
    const auto logits = random_floats(rows * row);
    auto targets = random_floats(rows * row);
    for (std::ptrdiff_t r = 0; r < rows; ++r)
        for (std::ptrdiff_t c = 0; c < classes; ++c)
            targets.data()[r * row + c] = c == r % classes ? 1.0f : 0.0f;
    auto losses = random_floats(rows), gradient = random_floats(rows * row);
    auto scratch = random_floats(3 * kBlock * row);
    std::vector<std::int32_t> predicted(static_cast<std::size_t>(rows));
    for (auto _ : state) {
        kernels::active().softmax_cross_entropy(
            rows, classes, 1.0f / static_cast<float>(rows), logits.data(), row, targets.data(), row,
            losses.data(), gradient.data(), row, predicted.data(), scratch.data());
        benchmark::ClobberMemory();
    }
    state.SetItemsProcessed(state.iterations() * rows);
}
BENCHMARK(softmax_cross_entropy)
    ->ArgNames({"rows", "classes"})
    ->Args({32, 10})
    ->Args({128, 10})
    ->Args({32, 100});

void sgd_update(benchmark::State& state) {
    const std::ptrdiff_t count = state.range(0);
    const auto gradient = random_floats(count);
    auto weights = random_floats(count);
    for (auto _ : state) {
        kernels::active().sgd_update(count, 1e-9f, gradient.data(), weights.data());
        benchmark::ClobberMemory();
    }
    state.SetBytesProcessed(state.iterations() * count * 12);
}
BENCHMARK(sgd_update)->Arg(4096)->Arg(1 << 20);

// Bytes of images to floats, plain (0) or normalised per channel (1).
void bytes_to_floats(benchmark::State& state) {
    const std::ptrdiff_t count = state.range(0);
    const bool normalized = state.range(1) != 0;
    const auto bytes = random_winners(count);
    const float scale[3] = {4.0f, 4.0f, 4.0f}, offset[3] = {-2.0f, -2.0f, -2.0f};
    auto y = random_floats(count);
    for (auto _ : state) {
        kernels::active().bytes_to_floats(count, bytes.data(), 3, normalized ? scale : nullptr,
                                          normalized ? offset : nullptr, y.data());
        benchmark::ClobberMemory();
    }
    state.SetBytesProcessed(state.iterations() * count * 5);
}
BENCHMARK(bytes_to_floats)
    ->ArgNames({"pixels", "normalized"})
    ->ArgsProduct({{28 * 28, 64 * 64 * 3}, {0, 1}});

}  // namespace
}  // namespace nncore::bench
