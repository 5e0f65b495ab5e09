// Random numbers of the tests: SplitMix64, so that the tests do not lean on the code they test.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

class Random {
 public:
    explicit Random(std::uint64_t seed) : state_(seed) {}

    std::uint64_t bits() {
        std::uint64_t z = state_ += 0x9e3779b97f4a7c15u;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        return z ^ (z >> 31);
    }
    // In [0, n).
    std::ptrdiff_t below(std::ptrdiff_t n) {
        return static_cast<std::ptrdiff_t>(bits() % static_cast<std::uint64_t>(n));
    }
    float uniform(float low = -1.0f, float high = 1.0f) {
        const float unit = static_cast<float>(bits() >> 40) * (1.0f / 16777216.0f);
        return low + (high - low) * unit;
    }
    // Any of the 2^32 floats, NaN and infinities among them.
    float any() { return std::bit_cast<float>(static_cast<std::uint32_t>(bits() >> 32)); }

 private:
    std::uint64_t state_;
};
