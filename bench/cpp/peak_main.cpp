// nncore_peak [THREADS]: the FMA peak of each instruction set, as JSON, in GFLOP/s. Needs no
// library: `c++ -O2 -std=c++17 -pthread peak.cpp peak_main.cpp` builds it too.
#include <cstdio>
#include <cstdlib>

#include "peak.h"

int main(int argc, char** argv) {
    const int threads = argc > 1 ? std::atoi(argv[1]) : 1;
    if (argc > 2 || threads < 1 || threads > 1024) {
        std::fprintf(stderr, "usage: %s [THREADS]\n", argv[0]);
        return 2;
    }
    const char* separator = "{";
    for (const auto& isa : nncore::bench::fma_isas()) {
        std::printf("%s\"%s\": %.2f", separator, isa.c_str(),
                    nncore::bench::fma_gflops(isa, threads));
        separator = ", ";
    }
    std::printf("%s}\n", separator[0] == '{' ? "{" : "");
}
