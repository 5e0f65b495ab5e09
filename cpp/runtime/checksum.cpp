#include "checksum.h"

#include <bit>
#include <cstring>

namespace nncore::runtime {
namespace {

// Odd, so that multiplying loses nothing; from the golden ratio, as of SplitMix64.
constexpr std::uint64_t kFactor = 0x9e3779b97f4a7c15u;
// The bytes are read as so many streams side by side: memory gives several at a time faster than
// one.
constexpr std::size_t kStreams = 4;
constexpr std::size_t kLanes = 4;  // words of a stream that are added at once, as vectors

std::uint64_t word(const std::uint8_t* data) noexcept {
    std::uint64_t value;
    std::memcpy(&value, data, sizeof value);
    return value;
}

// One to one in `state` for a given word, and in the word for a given state. The shift brings the
// high bits down: a flip of the highest would otherwise stay one, which a second one undoes.
std::uint64_t mixed(std::uint64_t state, std::uint64_t value) noexcept {
    state = (state ^ value) * kFactor;
    return state ^ (state >> 32);
}

}  // namespace

// Of each lane there is a sum of its words and a mixture of these sums, by which their order
// counts. A step is one to one in both of them for a given word, and in the word for given both: a
// change stays, and no later word but a rare one can undo it. Additions, a rotation and an
// exclusive or, since plain machines have vectors of them and none of products of 64 bits; and
// neither additions alone nor the others, whose changes would cancel at some distances, as in
// pictures all black.
std::uint64_t checksum(const std::uint8_t* data, std::size_t size) noexcept {
    std::uint64_t sums[kStreams][kLanes] = {}, orders[kStreams][kLanes] = {};
    const std::size_t step = 8 * kLanes, length = size / kStreams / step * step;
    for (std::size_t at = 0; at < length; at += step)
        for (std::size_t s = 0; s < kStreams; ++s)
            for (std::size_t l = 0; l < kLanes; ++l) {
                sums[s][l] += word(data + s * length + at + 8 * l);
                orders[s][l] = std::rotl(orders[s][l], 29) ^ sums[s][l];
                sums[s][l] += orders[s][l];
            }
    std::uint64_t sum = mixed(kFactor, size);
    std::size_t at = kStreams * length;
    for (; at + 8 <= size; at += 8) sum = mixed(sum, word(data + at));
    if (at < size) {
        std::uint8_t rest[8] = {};
        std::memcpy(rest, data + at, size - at);
        sum = mixed(sum, word(rest));
    }
    for (std::size_t s = 0; s < kStreams; ++s)
        for (std::size_t l = 0; l < kLanes; ++l) sum = mixed(mixed(sum, sums[s][l]), orders[s][l]);
    return sum;
}

}  // namespace nncore::runtime
