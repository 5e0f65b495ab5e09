#include "checksum.h"

#include <bit>
#include <cstring>

namespace nncore::runtime {
namespace {

// Odd, so that multiplying loses nothing; from the golden ratio, as of SplitMix64.
constexpr std::uint64_t kFactor = 0x9e3779b97f4a7c15u;
constexpr std::size_t kLanes = 8;  // chains that the processor works on at once

std::uint64_t word(const std::uint8_t* data) noexcept {
    std::uint64_t value;
    std::memcpy(&value, data, sizeof value);
    return value;
}

// One to one in `state` for a given word, and in the word for a given state. The rotation brings
// the high bits down: without it two flips of the highest bit would cancel.
std::uint64_t mixed(std::uint64_t state, std::uint64_t value) noexcept {
    return std::rotl(state ^ value, 29) * kFactor;
}

}  // namespace

std::uint64_t checksum(const std::uint8_t* data, std::size_t size) noexcept {
    std::uint64_t lanes[kLanes];
    for (std::size_t l = 0; l < kLanes; ++l) lanes[l] = kFactor * (l + 1);
    std::size_t at = 0;
    for (; at + 8 * kLanes <= size; at += 8 * kLanes)
        for (std::size_t l = 0; l < kLanes; ++l)
            lanes[l] = mixed(lanes[l], word(data + at + 8 * l));
    std::uint64_t sum = mixed(kFactor, size);
    for (; at + 8 <= size; at += 8) sum = mixed(sum, word(data + at));
    if (at < size) {
        std::uint8_t rest[8] = {};
        std::memcpy(rest, data + at, size - at);
        sum = mixed(sum, word(rest));
    }
    for (const std::uint64_t lane : lanes) sum = mixed(sum, lane);
    return sum ^ (sum >> 32);
}

}  // namespace nncore::runtime
