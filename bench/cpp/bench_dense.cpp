// The kernels of dense layers, for the layers of the works.
#include <benchmark/benchmark.h>

#include <vector>

#include "floats.h"
#include "kernels/dispatch.h"
#include "limits.h"

namespace nncore::bench {
namespace {

void layers(benchmark::internal::Benchmark* benchmark) {
    benchmark->ArgNames({"rows", "inputs", "units"});
    for (const auto& layer : std::vector<std::vector<std::int64_t>>{{32, 64, 32},
                                                                    {32, 784, 128},
                                                                    {64, 784, 512},
                                                                    {64, 512, 512},
                                                                    {32, 400, 120},
                                                                    {128, 1600, 10},
                                                                    {32, 8192, 10},
                                                                    {1, 784, 128}})
        benchmark->Args(layer);
}

double flops_of(const benchmark::State& state) {
    return 2.0 * static_cast<double>(state.range(0) * state.range(1) * state.range(2));
}

// y = relu(x W + b); the input gradient is the same kernel on transposed weights.
void dense_forward(benchmark::State& state) {
    const std::ptrdiff_t rows = state.range(0), inputs = state.range(1), units = state.range(2);
    const auto x = random_floats(rows * padded(inputs)), bias = random_floats(padded(units));
    const auto panels = random_floats(inputs * padded(units));
    auto y = random_floats(rows * padded(units));
    kernels::DenseProductArgs args{};
    args.rows = rows;
    args.K = inputs;
    args.blocks = blocks_of(units);
    args.a = x.data();
    args.a_row = padded(inputs);
    args.panels = panels.data();
    args.panel_stride = inputs * kBlock;
    args.bias = bias.data();
    args.activation = kernels::Activation::relu;
    args.y = y.data();
    args.y_row = padded(units);
    for (auto _ : state) {
        kernels::active().dense_product(args);
        benchmark::ClobberMemory();
    }
    count_flops(state, flops_of(state));
}
BENCHMARK(dense_forward)->Apply(layers);

// The update W -= rate * x^T d, fused.
void dense_weight_gradient(benchmark::State& state) {
    const std::ptrdiff_t rows = state.range(0), inputs = state.range(1), units = state.range(2);
    const auto x = random_floats(rows * padded(inputs)), d = random_floats(rows * padded(units));
    auto panels = random_floats(inputs * padded(units));
    kernels::DenseWeightGradientArgs args{};
    args.rows = rows;
    args.input_end = inputs;
    args.blocks = blocks_of(units);
    args.x = x.data();
    args.x_row = padded(inputs);
    args.d = d.data();
    args.d_row = padded(units);
    args.panel_stride = inputs * kBlock;
    args.weights = panels.data();
    args.learning_rate = 1e-9f;
    for (auto _ : state) {
        kernels::active().dense_weight_gradient(args);
        benchmark::ClobberMemory();
    }
    count_flops(state, flops_of(state));
}
BENCHMARK(dense_weight_gradient)->Apply(layers);

// What the input gradient needs first: the weights transposed, panel by panel. Pure memory traffic.
void dense_transpose(benchmark::State& state) {
    const std::ptrdiff_t inputs = state.range(1), units = state.range(2);
    const auto panels = random_floats(padded(inputs) * padded(units));
    auto transposed = random_floats(padded(inputs) * padded(units));
    for (auto _ : state) {
        kernels::active().transpose_panels(inputs, blocks_of(units), panels.data(), inputs * kBlock,
                                           blocks_of(inputs), transposed.data(),
                                           padded(units) * kBlock);
        benchmark::ClobberMemory();
    }
    state.SetBytesProcessed(state.iterations() * 8 * inputs * units);
}
BENCHMARK(dense_transpose)->Args({64, 512, 512})->Args({32, 128, 10});

}  // namespace
}  // namespace nncore::bench
