// The hardware's limits, measured: fused multiply-adds in registers, and memory traffic.
#pragma once

#include <string>
#include <vector>

namespace nncore::bench {

// Instruction sets with vector FMA that this machine has, best first, by nncore's names: avx512,
// avx2, neon. Empty on an x86 processor without FMA.
std::vector<std::string> fma_isas();

// GFLOP/s that `threads` threads reach together with independent FMAs on registers; the best of
// several short runs. Throws std::invalid_argument unless fma_isas() lists `isa`.
double fma_gflops(const std::string& isa, int threads);

// Seconds that `threads` threads take together for so many GFLOP of the same; for turns with
// something else, since a clock rate under lasting load is lower than in short runs.
double fma_seconds(const std::string& isa, int threads, double gflop);

// GB/s at which one thread reads an array of so many bytes again and again; 0 where fma_isas() is
// empty.
double read_gigabytes_per_second(std::size_t bytes);

}  // namespace nncore::bench
