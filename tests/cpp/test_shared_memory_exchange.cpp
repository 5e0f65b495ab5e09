// What processes of one machine tell each other through memory, these being threads here: sums have
// the bits of the tree that exchange.h describes, and nobody reads what is not there yet.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <thread>
#include <vector>

#include "check.h"
#include "network/shared_memory_exchange.h"
#include "thread_exchange.h"

using namespace nncore;
using network::SharedMemoryExchange;

namespace {

constexpr std::ptrdiff_t kSlot = 1 << 16;  // floats that are told at once

// Of all magnitudes, so that another order of summing gives other bits; other ones for each call.
float value(std::ptrdiff_t call, std::ptrdiff_t rank, std::ptrdiff_t i) {
    const auto mixed = static_cast<std::uint32_t>((call * 31 + rank) * 1000003 + i) * 2654435761u;
    return std::ldexp(static_cast<float>(mixed >> 8) - 8388608.0f, static_cast<int>(mixed % 27));
}

float tree(std::ptrdiff_t call, std::ptrdiff_t first, std::ptrdiff_t count, std::ptrdiff_t i) {
    if (count == 1) return value(call, first, i);
    const std::ptrdiff_t half = (count + 1) / 2;
    return tree(call, first, half, i) + tree(call, first + half, count - half, i);
}

// body(exchange) as each of so many processes.
template <class Body>
void for_all(std::ptrdiff_t size, const Body& body) {
    const std::size_t bytes = SharedMemoryExchange::bytes(size);
    std::vector<std::byte> memory(bytes + 1);
    for (const std::size_t at : {0, 1}) {  // memory may begin anywhere
        std::fill(memory.begin(), memory.end(), std::byte{0});
        ThreadExchange::for_all(size, [&](std::ptrdiff_t rank) {
            SharedMemoryExchange exchange(memory.data() + at, rank, size);
            body(exchange);
        });
    }
}

TEST(sums_have_the_bits_of_the_tree) {
    const std::vector<std::ptrdiff_t> counts = {1, 0, 7, 2048, 2049, 3, kSlot, kSlot + 5, 2, 5000};
    for (const std::ptrdiff_t size : {1, 2, 3, 4, 7, 8}) {
        std::vector<long> wrong(static_cast<std::size_t>(size), 0);
        for_all(size, [&](SharedMemoryExchange& exchange) {
            std::ptrdiff_t call = 0;
            for (const std::ptrdiff_t count : counts) {
                std::vector<float> values(static_cast<std::size_t>(count));
                for (std::ptrdiff_t i = 0; i < count; ++i)
                    values[static_cast<std::size_t>(i)] = value(call, exchange.rank(), i);
                // Not all come at the same time.
                if (call % size == exchange.rank())
                    std::this_thread::sleep_for(std::chrono::milliseconds(call % 4));
                exchange.sum(values.data(), count);
                for (std::ptrdiff_t i = 0; i < count; ++i)
                    wrong[static_cast<std::size_t>(exchange.rank())] +=
                        values[static_cast<std::size_t>(i)] != tree(call, 0, size, i);
                ++call;
            }
        });
        for (const long number : wrong) CHECK_EQUAL(number, 0);
    }
}

TEST(who_has_nothing_to_add_changes_nothing) {
    for_all(3, [](SharedMemoryExchange& exchange) {
        std::vector<float> values(4, -0.0f);
        if (exchange.rank() == 1) values = {-0.0f, 0.0f, 1e-45f, -3.5f};
        const std::vector<float> expected = {-0.0f, 0.0f, 1e-45f, -3.5f};
        exchange.sum(values.data(), 4);
        CHECK_THAT(std::memcmp(values.data(), expected.data(), 16) == 0, exchange.rank());
    });
}

TEST(rows_of_all_come_together) {
    // More than a slot holds, few, and none; shares of any size.
    const std::vector<std::ptrdiff_t> begins = {0, 40, 40, 47, 100};
    for (const std::ptrdiff_t floats : {1, 17, 3000}) {
        std::vector<long> wrong(4, 0);
        for_all(4, [&](SharedMemoryExchange& exchange) {
            const auto rank = static_cast<std::size_t>(exchange.rank());
            for (std::ptrdiff_t call = 0; call < 3; ++call) {
                std::vector<float> rows(static_cast<std::size_t>(100 * floats), -1.0f);
                for (std::ptrdiff_t i = begins[rank] * floats; i < begins[rank + 1] * floats; ++i)
                    rows[static_cast<std::size_t>(i)] = value(call, 0, i);
                exchange.gather(rows.data(), floats, begins.data());
                for (std::ptrdiff_t i = 0; i < 100 * floats; ++i)
                    wrong[rank] += rows[static_cast<std::size_t>(i)] != value(call, 0, i);
            }
        });
        for (const long number : wrong) CHECK_EQUAL(number, 0);
    }
}

}  // namespace
