// The limits of the machine first, then the benchmarks that the command line asks for.
#include <benchmark/benchmark.h>

#include <cstdio>
#include <exception>

#include "limits.h"
#include "works.h"

int main(int argc, char** argv) {
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
    try {
        nncore::bench::measure_limits();
        nncore::bench::register_steps();
        benchmark::RunSpecifiedBenchmarks();
    } catch (const std::exception& error) {
        // A wrong NNCORE_ISA or NNCORE_NUM_THREADS.
        std::fprintf(stderr, "nncore_bench: %s\n", error.what());
        return 1;
    }
    benchmark::Shutdown();
}
