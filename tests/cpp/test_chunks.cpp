// How batches are cut into chunks, and these dealt out to processes.
#include <algorithm>
#include <vector>

#include "check.h"
#include "network/chunks.h"

using namespace nncore::network;

namespace {

TEST(chunks_are_a_power_of_two_and_even) {
    std::ptrdiff_t before = 1, largest_so_far = 0;
    for (std::ptrdiff_t batch = 0; batch <= 1000; ++batch) {
        const std::ptrdiff_t count = chunk_count(batch);
        CHECK_THAT((count & (count - 1)) == 0 && count <= kMostChunks, batch);
        CHECK_THAT(count >= before, batch);  // workspaces are planned by the largest batch
        before = count;
        const Share whole = Share::whole(batch);
        std::ptrdiff_t smallest = batch, largest = 0;
        for (std::ptrdiff_t chunk = 0; chunk < count; ++chunk) {
            const std::ptrdiff_t rows = whole.begin(chunk + 1) - whole.begin(chunk);
            smallest = std::min(smallest, rows);
            largest = std::max(largest, rows);
        }
        CHECK_THAT(largest - smallest <= 1, batch);
        // Of smaller batches, too, whose chunks may be larger.
        largest_so_far = std::max(largest_so_far, largest);
        CHECK_THAT(largest_so_far <= most_in_chunk(batch), batch);
        CHECK_THAT(batch < 125 || largest_so_far == most_in_chunk(batch), batch);
        CHECK_THAT(batch == 0 || smallest > 0, batch);
        CHECK_EQUAL(whole.begin(count), batch);
    }
    CHECK_EQUAL(chunk_count(32), 8);
    CHECK_EQUAL(chunk_count(64), 16);
}

// The shares of all processes are the batch, in order; each is one branch of the tree, or a
// process without any. A workspace that has room for a share's rows has room for its chunks.
TEST(shares_are_branches) {
    for (std::ptrdiff_t batch = 1; batch <= 300; ++batch)
        for (std::ptrdiff_t size = 1; size <= 20; ++size) {
            std::ptrdiff_t row = 0, chunk = 0, most = 0;
            for (std::ptrdiff_t rank = 0; rank < size; ++rank) {
                const Share share = share_of(batch, rank, size);
                CHECK_EQUAL(share.batch, batch);
                CHECK_EQUAL(share.first_row(), row);
                CHECK_EQUAL(share.first_chunk, chunk);
                CHECK_THAT((share.rows() == 0) == (share.chunks == 0), batch << " " << rank);
                if (share.chunks > 0) {
                    CHECK_THAT((share.chunks & (share.chunks - 1)) == 0, batch << " " << rank);
                    CHECK_THAT(share.first_chunk % share.chunks == 0, batch << " " << rank);
                    CHECK_THAT(share.chunks <= chunk_count(share.rows()), batch << " " << rank);
                }
                row += share.rows();
                chunk += share.chunks;
                most = std::max(most, share.chunks);
            }
            CHECK_EQUAL(row, batch);
            CHECK_EQUAL(chunk, chunk_count(batch));
            // As even as branches allow.
            std::ptrdiff_t power = 1;
            while (2 * power <= size) power *= 2;
            const std::ptrdiff_t even = std::max<std::ptrdiff_t>(1, chunk_count(batch) / power);
            CHECK_EQUAL(most, even);
        }
}

}  // namespace
