// What every benchmark compares itself with: the FMA peak, measured once before the first of them.
#pragma once

#include <benchmark/benchmark.h>

namespace nncore::bench {

// Measures the peak of the instruction set in use (of the machine's best one where that has no FMA
// loop) and memory bandwidth, and adds both to the report's context.
void measure_limits();

// GFLOP/s of so many threads; measured at the first call for each number.
double peak_gflops(int threads);

// Adds GFLOP/s and of_peak, the share of the FMA peak, from the operations of one iteration.
void count_flops(benchmark::State& state, double flops, int threads = 1);

}  // namespace nncore::bench
