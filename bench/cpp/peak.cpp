#include "peak.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <thread>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

namespace nncore::bench {
namespace {

// Enough independent chains to cover the latency of FMA on every current core (at most 4 a cycle,
// each of 4 or 5 cycles), few enough to stay in registers.
using Loop = float (*)(std::int64_t repetitions);
using Read = float (*)(const float* data, std::size_t count);  // count: a multiple of 128

struct Measured {
    const char* isa;
    bool available;
    double flops;  // of one repetition
    Loop loop;
    Read read;
};

#if defined(__x86_64__)

__attribute__((target("avx512f"))) float loop_avx512(std::int64_t repetitions) {
    constexpr int kChains = 24;
    __m512 chain[kChains];
    for (int i = 0; i < kChains; ++i) chain[i] = _mm512_set1_ps(static_cast<float>(i + 1));
    const __m512 a = _mm512_set1_ps(0.9999f), b = _mm512_set1_ps(1e-4f);
    for (std::int64_t r = 0; r < repetitions; ++r) {
#pragma GCC unroll 24
        for (int i = 0; i < kChains; ++i) chain[i] = _mm512_fmadd_ps(chain[i], a, b);
    }
    __m512 sum = chain[0];
    for (int i = 1; i < kChains; ++i) sum = _mm512_add_ps(sum, chain[i]);
    alignas(64) float lanes[16];
    _mm512_store_ps(lanes, sum);
    return lanes[0];
}

__attribute__((target("avx512f"))) float read_avx512(const float* data, std::size_t count) {
    __m512 sum[8];
    for (int i = 0; i < 8; ++i) sum[i] = _mm512_setzero_ps();
    for (const float* p = data; p < data + count; p += 128) {
#pragma GCC unroll 8
        for (int i = 0; i < 8; ++i) sum[i] = _mm512_add_ps(sum[i], _mm512_loadu_ps(p + 16 * i));
    }
    for (int i = 1; i < 8; ++i) sum[0] = _mm512_add_ps(sum[0], sum[i]);
    alignas(64) float lanes[16];
    _mm512_store_ps(lanes, sum[0]);
    return lanes[0];
}

__attribute__((target("avx2,fma"))) float loop_avx2(std::int64_t repetitions) {
    constexpr int kChains = 12;
    __m256 chain[kChains];
    for (int i = 0; i < kChains; ++i) chain[i] = _mm256_set1_ps(static_cast<float>(i + 1));
    const __m256 a = _mm256_set1_ps(0.9999f), b = _mm256_set1_ps(1e-4f);
    for (std::int64_t r = 0; r < repetitions; ++r) {
#pragma GCC unroll 12
        for (int i = 0; i < kChains; ++i) chain[i] = _mm256_fmadd_ps(chain[i], a, b);
    }
    __m256 sum = chain[0];
    for (int i = 1; i < kChains; ++i) sum = _mm256_add_ps(sum, chain[i]);
    alignas(32) float lanes[8];
    _mm256_store_ps(lanes, sum);
    return lanes[0];
}

__attribute__((target("avx2"))) float read_avx2(const float* data, std::size_t count) {
    __m256 sum[8];
    for (int i = 0; i < 8; ++i) sum[i] = _mm256_setzero_ps();
    for (const float* p = data; p < data + count; p += 64) {
#pragma GCC unroll 8
        for (int i = 0; i < 8; ++i) sum[i] = _mm256_add_ps(sum[i], _mm256_loadu_ps(p + 8 * i));
    }
    for (int i = 1; i < 8; ++i) sum[0] = _mm256_add_ps(sum[0], sum[i]);
    alignas(32) float lanes[8];
    _mm256_store_ps(lanes, sum[0]);
    return lanes[0];
}

std::vector<Measured> loops() {
    return {
        {"avx512", __builtin_cpu_supports("avx512f") != 0, 2.0 * 24 * 16, loop_avx512, read_avx512},
        {"avx2", __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0,
         2.0 * 12 * 8, loop_avx2, read_avx2}};
}

#elif defined(__aarch64__)

float loop_neon(std::int64_t repetitions) {
    constexpr int kChains = 24;
    float32x4_t chain[kChains];
    for (int i = 0; i < kChains; ++i) chain[i] = vdupq_n_f32(static_cast<float>(i + 1));
    const float32x4_t a = vdupq_n_f32(0.9999f), b = vdupq_n_f32(1e-4f);
    for (std::int64_t r = 0; r < repetitions; ++r) {
#pragma GCC unroll 24
        for (int i = 0; i < kChains; ++i) chain[i] = vfmaq_f32(b, chain[i], a);
    }
    float32x4_t sum = chain[0];
    for (int i = 1; i < kChains; ++i) sum = vaddq_f32(sum, chain[i]);
    return vgetq_lane_f32(sum, 0);
}

float read_neon(const float* data, std::size_t count) {
    float32x4_t sum[8];
    for (int i = 0; i < 8; ++i) sum[i] = vdupq_n_f32(0);
    for (const float* p = data; p < data + count; p += 32) {
#pragma GCC unroll 8
        for (int i = 0; i < 8; ++i) sum[i] = vaddq_f32(sum[i], vld1q_f32(p + 4 * i));
    }
    for (int i = 1; i < 8; ++i) sum[0] = vaddq_f32(sum[0], sum[i]);
    return vgetq_lane_f32(sum[0], 0);
}

std::vector<Measured> loops() { return {{"neon", true, 2.0 * 24 * 4, loop_neon, read_neon}}; }

#else

std::vector<Measured> loops() { return {}; }

#endif

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
}

// Keeps the compiler from dropping a loop whose result nobody needs.
std::atomic<float> sink{0.0f};

// Sum of the threads' rates; all start together.
double rate(const Measured& measured, int threads, std::int64_t repetitions) {
    std::atomic<int> ready{0};
    std::vector<double> rates(static_cast<std::size_t>(threads));
    const auto work = [&](std::size_t thread) {
        ++ready;
        while (ready.load() < threads) std::this_thread::yield();
        const auto start = Clock::now();
        sink = measured.loop(repetitions);
        rates[thread] = measured.flops * static_cast<double>(repetitions) / seconds_since(start);
    };
    std::vector<std::thread> others;
    for (int i = 1; i < threads; ++i) others.emplace_back(work, static_cast<std::size_t>(i));
    work(0);
    for (std::thread& thread : others) thread.join();
    double sum = 0;
    for (const double r : rates) sum += r;
    return sum;
}

}  // namespace

