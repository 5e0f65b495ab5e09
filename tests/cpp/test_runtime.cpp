// Random numbers, buffers, teams.
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

#include "check.h"
#include "runtime/aligned_buffer.h"
#include "runtime/parallel.h"
#include "runtime/philox.h"

using namespace nncore::runtime;

namespace {

using Block = PhiloxBlock;

TEST(philox_known_answers) {
    // The philox4x32 10 lines of kat_vectors in the Random123 distribution.
    CHECK((philox({0, 0, 0, 0}, {0, 0}) ==
           Block{0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u}));
    const std::uint32_t ones = 0xffffffffu;
    CHECK((philox({ones, ones, ones, ones}, {ones, ones}) ==
           Block{0x408f276du, 0x41c83b0eu, 0xa20bc7c6u, 0x6d5451fdu}));
    CHECK(
        (philox({0x243f6a88u, 0x85a308d3u, 0x13198a2eu, 0x03707344u}, {0xa4093822u, 0x299f31d0u}) ==
         Block{0xd16cfe09u, 0x94fdccebu, 0x5001e420u, 0x24126ea1u}));
}

TEST(random_block_uses_all_of_its_key) {
    const auto base = random_block(1, Purpose::shuffle, 2, 3);
    CHECK(base == random_block(1, Purpose::shuffle, 2, 3));
    CHECK(base != random_block(2, Purpose::shuffle, 2, 3));
    CHECK(base != random_block(1 + (std::uint64_t{1} << 32), Purpose::shuffle, 2, 3));
    CHECK(base != random_block(1, Purpose::initialization, 2, 3));
    CHECK(base != random_block(1, Purpose::shuffle, 3, 3));
    CHECK(base != random_block(1, Purpose::shuffle, 2, 4));
    CHECK(base != random_block(1, Purpose::shuffle, 2, 3 + (std::uint64_t{1} << 32)));
}

TEST(unit_floats_stay_below_one) {
    CHECK_EQUAL(0.0f, to_unit_float(0));
    CHECK_EQUAL(0.0f, to_unit_float(255));
    CHECK_EQUAL(0.5f, to_unit_float(0x80000000u));
    CHECK_EQUAL(1.0f - 1.0f / 16777216.0f, to_unit_float(0xffffffffu));
}

TEST(buffers_are_aligned_and_zeroed) {
    for (const std::size_t count :
         {std::size_t{0}, std::size_t{1}, std::size_t{15}, std::size_t{16}, std::size_t{17},
          std::size_t{1000}, std::size_t{100000}}) {
        // Soil the heap first, so that zeros are no accident.
        {
            AlignedBuffer soil(count);
            for (std::size_t i = 0; i < count; ++i) soil.data()[i] = 1.0f;
        }
        const AlignedBuffer buffer(count);
        CHECK_EQUAL(count, buffer.size());
        CHECK_EQUAL(std::uintptr_t{0},
                    reinterpret_cast<std::uintptr_t>(buffer.data()) % AlignedBuffer::kAlignment);
        std::size_t zeros = 0;
        for (std::size_t i = 0; i < count; ++i) zeros += buffer.data()[i] == 0.0f ? 1 : 0;
        CHECK_EQUAL(count, zeros);
    }
}

TEST(buffers_move) {
    AlignedBuffer first(20);
    first.data()[19] = 3.0f;
    const float* place = first.data();
    AlignedBuffer second = std::move(first);
    CHECK(second.data() == place);
    CHECK_EQUAL(3.0f, second.data()[19]);
    AlignedBuffer third;
    CHECK(third.data() == nullptr);
    CHECK_EQUAL(std::size_t{0}, third.size());
    third = std::move(second);
    CHECK(third.data() == place);
    CHECK_EQUAL(std::size_t{20}, third.size());
}

TEST(shares_cover_everything_once) {
    Barrier barrier;
    for (const int threads : {1, 2, 3, 7, 8, 64})
        for (const std::ptrdiff_t count : {0, 1, 2, 7, 8, 9, 63, 64, 65, 1000}) {
            std::ptrdiff_t next = 0, largest = 0, smallest = count;
            for (int thread = 0; thread < threads; ++thread) {
                const auto share = Member{thread, threads, barrier}.share(count);
                CHECK_EQUAL(next, share.first);
                CHECK(share.first <= share.last);
                next = share.last;
                largest = std::max(largest, share.last - share.first);
                smallest = std::min(smallest, share.last - share.first);
            }
            CHECK_EQUAL(count, next);
            CHECK(largest - smallest <= 1);
        }
}

TEST(team_runs_once_on_each_thread) {
    for (int threads = 1; threads <= 8; ++threads) {
        std::vector<std::atomic<int>> runs(8);
        std::atomic<int> size{0};
        run_team(threads, [&](const Member& member) {
            runs[static_cast<std::size_t>(member.thread)].fetch_add(1);
            size.store(member.threads);
        });
        CHECK(size >= 1);
        CHECK(size <= threads);
        // Nothing here limits the runtime: it should give what it was asked for.
        CHECK_EQUAL(threads, size.load());
        for (int thread = 0; thread < 8; ++thread)
            CHECK_EQUAL(thread < size ? 1 : 0, runs[static_cast<std::size_t>(thread)].load());
    }
    bool alone = false;
    run_team(0, [&](const Member& member) { alone = member.thread == 0 && member.threads == 1; });
    CHECK(alone);
}

// Each phase every thread writes its own cell and, behind the barrier, reads the cells of all: a
// barrier that lets anybody through early, or does not publish the writes, shows here (and is a
// data race for ThreadSanitizer).
TEST(barrier_separates_phases) {
    for (int threads = 1; threads <= 8; ++threads) {
        const int phases = threads <= 2 ? 2000 : 200;
        std::vector<int> cells(8, -1);
        std::atomic<long> wrong{0};
        run_team(threads, [&](const Member& member) {
            for (int phase = 0; phase < phases; ++phase) {
                cells[static_cast<std::size_t>(member.thread)] = phase * 10 + member.thread;
                member.barrier.wait();
                for (int other = 0; other < member.threads; ++other)
                    if (cells[static_cast<std::size_t>(other)] != phase * 10 + other)
                        wrong.fetch_add(1);
                member.barrier.wait();
            }
        });
        CHECK_EQUAL(0L, wrong.load());
    }
}

TEST(default_thread_limit_is_sane) {
    if (std::getenv("NNCORE_NUM_THREADS") == nullptr)
        CHECK(thread_limit() <= static_cast<int>(std::thread::hardware_concurrency()));
    CHECK(thread_limit() >= 1);
}

TEST(thread_limit_is_checked) {
    CHECK_THROWS(std::invalid_argument, "got 0", set_thread_limit(0));
    CHECK_THROWS(std::invalid_argument, "got -1", set_thread_limit(-1));
    CHECK_THROWS(std::invalid_argument, "got 1025", set_thread_limit(1025));
    set_thread_limit(1024);
    CHECK_EQUAL(1024, thread_limit());
    set_thread_limit(3);
    CHECK_EQUAL(3, thread_limit());
}

// The OpenMP runtime hangs in a child that was forked after it had started threads.
TEST(forked_child_stays_on_one_thread) {
    set_thread_limit(2);
    std::atomic<int> runs{0};
    run_team(2, [&](const Member&) { runs.fetch_add(1); });
    CHECK_EQUAL(2, runs.load());
    std::fflush(stdout);
    const pid_t child = fork();
    if (child == 0) {
        int ran = 0;
        run_team(thread_limit(), [&](const Member&) { ++ran; });
        _exit(thread_limit() == 1 && ran == 1 ? 0 : 1);
    }
    CHECK(child > 0);
    int status = -1;
    CHECK_EQUAL(child, waitpid(child, &status, 0));
    CHECK(WIFEXITED(status));
    CHECK_EQUAL(0, WEXITSTATUS(status));
    CHECK_EQUAL(2, thread_limit());
}

}  // namespace
