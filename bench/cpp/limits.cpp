#include "limits.h"

#include <algorithm>
#include <cstdio>
#include <map>
#include <string>

#include "kernels/dispatch.h"
#include "peak.h"

namespace nncore::bench {
namespace {

std::string peak_isa() {
    const std::string active = kernels::active().isa;
    const auto isas = fma_isas();
    if (isas.empty()) return "";
    return std::find(isas.begin(), isas.end(), active) != isas.end() ? active : isas.front();
}

std::string rounded(double value) {
    char text[32];
    std::snprintf(text, sizeof text, "%.1f", value);
    return text;
}

}  // namespace

double peak_gflops(int threads) {
    static std::map<int, double> known;
    static const std::string isa = peak_isa();
    const auto found = known.find(threads);
    if (found != known.end()) return found->second;
    return known[threads] = isa.empty() ? 0.0 : fma_gflops(isa, threads);
}

void measure_limits() {
    benchmark::AddCustomContext("nncore_isa", kernels::active().isa);
    benchmark::AddCustomContext("fma_peak_isa", peak_isa());
    benchmark::AddCustomContext("fma_peak_gflops_1_thread", rounded(peak_gflops(1)));
    for (const std::size_t kib : {16, 512, 262144})
        benchmark::AddCustomContext("read_gigabytes_per_second_" + std::to_string(kib) + "_KiB",
                                    rounded(read_gigabytes_per_second(kib * 1024)));
}

void count_flops(benchmark::State& state, double flops, int threads) {
    using benchmark::Counter;
    const double peak = peak_gflops(threads);
    state.counters["GFLOP/s"] = Counter(flops / 1e9, Counter::kIsIterationInvariantRate);
    if (peak > 0)
        state.counters["of_peak"] =
            Counter(flops / (peak * 1e9), Counter::kIsIterationInvariantRate);
}

}  // namespace nncore::bench