std::vector<std::string> fma_isas() {
    std::vector<std::string> names;
    for (const Measured& measured : loops())
        if (measured.available) names.emplace_back(measured.isa);
    return names;
}

double fma_gflops(const std::string& isa, int threads) {
    for (const Measured& measured : loops()) {
        if (isa != measured.isa || !measured.available) continue;
        // About 5 ms a run; the first ones also wake the wide units.
        std::int64_t repetitions = 10000;
        for (int i = 0; i < 3; ++i)
            repetitions = std::max<std::int64_t>(
                1000,
                static_cast<std::int64_t>(0.005 * rate(measured, 1, repetitions) / measured.flops));
        double best = 0;
        for (int i = 0; i < 9; ++i) best = std::max(best, rate(measured, threads, repetitions));
        return best / 1e9;
    }
    throw std::invalid_argument("no FMA loop for \"" + isa + "\" on this machine");
}

double fma_seconds(const std::string& isa, int threads, double gflop) {
    for (const Measured& measured : loops()) {
        if (isa != measured.isa || !measured.available) continue;
        const auto repetitions =
            static_cast<std::int64_t>(gflop * 1e9 / threads / measured.flops) + 1;
        const double work =
            measured.flops * static_cast<double>(repetitions) * static_cast<double>(threads);
        rate(measured, threads, 1000);  // wakes the wide units
        const double flops = rate(measured, threads, repetitions);
        return work / flops * (gflop * 1e9 / work);
    }
    throw std::invalid_argument("no FMA loop for \"" + isa + "\" on this machine");
}

double read_gigabytes_per_second(std::size_t bytes) {
    const auto measured = loops();
    const auto usable = std::find_if(measured.begin(), measured.end(),
                                     [](const Measured& m) { return m.available; });
    if (usable == measured.end()) return 0;
    const std::size_t count = std::max<std::size_t>(bytes / sizeof(float) / 128, 1) * 128;
    const std::vector<float> data(count, 1.0f);
    const std::size_t passes = std::max<std::size_t>(1, (std::size_t{1} << 27) / bytes);
    double best = 0;
    for (int run = 0; run < 5; ++run) {
        const auto start = Clock::now();
        for (std::size_t pass = 0; pass < passes; ++pass) sink = usable->read(data.data(), count);
        best = std::max(
            best, static_cast<double>(passes * count * sizeof(float)) / seconds_since(start) / 1e9);
    }
    return best;
}

}  // namespace nncore::bench
