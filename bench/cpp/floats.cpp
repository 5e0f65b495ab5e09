#include "floats.h"

#include <random>

namespace nncore::bench {

runtime::AlignedBuffer random_floats(std::ptrdiff_t count) {
    runtime::AlignedBuffer buffer(static_cast<std::size_t>(count + kBlock));
    std::mt19937 random(1);
    std::uniform_real_distribution<float> uniform(-1.0f, 1.0f);
    for (std::ptrdiff_t i = 0; i < count; ++i) buffer.data()[i] = uniform(random);
    return buffer;
}

std::vector<std::uint8_t> random_winners(std::ptrdiff_t count) {
    std::vector<std::uint8_t> winners(static_cast<std::size_t>(padded(count)));
    std::mt19937 random(2);
    for (std::uint8_t& winner : winners) winner = static_cast<std::uint8_t>(random() & 3);
    return winners;
}

}  // namespace nncore::bench
