// Whether floats are numbers.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

namespace nncore::network {

// Neither NaN nor infinite: no exponent of all ones, to which adding 1 would carry. Without a
// branch, so that it vectorises.
inline bool all_finite(const float* values, std::ptrdiff_t count) {
    constexpr std::uint32_t kExponent = 0x7f800000;
    std::uint32_t bad = 0;
    for (std::ptrdiff_t i = 0; i < count; ++i)
        bad |= (std::bit_cast<std::uint32_t>(values[i]) & kExponent) + (1u << 23);
    return (bad >> 31) == 0;
}

// From low to high, which are finite: so NaN and infinities are not.
inline bool all_within(const float* values, std::ptrdiff_t count, float low, float high) {
    std::uint32_t outside = 0;
    for (std::ptrdiff_t i = 0; i < count; ++i)
        outside |= static_cast<std::uint32_t>(!(values[i] >= low)) |
                   static_cast<std::uint32_t>(!(values[i] <= high));
    return outside == 0;
}

}  // namespace nncore::network
