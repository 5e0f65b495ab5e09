// Pooling of one image. Memory traffic: bytes read and written per second.
#include <benchmark/benchmark.h>

#include "floats.h"
#include "kernels/dispatch.h"

namespace nncore::bench {
namespace {

struct Pooled {
    std::ptrdiff_t size, channels;  // of the square input

    std::ptrdiff_t out() const { return size / 2; }
    std::ptrdiff_t inputs() const { return 4 * outputs(); }
    std::ptrdiff_t outputs() const { return out() * out() * channels; }

    kernels::PoolArgs args() const {
        kernels::PoolArgs args{};
        args.window_rows = args.window_columns = args.step_rows = args.step_columns = 2;
        args.rows = args.columns = out();
        args.channels = args.x_pixel = args.y_pixel = channels;
        args.x_row = size * channels;
        args.y_row = out() * channels;
        return args;
    }
};

void sizes(benchmark::internal::Benchmark* benchmark) {
    benchmark->ArgNames({"size", "channels"})
        ->Args({28, 6})
        ->Args({26, 32})
        ->Args({64, 32})
        ->Args({32, 64})
        ->Args({16, 128});
}

void max_pool_2x2(benchmark::State& state) {
    const Pooled pooled{state.range(0), state.range(1)};
    const auto x = random_floats(pooled.size * pooled.size * pooled.channels);
    auto y = random_floats(pooled.outputs());
    auto winners = random_winners(pooled.outputs());
    for (auto _ : state) {
        kernels::active().max_pool_2x2(pooled.args(), kernels::Activation::relu, x.data(), y.data(),
                                       winners.data());
        benchmark::ClobberMemory();
    }
    state.SetBytesProcessed(state.iterations() * (4 * pooled.inputs() + 5 * pooled.outputs()));
}
BENCHMARK(max_pool_2x2)->Apply(sizes);

void unpool_2x2(benchmark::State& state) {
    const Pooled pooled{state.range(0), state.range(1)};
    const auto d = random_floats(pooled.outputs());
    const auto winners = random_winners(pooled.outputs());
    auto target = random_floats(pooled.size * pooled.size * pooled.channels);
    for (auto _ : state) {
        kernels::active().unpool_2x2(pooled.out(), pooled.out(), pooled.channels, d.data(),
                                     winners.data(), target.data(), pooled.size * pooled.channels,
                                     pooled.channels);
        benchmark::ClobberMemory();
    }
    state.SetBytesProcessed(state.iterations() * (4 * pooled.inputs() + 5 * pooled.outputs()));
}
BENCHMARK(unpool_2x2)->Apply(sizes);

void average_pool(benchmark::State& state) {
    const Pooled pooled{state.range(0), state.range(1)};
    const auto x = random_floats(pooled.size * pooled.size * pooled.channels);
    auto y = random_floats(pooled.outputs());
    for (auto _ : state) {
        kernels::active().average_pool(pooled.args(), x.data(), y.data());
        benchmark::ClobberMemory();
    }
    state.SetBytesProcessed(state.iterations() * 4 * (pooled.inputs() + pooled.outputs()));
}
BENCHMARK(average_pool)->Apply(sizes);

}  // namespace
}  // namespace nncore::bench
