// The order of an epoch.
#include <algorithm>
#include <cstdint>
#include <numeric>
#include <vector>

#include "check.h"
#include "network/shuffle.h"
#include "network_data.h"

namespace {

std::vector<std::int32_t> shuffled(std::uint64_t seed, std::uint32_t epoch, std::int32_t count) {
    std::vector<std::int32_t> order(static_cast<std::size_t>(count), -1);
    nncore::network::shuffled_indices(seed, epoch, count, order.data());
    return order;
}

// Runs are resumed by these very numbers.
TEST(orders_are_fixed_for_ever) {
    CHECK(shuffled(0, 0, 8) == (std::vector<std::int32_t>{5, 1, 6, 2, 0, 7, 4, 3}));
    CHECK(shuffled(0, 0, 0).empty());
    CHECK(shuffled(7, 3, 1) == std::vector<std::int32_t>{0});
    // Large ranges, in which all 64 bits of a draw count; seeds of more than 32 bits.
    const auto large = shuffled((std::uint64_t{5} << 40) + 1, 9, 3'000'000);
    std::vector<float> numbers;
    for (const std::int32_t index : large) numbers.push_back(static_cast<float>(index));
    CHECK_EQUAL(std::uint64_t{0xe167f1d2507a7405}, hash_of(numbers));
}

TEST(orders_are_permutations_that_differ) {
    const std::vector<std::vector<std::int32_t>> orders{shuffled(0, 0, 1000), shuffled(1, 0, 1000),
                                                        shuffled(0, 1, 1000),
                                                        shuffled(std::uint64_t{1} << 32, 0, 1000)};
    std::vector<std::int32_t> all(1000);
    std::iota(all.begin(), all.end(), 0);
    for (std::size_t i = 0; i < orders.size(); ++i) {
        auto sorted = orders[i];
        std::sort(sorted.begin(), sorted.end());
        CHECK(sorted == all);
        for (std::size_t j = 0; j < i; ++j) CHECK(orders[i] != orders[j]);
    }
}

}  // namespace
