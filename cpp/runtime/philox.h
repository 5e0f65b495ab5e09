// Counter-based random numbers: Philox 4x32-10 (Salmon, Moraes, Dror and Shaw, "Parallel random
// numbers: as easy as 1, 2, 3", SC 2011).
//
// Every draw is a pure function of (seed, purpose, epoch or layer, index): who computes it, and in
// what order, cannot change it.
#pragma once

#include <array>
#include <cstdint>

namespace nncore::runtime {

// What a stream of numbers is for; part of the key, so that purposes never share numbers.
enum class Purpose : std::uint32_t {
    shuffle = 1,
    initialization = 2,
    dropout = 3,
    augmentation = 4
};

using PhiloxBlock = std::array<std::uint32_t, 4>;

inline PhiloxBlock philox(PhiloxBlock counter, std::array<std::uint32_t, 2> key) {
    for (int round = 0; round < 10; ++round) {
        const std::uint64_t product0 = std::uint64_t{0xD2511F53u} * counter[0];
        const std::uint64_t product1 = std::uint64_t{0xCD9E8D57u} * counter[2];
        counter = {static_cast<std::uint32_t>(product1 >> 32) ^ counter[1] ^ key[0],
                   static_cast<std::uint32_t>(product1),
                   static_cast<std::uint32_t>(product0 >> 32) ^ counter[3] ^ key[1],
                   static_cast<std::uint32_t>(product0)};
        key[0] += 0x9E3779B9u;
        key[1] += 0xBB67AE85u;
    }
    return counter;
}

// Four 32-bit numbers for (seed, purpose, stream, index).
inline PhiloxBlock random_block(std::uint64_t seed, Purpose purpose, std::uint32_t stream,
                                std::uint64_t index) {
    return philox({static_cast<std::uint32_t>(index), static_cast<std::uint32_t>(index >> 32),
                   stream, static_cast<std::uint32_t>(purpose)},
                  {static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)});
}

// Uniform in [0, 1) with 24 bits.
inline float to_unit_float(std::uint32_t bits) {
    return static_cast<float>(bits >> 8) * (1.0f / 16777216.0f);
}

}  // namespace nncore::runtime
