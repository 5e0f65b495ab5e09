// A team: a caller that walks through some work, and helpers that take pieces of it while it does.
//
// The caller alone decides what is done and in which order. Where work can be cut, it deals out
// pieces (Team::for_each), takes some itself, and goes on when all are done. A helper that is not
// there, because its CPU does something else, is waited for by nobody: the others take its pieces.
// Who computes a piece must not change what is computed.
#pragma once

#include <cstddef>
#include <type_traits>

#include "thread_limit.h"

namespace nncore::runtime {

class Crew;

// What the members of a team call for each range of pieces: a reference to somebody's function
// object, which costs no allocation. It must not throw.
class RangeBody {
 public:
    template <class Body>
        requires(!std::is_same_v<std::remove_cvref_t<Body>, RangeBody>)
    RangeBody(const Body& body)  // NOLINT: lambdas are meant to convert
        : body_(&body), call_([](const void* b, std::ptrdiff_t first, std::ptrdiff_t last, int t) {
              (*static_cast<const Body*>(b))(first, last, t);
          }) {}
    void operator()(std::ptrdiff_t first, std::ptrdiff_t last, int thread) const {
        call_(body_, first, last, thread);
    }

 private:
    const void* body_;
    void (*call_)(const void*, std::ptrdiff_t, std::ptrdiff_t, int);
};

class Team {
 public:
    // The caller alone.
    Team() = default;

    // How many may take part; a thread's number is below that.
    int threads() const { return threads_; }
    // From now on only so many do, at least one.
    void use(int threads) { used_ = threads < 1 ? 1 : threads < threads_ ? threads : threads_; }
    int used() const { return used_; }

    // body(i, thread) for each i in [0, count), each a piece.
    template <class Body>
    void for_each(std::ptrdiff_t count, const Body& body) const {
        for_ranges(count, 1, [&](std::ptrdiff_t first, std::ptrdiff_t last, int thread) {
            for (std::ptrdiff_t i = first; i < last; ++i) body(i, thread);
        });
    }
    // body(first, last, thread) for ranges that make up [0, count); where these are pieces for
    // several threads they begin at multiples of `grain`.
    template <class Body>
    void for_ranges(std::ptrdiff_t count, std::ptrdiff_t grain, const Body& body) const {
        if (used_ == 1 || count <= grain) {
            if (count > 0) body(std::ptrdiff_t{0}, count, 0);
        } else {
            deal_out(count, grain, body);
        }
    }

    // Seconds that the caller has spent waiting for the last pieces of others.
    double waited() const;

 private:
    friend void run_team(int threads, const class TeamBody& body);
    void deal_out(std::ptrdiff_t count, std::ptrdiff_t grain, const RangeBody& body) const;

    int threads_ = 1, used_ = 1;
    Crew* crew_ = nullptr;
};

// What the caller does with a team; likewise a reference. It may throw.
class TeamBody {
 public:
    template <class Body>
        requires(!std::is_same_v<std::remove_cvref_t<Body>, TeamBody>)
    TeamBody(const Body& body)  // NOLINT: lambdas are meant to convert
        : body_(&body),
          call_([](const void* b, Team& team) { (*static_cast<const Body*>(b))(team); }) {}
    void operator()(Team& team) const { call_(body_, team); }

 private:
    const void* body_;
    void (*call_)(const void*, Team&);
};

// Runs body once, on this thread, with a team of at most `threads`, itself included: fewer if the
// system gives no more, and one in a forked child of a process that had already started some, since
// threads do not survive a fork. Helpers stay, asleep, for the next team.
void run_team(int threads, const TeamBody& body);

// For tests: called before each piece, by whoever takes it; nullptr: nothing is.
void set_piece_hook(void (*hook)());

}  // namespace nncore::runtime
