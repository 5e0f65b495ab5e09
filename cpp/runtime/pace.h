// Whether more than one thread pays.
//
// Beside other programs a second thread can be worse than none: it is stopped in the middle of a
// piece, and the first one waits. As results do not depend on the number of threads, that is free
// to change at any time: where waiting takes long, one thread is tried, and what has been faster is
// used for a while.
#pragma once

#include <chrono>
#include <mutex>

#include "parallel.h"

namespace nncore::runtime {

// Of one kind of work, such as the training of a network.
class Pace {
 public:
    // Whether the next stretch of work is for the whole team.
    bool uses_team() const;
    // What a stretch was: how much work, in any unit, how long it took, and how much of that the
    // caller waited for others.
    void add(bool team, double work, double seconds, double waited);

 private:
    void begin(bool team, double length);

    // One period after the other with, then without the team; what each did per second.
    mutable std::mutex mutex_;
    bool team_ = true;
    double work_ = 0, seconds_ = 0, waited_ = 0, length_ = 0;
    double team_rate_ = 0, single_rate_ = 0;
    double patience_ = 0;  // how long the next choice holds
    double good_ = 0;      // seconds for which no doubt is allowed
};

// One stretch of work: chooses the size of a team in the beginning, and says at its end how it
// went.
class Stretch {
 public:
    Stretch(Pace& pace, Team& team, double work = 1.0);
    ~Stretch();
    Stretch(const Stretch&) = delete;
    Stretch& operator=(const Stretch&) = delete;

 private:
    Pace& pace_;
    Team& team_;
    double work_, waited_;
    bool uses_team_;
    std::chrono::steady_clock::time_point start_;
};

}  // namespace nncore::runtime
