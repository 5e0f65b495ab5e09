// Buffers that share memory: never at the same moment, and where they can.
#include <algorithm>
#include <vector>

#include "check.h"
#include "network/buffer_plan.h"
#include "random.h"

using nncore::network::BufferPlan;

namespace {

struct Buffer {
    std::ptrdiff_t floats, first, last;
};

TEST(buffers_that_are_needed_together_do_not_overlap) {
    Random random(1);
    for (int turn = 0; turn < 50; ++turn) {
        BufferPlan plan;
        std::vector<Buffer> buffers;
        for (std::size_t i = 0; i < 1 + random.below(40); ++i) {
            const auto first = static_cast<std::ptrdiff_t>(random.below(30));
            buffers.push_back({static_cast<std::ptrdiff_t>(random.below(500)), first,
                               first + static_cast<std::ptrdiff_t>(random.below(10))});
            CHECK_EQUAL(i, plan.add(buffers[i].floats, first, buffers[i].last));
        }
        const std::ptrdiff_t total = plan.arrange();
        std::ptrdiff_t most = 0, all = 0;
        for (std::ptrdiff_t moment = 0; moment < 40; ++moment) {
            std::ptrdiff_t needed = 0;
            for (const Buffer& b : buffers)
                if (b.first <= moment && moment <= b.last) needed += b.floats;
            most = std::max(most, needed);
        }
        for (std::size_t i = 0; i < buffers.size(); ++i) {
            const Buffer& a = buffers[i];
            all += (a.floats + 15) / 16 * 16;
            CHECK(plan.place(i) >= 0 && plan.place(i) % 16 == 0);
            CHECK(plan.place(i) + a.floats <= total);
            for (std::size_t j = 0; j < i; ++j) {
                const Buffer& b = buffers[j];
                const bool together = a.first <= b.last && b.first <= a.last;
                const bool apart = plan.place(i) + a.floats <= plan.place(j) ||
                                   plan.place(j) + b.floats <= plan.place(i);
                CHECK(!together || apart);
            }
        }
        CHECK(most <= total && total <= all);
    }
}

// As of a chain of layers, each of which reads what the one before wrote: two places do.
TEST(a_chain_needs_two_places) {
    BufferPlan plan;
    for (std::ptrdiff_t i = 0; i < 10; ++i) plan.add(160, i, i + 1);
    CHECK_EQUAL(std::ptrdiff_t{320}, plan.arrange());
}

TEST(nothing_needs_nothing) {
    BufferPlan plan;
    CHECK_EQUAL(std::ptrdiff_t{0}, plan.arrange());
}

}  // namespace
