// Random numbers, buffers, teams.
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <numeric>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

#include "check.h"
#include "runtime/aligned_buffer.h"
#include "runtime/parallel.h"
#include "runtime/philox.h"
#include "runtime/sleep.h"
#include "runtime/turns.h"
#include "system.h"

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

TEST(pieces_cover_everything_once) {
    for (const int threads : {1, 2, 3, 7, 64})
        for (const std::ptrdiff_t count : {0, 1, 2, 7, 63, 64, 65, 1000})
            for (const std::ptrdiff_t grain : {1, 3, 64}) {
                std::vector<std::atomic<int>> runs(static_cast<std::size_t>(count));
                std::atomic<int> wrong{0};
                run_team(threads, [&](const Team& team) {
                    team.for_ranges(count, grain, [&](auto first, auto last, int thread) {
                        if (first % grain != 0 || first >= last || last > count) wrong.fetch_add(1);
                        if (thread < 0 || thread >= team.threads()) wrong.fetch_add(1);
                        for (auto i = first; i < last; ++i)
                            runs[static_cast<std::size_t>(i)].fetch_add(1);
                    });
                });
                CHECK_EQUAL(0, wrong.load());
                for (const auto& times : runs) CHECK_EQUAL(1, times.load());
            }
}

// What one loop writes, on any thread, the next one and the caller read: a loop that ends early, or
// does not publish its writes, shows here (and is a data race for ThreadSanitizer).
TEST(loops_follow_each_other) {
    for (int threads = 1; threads <= 8; ++threads) {
        std::vector<int> cells(50, 0), copies(50, 0);
        long wrong = 0;
        run_team(threads, [&](const Team& team) {
            for (int turn = 1; turn <= 2000; ++turn) {
                team.for_each(50, [&](auto i, int) { ++cells[static_cast<std::size_t>(i)]; });
                team.for_each(50, [&](auto i, int) {
                    copies[static_cast<std::size_t>(i)] = cells[static_cast<std::size_t>(49 - i)];
                });
                for (const int copy : copies) wrong += copy != turn;
            }
        });
        CHECK_EQUAL(0L, wrong);
    }
}

TEST(team_has_the_size_that_was_asked_for) {
    for (int threads = 1; threads <= 8; ++threads)
        run_team(threads, [&](const Team& team) { CHECK_EQUAL(threads, team.threads()); });
    bool alone = false;
    run_team(0, [&](const Team& team) { alone = team.threads() == 1; });
    CHECK(alone);
}

TEST(team_shrinks_and_grows) {
    run_team(4, [&](Team& team) {
        for (int turn = 0; turn < 300; ++turn) {
            const int used = turn % 4 + 1;
            team.use(used);
            std::atomic<int> runs{0}, wrong{0};
            team.for_each(20, [&](auto, int thread) {
                runs.fetch_add(1);
                if (thread >= used) wrong.fetch_add(1);
            });
            CHECK_EQUAL(20, runs.load());
            CHECK_EQUAL(0, wrong.load());
        }
        team.use(100);
        CHECK_EQUAL(4, team.used());
        team.use(0);
        CHECK_EQUAL(1, team.used());
    });
}

// Whether `holds` becomes true within half a second. A team may do with one thread for a while
// where two do not pay, so what needs two is tried again.
template <class Holds>
bool soon(const Holds& holds) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(500);
    while (!holds() && std::chrono::steady_clock::now() < end)
        std::this_thread::sleep_for(std::chrono::microseconds(50));
    return holds();
}

// A thread that is stopped holds up its own piece and nothing else: here the first piece waits
// until all others are done, which in equal shares would never be.
TEST(others_take_the_pieces_of_a_stopped_thread) {
    bool others_did = false;
    for (int turn = 0; turn < 40 && !others_did; ++turn)
        run_team(2, [&](const Team& team) {
            std::atomic<int> done{0};
            team.for_each(40, [&](auto i, int) {
                if (i == 0) others_did = soon([&] { return done.load() == 39; });
                done.fetch_add(1);
            });
            CHECK_EQUAL(40, done.load());
        });
    CHECK(others_did);
}

