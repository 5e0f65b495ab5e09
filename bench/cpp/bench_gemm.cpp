// Matrix products on plain row-major operands, as nncore.kernels.matmul runs them, on one thread.
#include <benchmark/benchmark.h>

#include "floats.h"
#include "kernels/matmul.h"
#include "limits.h"
#include "runtime/parallel.h"

namespace nncore::bench {
namespace {

// Arguments: M, N, K, whether A and B are stored transposed.
void gemm(benchmark::State& state) {
    const int before = runtime::thread_limit();
    runtime::set_thread_limit(1);
    kernels::MatmulArgs args;
    args.M = state.range(0);
    args.N = state.range(1);
    args.K = state.range(2);
    const auto a = random_floats(args.M * args.K), b = random_floats(args.K * args.N);
    auto c = random_floats(args.M * args.N);
    args.a = a.data();
    args.b = b.data();
    args.c = c.data();
    args.c_row = args.N;
    const bool a_transposed = state.range(3) != 0, b_transposed = state.range(4) != 0;
    args.a_row = a_transposed ? 1 : args.K;
    args.a_column = a_transposed ? args.M : 1;
    args.b_row = b_transposed ? 1 : args.N;
    args.b_column = b_transposed ? args.K : 1;
    for (auto _ : state) {
        kernels::matmul(args);
        benchmark::ClobberMemory();
    }
    count_flops(state, 2.0 * static_cast<double>(args.M * args.N * args.K));
    runtime::set_thread_limit(before);
}

BENCHMARK(gemm)
    ->ArgNames({"M", "N", "K", "At", "Bt"})
    ->Args({16, 16, 16, 0, 0})
    ->Args({32, 32, 32, 0, 0})
    ->Args({64, 64, 64, 0, 0})
    ->Args({128, 128, 128, 0, 0})
    ->Args({256, 256, 256, 0, 0})
    ->Args({512, 512, 512, 0, 0})
    ->Args({1024, 1024, 1024, 0, 0})
    ->Args({512, 512, 512, 1, 0})
    ->Args({512, 512, 512, 0, 1})
    ->Args({512, 512, 512, 1, 1})
    ->Args({32, 128, 784, 0, 0})
    ->Args({784, 128, 32, 1, 0})
    ->Args({64, 10, 512, 0, 0})
    ->Args({1, 512, 512, 0, 0})
    ->Args({4096, 16, 64, 0, 0});

}  // namespace
}  // namespace nncore::bench
