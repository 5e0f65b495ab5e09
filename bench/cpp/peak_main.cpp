// nncore_peak [THREADS]: the FMA peak of each instruction set, as JSON, in GFLOP/s.
// nncore_peak THREADS ISA GFLOP: the seconds that so much work takes.
// Needs no library: `c++ -O2 -std=c++17 -pthread peak.cpp peak_main.cpp` builds it too.
#include <cstdio>
#include <cstdlib>
#include <stdexcept>

#include "peak.h"

int main(int argc, char** argv) {
    const int threads = argc > 1 ? std::atoi(argv[1]) : 1;
    const double gflop = argc == 4 ? std::atof(argv[3]) : 1;
    if ((argc > 2 && argc != 4) || threads < 1 || threads > 1024 || !(gflop > 0)) {
        std::fprintf(stderr, "usage: %s [THREADS [ISA GFLOP]]\n", argv[0]);
        return 2;
    }
    if (argc == 4) {
        try {
            std::printf("%.9f\n", nncore::bench::fma_seconds(argv[2], threads, gflop));
        } catch (const std::invalid_argument& error) {
            std::fprintf(stderr, "%s\n", error.what());
            return 2;
        }
        return 0;
    }
    const char* separator = "{";
    for (const auto& isa : nncore::bench::fma_isas()) {
        std::printf("%s\"%s\": %.2f", separator, isa.c_str(),
                    nncore::bench::fma_gflops(isa, threads));
        separator = ", ";
    }
    std::printf("%s}\n", separator[0] == '{' ? "{" : "");
}
