// The kernels of convolutions, one image at a time, for the layers of the works. Stride 1.
//
// Flops are those of the layer itself, computed densely: a kernel that pads few channels to whole
// vectors shows a small share of the peak, one that leaves out zeros may show more than all of it.
#include <benchmark/benchmark.h>

#include <vector>

#include "floats.h"
#include "kernels/dispatch.h"
#include "limits.h"

namespace nncore::bench {
namespace {

struct Layer {
    std::ptrdiff_t size, channels, kernel, pad, filters;  // images and kernels are square

    std::ptrdiff_t input_width() const { return size + 2 * pad; }  // with its border
    std::ptrdiff_t out() const { return size + 2 * pad - kernel + 1; }
    std::ptrdiff_t run() const { return kernel * channels; }
    double flops() const {
        return 2.0 * static_cast<double>(out() * out() * kernel * run() * filters);
    }
};

Layer layer_of(const benchmark::State& state) {
    return {state.range(0), state.range(1), state.range(2), state.range(3), state.range(4)};
}

using Shapes = std::vector<std::vector<std::int64_t>>;

void add(benchmark::internal::Benchmark* benchmark, const Shapes& shapes) {
    benchmark->ArgNames({"size", "channels", "kernel", "pad", "filters"});
    for (const auto& shape : shapes) benchmark->Args(shape);
}

// First layers of works, which need no input gradient, and later ones.
const Shapes kFirst = {{28, 1, 5, 2, 6}, {28, 1, 3, 0, 32}, {32, 3, 3, 0, 32}, {64, 3, 3, 1, 32}};
const Shapes kLater = {{14, 6, 5, 0, 16},   {13, 32, 3, 0, 64}, {6, 64, 3, 0, 64},
                       {64, 32, 3, 1, 32},  {32, 32, 3, 1, 64}, {32, 64, 3, 1, 64},
                       {16, 64, 3, 1, 128}, {7, 64, 3, 1, 64},  {7, 128, 3, 1, 128}};

void all_layers(benchmark::internal::Benchmark* benchmark) {
    add(benchmark, kFirst);
    add(benchmark, kLater);
}
void later_layers(benchmark::internal::Benchmark* benchmark) { add(benchmark, kLater); }

void conv_forward(benchmark::State& state) {
    const Layer layer = layer_of(state);
    const std::ptrdiff_t line = layer.input_width() * layer.channels;
    const auto x = random_floats(layer.input_width() * line), bias = random_floats(128);
    const auto weights = random_floats(layer.kernel * layer.run() * padded(layer.filters));
    auto y = random_floats(layer.out() * layer.out() * layer.filters);
    kernels::ConvArgs args{};
    args.kernel_rows = layer.kernel;
    args.kernel_row = args.x_row = line;
    args.runs = 1;
    args.run = layer.run();
    args.rows = args.columns = layer.out();
    args.x_pixel = layer.channels;
    args.x = x.data();
    args.blocks = blocks_of(layer.filters);
    args.weights_row = args.blocks * kBlock;
    args.weights_block = kBlock;
    args.channels = layer.filters;
    args.weights = weights.data();
    args.bias = bias.data();
    args.activation = kernels::Activation::relu;
    args.y = y.data();
    args.y_row = layer.out() * layer.filters;
    args.y_pixel = layer.filters;
    for (auto _ : state) {
        kernels::active().conv(args);
        benchmark::ClobberMemory();
    }
    count_flops(state, layer.flops());
}
BENCHMARK(conv_forward)->Apply(all_layers);

// The convolution of the output gradient, in a border of zeros, with the turned weights; times the
// derivative of the ReLU that gave the input.
void conv_input_gradient(benchmark::State& state) {
    const Layer layer = layer_of(state);
    const std::ptrdiff_t width = layer.size + layer.kernel - 1, pixel = padded(layer.filters);
    const auto d = random_floats(width * width * pixel);
    const auto weights =
        random_floats(layer.kernel * layer.kernel * pixel * padded(layer.channels));
    const auto x = random_floats(layer.size * layer.size * layer.channels);
    auto dx = random_floats(layer.size * layer.size * layer.channels);
    kernels::ConvArgs args{};
    args.kernel_rows = layer.kernel;
    args.kernel_row = args.x_row = width * pixel;
    args.runs = 1;
    args.run = layer.kernel * pixel;
    args.rows = args.columns = layer.size;
    args.x_pixel = pixel;
    args.x = d.data();
    args.blocks = blocks_of(layer.channels);
    args.weights_row = args.blocks * kBlock;
    args.weights_block = kBlock;
    args.channels = layer.channels;
    args.weights = weights.data();
    args.activation = kernels::Activation::relu;
    args.input_activity = x.data();
    args.activity_row = args.y_row = layer.size * layer.channels;
    args.activity_pixel = args.y_pixel = layer.channels;
    args.y = dx.data();
    for (auto _ : state) {
        kernels::active().conv(args);
        benchmark::ClobberMemory();
    }
    count_flops(state, layer.flops());
}
BENCHMARK(conv_input_gradient)->Apply(later_layers);

// The same for few input channels, with lanes over the inputs of a kernel row.
void conv_scatter(benchmark::State& state) {
    const Layer layer = layer_of(state);
    const std::ptrdiff_t height = layer.size + layer.kernel - 1, pixel = padded(layer.filters);
    const auto d = random_floats(height * layer.out() * pixel);
    const auto weights = random_floats(layer.kernel * layer.filters * padded(layer.run()));
    kernels::ConvScatterArgs args{};
    args.kernel_rows = layer.kernel;
    args.kernel_row = layer.out() * pixel;
    args.channels = layer.filters;
    args.rows = layer.size;
    args.columns = layer.out();
    args.x = d.data();
    args.x_pixel = pixel;
    args.weights = weights.data();
    args.blocks = blocks_of(layer.run());
    args.step = layer.channels;
    args.line = padded(layer.input_width() * layer.channels) + padded(layer.run());
    auto lines = random_floats(layer.size * args.line);
    args.lines = lines.data();
    for (auto _ : state) {
        kernels::active().conv_scatter(args);
        benchmark::ClobberMemory();
    }
    count_flops(state, layer.flops());
}
BENCHMARK(conv_scatter)->Apply([](auto* benchmark) { add(benchmark, {{14, 6, 5, 0, 16}}); });

void conv_weight_gradient(benchmark::State& state) {
    const Layer layer = layer_of(state);
    const std::ptrdiff_t line = layer.input_width() * layer.channels;
    const std::ptrdiff_t pixel = padded(layer.filters);
    const auto x = random_floats(layer.input_width() * line);
    const auto d = random_floats(layer.out() * layer.out() * pixel);
    auto gradient = random_floats(layer.kernel * layer.run() * pixel);
    kernels::ConvWeightGradientArgs args{};
    args.kernel_rows = layer.kernel;
    args.kernel_row = args.x_row = line;
    args.runs = 1;
    args.run = layer.run();
    args.rows = args.columns = layer.out();
    args.x_pixel = layer.channels;
    args.x = x.data();
    args.blocks = blocks_of(layer.filters);
    args.d = d.data();
    args.d_row = layer.out() * pixel;
    args.d_pixel = pixel;
    args.gradient = gradient.data();
    args.first = true;
    for (auto _ : state) {
        kernels::active().conv_weight_gradient(args);
        benchmark::ClobberMemory();
    }
    count_flops(state, layer.flops());
}
BENCHMARK(conv_weight_gradient)->Apply(all_layers);

// Behind a 2x2 max pool, from the winners alone.
void conv_pooled_weight_gradient(benchmark::State& state) {
    const Layer layer = layer_of(state);
    const std::ptrdiff_t line = layer.input_width() * layer.channels, pooled = layer.out() / 2;
    const auto x = random_floats(layer.input_width() * line);
    const auto d = random_floats(pooled * pooled * layer.filters);
    const auto winners = random_winners(pooled * pooled * layer.filters);
    auto gradient = random_floats(layer.filters * layer.kernel * padded(layer.run()));
    kernels::PooledWeightGradientArgs args{};
    args.kernel_rows = layer.kernel;
    args.kernel_row = args.x_row = line;
    args.padded_run = padded(layer.run());
    args.rows = args.columns = pooled;
    args.x_pixel = layer.channels;
    args.x = x.data();
    args.channels = layer.filters;
    args.d = d.data();
    args.winners = winners.data();
    args.gradient = gradient.data();
    args.first = true;
    for (auto _ : state) {
        kernels::active().pooled_weight_gradient(args);
        benchmark::ClobberMemory();
    }
    count_flops(state, layer.flops());
}
BENCHMARK(conv_pooled_weight_gradient)->Apply([](auto* benchmark) {
    add(benchmark, {{28, 1, 5, 2, 6},
                    {14, 6, 5, 0, 16},
                    {28, 1, 3, 0, 32},
                    {13, 32, 3, 0, 64},
                    {32, 3, 3, 0, 32},
                    {64, 32, 3, 1, 32},
                    {32, 64, 3, 1, 64},
                    {16, 64, 3, 1, 128}});
});

}  // namespace
}  // namespace nncore::bench