// The helper has to be asleep for that, and the processor free for others.
TEST(waiting_threads_sleep) {
    run_team(2, [](const Team& team) {
        const auto both = [&] {
            for (int turn = 0; turn < 40; ++turn) {
                std::atomic<int> arrived{0}, met{0};
                team.for_each(2, [&](auto, int) {
                    arrived.fetch_add(1);
                    if (soon([&] { return arrived.load() == 2; })) met.fetch_add(1);
                });
                if (met.load() == 2) return;
            }
            CHECK_THAT(false, "two threads never met");
        };
        both();
        const double before = processor_seconds();
        std::this_thread::sleep_for(std::chrono::milliseconds(300));
        const double used = processor_seconds() - before;
        CHECK_THAT(used < 0.1, "of 0.3 seconds " << used << " were spent waiting");
        both();
    });
}

TEST(an_exception_leaves_the_team_usable) {
    for (int turn = 0; turn < 20; ++turn) {
        CHECK_THROWS(std::runtime_error, "between two loops", run_team(3, [](const Team& team) {
                         team.for_each(10, [](auto, int) {});
                         throw std::runtime_error("between two loops");
                     }));
        std::atomic<int> runs{0};
        run_team(
            3, [&](const Team& team) { team.for_each(9, [&](auto, int) { runs.fetch_add(1); }); });
        CHECK_EQUAL(9, runs.load());
    }
}

// Each caller has helpers of its own.
TEST(teams_run_side_by_side) {
    std::atomic<std::ptrdiff_t> sum{0};
    const auto work = [&] {
        for (int turn = 0; turn < 200; ++turn)
            run_team(3, [&](const Team& team) {
                team.for_each(11, [&](auto i, int) { sum.fetch_add(i); });
            });
    };
    std::vector<std::thread> callers;
    for (int i = 0; i < 4; ++i) callers.emplace_back(work);
    for (auto& caller : callers) caller.join();
    CHECK_EQUAL(std::ptrdiff_t{4} * 200 * 55, sum.load());
}

// Now and then a piece takes long: it spins, sleeps or gives its CPU away.
void delay_some_pieces() {
    static std::atomic<std::uint64_t> number{0};
    const std::uint32_t random = random_block(1, Purpose::shuffle, 7, number.fetch_add(1))[0];
    switch (random % 64) {
        case 0:
            std::this_thread::sleep_for(std::chrono::microseconds(random >> 26));
            break;
        case 1:
        case 2:
            std::this_thread::yield();
            break;
        case 3:
            for (int i = 0; i < 300; ++i) nncore::runtime::pause();
            break;
        default:
            break;
    }
}

