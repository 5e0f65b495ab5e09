#include "pace.h"

#include <algorithm>

namespace nncore::runtime {
namespace {

// Seconds. The system gives a CPU to one program and then to another for some milliseconds each: a
// period must hold several of these.
constexpr double kPeriod = 0.025;
constexpr double kShortest = 0.05,
                 kLongest = 0.8;   // how long a choice holds; twice as long each time
constexpr double kDoubtful = 0.2;  // the part of the time that may be waited
constexpr double kHopeless = 3.0;  // so many times slower than one thread: no need to see it out

}  // namespace

bool Pace::uses_team() const {
    const std::lock_guard lock(mutex_);
    return team_;
}

void Pace::begin(bool team, double length) {
    team_ = team;
    length_ = length;
    work_ = seconds_ = waited_ = 0;
}

void Pace::add(bool team, double work, double seconds, double waited) {
    const std::lock_guard lock(mutex_);
    if (team != team_) return;  // somebody else's stretch has ended the period
    work_ += work;
    seconds_ += seconds;
    waited_ += waited;
    good_ = std::max(0.0, good_ - seconds);
    if (!team) {
        if (seconds_ < length_) return;
        single_rate_ = work_ / seconds_;
        const bool pays = single_rate_ > team_rate_;
        if (pays && length_ <= kPeriod) {
            patience_ = std::clamp(2 * patience_, kShortest, kLongest);
            begin(false, patience_);
        } else {
            if (!pays) good_ = patience_ = std::clamp(2 * patience_, kShortest, kLongest);
            begin(true, kPeriod);
        }
        return;
    }
    const bool hopeless =
        single_rate_ > 0 && seconds_ > kPeriod / 5 && work_ * kHopeless < single_rate_ * seconds_;
    if (seconds_ < kPeriod && !hopeless) return;
    team_rate_ = work_ / seconds_;
    const bool waits = waited_ > kDoubtful * seconds_;
    if (waits && good_ == 0) {
        begin(false, kPeriod);
    } else {
        if (!waits) patience_ = single_rate_ = 0;
        begin(true, kPeriod);
    }
}

Stretch::Stretch(Pace& pace, Team& team, double work)
    : pace_(pace), team_(team), work_(work), waited_(team.waited()), uses_team_(true) {
    if (team.threads() == 1) return;
    uses_team_ = pace.uses_team();
    team.use(uses_team_ ? team.threads() : 1);
    start_ = std::chrono::steady_clock::now();
}

Stretch::~Stretch() {
    if (team_.threads() == 1) return;
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start_;
    pace_.add(uses_team_, work_, taken.count(), team_.waited() - waited_);
}

}  // namespace nncore::runtime