// Steps of several loops each, on 1 to 64 threads, with forks in between where there are any: 2,000
// of them, or as many as NNCORE_STRESS_STEPS says.
TEST(stress) {
    set_piece_hook(&delay_some_pieces);
    std::uint64_t draws = 0;
    const auto draw = [&](std::uint32_t below) {
        return static_cast<std::ptrdiff_t>(random_block(2, Purpose::shuffle, 3, ++draws)[0] %
                                           below);
    };
    const char* const asked = std::getenv("NNCORE_STRESS_STEPS");
    const int steps = asked == nullptr ? 2000 : std::atoi(asked);
    constexpr int kStepsOfATeam = 50;
    for (int step = 0; step < steps; step += kStepsOfATeam) {
        const int threads = step % 400 == 0 ? 64 : static_cast<int>(draw(8)) + 1;
        run_team(threads, [&](Team& team) {
            std::vector<long> cells(100, 0);
            for (int i = 0; i < kStepsOfATeam; ++i) {
                team.use(static_cast<int>(draw(static_cast<std::uint32_t>(threads))) + 1);
                const std::ptrdiff_t count = draw(100), grain = draw(4) + 1;
                const auto add = [&](auto first, auto last, int) {
                    for (auto c = first; c < last; ++c) ++cells[static_cast<std::size_t>(c)];
                };
                const long before = std::accumulate(cells.begin(), cells.end(), 0L);
                team.for_ranges(count, grain, add);
                team.for_ranges(count, 1, add);
                CHECK_EQUAL(before + 2 * count, std::accumulate(cells.begin(), cells.end(), 0L));
            }
#ifndef _WIN32
            if (step % 1000 != 0) return;
            CHECK(holds_in_a_child([] {
                int ran = 0;
                run_team(8, [&](const Team& alone) {
                    alone.for_each(5, [&](auto, int thread) { ran += thread == 0; });
                });
                return ran == 5;
            }));
#endif
        });
    }
    set_piece_hook(nullptr);
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

#ifndef _WIN32
// Threads do not survive a fork.
TEST(forked_child_stays_on_one_thread) {
    set_thread_limit(2);
    run_team(2, [](const Team& team) { CHECK_EQUAL(2, team.threads()); });
    CHECK(holds_in_a_child([] {
        int ran = 0;
        run_team(2, [&](const Team& team) { ran = team.threads(); });
        return thread_limit() == 1 && ran == 1;
    }));
    CHECK_EQUAL(2, thread_limit());
}
#endif

#ifdef __linux__

cpu_set_t allowed_cpus() {
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    CHECK(sched_getaffinity(0, sizeof cpus, &cpus) == 0);
    return cpus;
}

// A thread that may use two CPUs, if there are as many: body(one, other).
template <class Body>
void on_two_cpus(const Body& body) {
    std::thread([&] {
        const cpu_set_t all = allowed_cpus();
        cpu_set_t two;
        CPU_ZERO(&two);
        std::vector<std::size_t> cpus;
        for (std::size_t i = 0; i < CPU_SETSIZE && cpus.size() < 2; ++i)
            if (CPU_ISSET(i, &all)) {
                cpus.push_back(i);
                CPU_SET(i, &two);
            }
        if (cpus.size() < 2) return;
        CHECK(sched_setaffinity(0, sizeof two, &two) == 0);
        body(cpus[0], cpus[1]);
    }).join();
}

TEST(helpers_of_a_caller_who_shares_a_cpu_stay_on_one) {
    on_two_cpus([](std::size_t one, std::size_t other) {
        for (const std::size_t shared : {one, other}) {
            const cpu_set_t before = allowed_cpus();
            {
                CallersTurns caller;
                HelpersTurns turns(caller);
                caller.share(static_cast<int>(shared));
                turns.hand_on(2);
                // There, or, if it was there already, on the other one.
                const cpu_set_t now = allowed_cpus();
                CHECK_EQUAL(1, CPU_COUNT(&now));
            }
            const cpu_set_t after = allowed_cpus();
            CHECK(CPU_EQUAL(&before, &after));
        }
    });
}

TEST(helpers_leave_the_choice_of_a_cpu_to_the_system_where_there_are_more_or_fewer_than_members) {
    on_two_cpus([](std::size_t one, std::size_t) {
        const cpu_set_t before = allowed_cpus();
        for (const int members : {1, 3}) {
            CallersTurns caller;
            HelpersTurns turns(caller);
            caller.share(static_cast<int>(one));
            turns.hand_on(members);
            const cpu_set_t now = allowed_cpus();
            CHECK(CPU_EQUAL(&before, &now));
        }
    });
}

#endif

TEST(a_turn_ends_and_handing_on_begins_another) {
    CallersTurns caller;
    HelpersTurns turns(caller);
    turns.go_on(2);
    CHECK(!turns.is_over());
    while (!turns.is_over()) {
    }
    turns.hand_on(2);
    CHECK(!turns.is_over());
}

}  // namespace
