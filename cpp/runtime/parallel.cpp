#include "parallel.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "sleep.h"
#include "turns.h"

namespace nncore::runtime {
namespace {

// What a waiting thread hopes to be spared by not sleeping yet: a wake-up takes some 5 microseconds
// of the caller and up to 50 until the other runs.
constexpr int kSpins = 1000;

std::atomic<void (*)()> piece_hook{nullptr};

// The pieces that are laid out for one member, [first, last), and how many members take part, all
// in one word: whoever exchanges a word for one with fewer pieces has taken a piece of the job that
// is under way, however old the word that he had read.
class Pieces {
 public:
    static constexpr std::ptrdiff_t kMost = (std::ptrdiff_t{1} << 26) - 1;

    Pieces() = default;
    explicit Pieces(std::uint64_t word) : word_(word) {}
    Pieces(std::ptrdiff_t first, std::ptrdiff_t last, int members)
        : word_(static_cast<std::uint64_t>(first) | static_cast<std::uint64_t>(last) << 26 |
                static_cast<std::uint64_t>(members) << 52) {}

    std::uint64_t word() const { return word_; }
    std::ptrdiff_t first() const { return static_cast<std::ptrdiff_t>(word_) & kMost; }
    std::ptrdiff_t last() const { return static_cast<std::ptrdiff_t>(word_ >> 26) & kMost; }
    int members() const { return static_cast<int>(word_ >> 52); }
    bool any_for(int member) const { return first() < last() && member < members(); }

 private:
    std::uint64_t word_ = 0;
};
static_assert(kMaximumThreads < 1 << 12);

// A word on which one thread sleeps until another one has changed something.
class Sleeper {
 public:
    // `is_due` must see what was changed before `rouse`.
    // Returns whether it has slept.
    template <class IsDue>
    bool wait_until(const IsDue& is_due) noexcept {
        for (int spin = 0; spin < kSpins; ++spin) {
            if (is_due()) return false;
            pause();
        }
        // Either this thread sees the change, or the other one that this thread sleeps.
        for (;;) {
            asleep_.store(1, std::memory_order_seq_cst);
            if (is_due()) break;
            sleep_while(asleep_, 1);
        }
        asleep_.store(0, std::memory_order_relaxed);
        return true;
    }
    void rouse() noexcept {
        if (asleep_.load(std::memory_order_seq_cst) == 0) return;
        if (asleep_.exchange(0) != 0) wake(asleep_);
    }

 private:
    std::atomic<std::uint32_t> asleep_{0};
};

// A member's place, on cache lines of its own: its pieces, and where it sleeps.
struct alignas(128) Place {
    std::atomic<std::uint64_t> pieces{0};
    Sleeper sleeper;
};

}  // namespace

// The helpers of one team and the job that they share. Member 0 is the caller.
class Crew : public std::enable_shared_from_this<Crew> {
 public:
    explicit Crew(int members) : places_(static_cast<std::size_t>(members)) {}

    // Starts the helpers; returns how many members there are then.
    int start() {
        int member = 1;
        try {
            for (; member < static_cast<int>(places_.size()); ++member)
                std::thread([self = shared_from_this(), member] { self->help(member); }).detach();
        } catch (...) {  // the system gives no more
        }
        members_ = member;
        return members_;
    }
    int members() const { return members_; }
    // The helpers leave.
    void dismiss() {
        dismissed_.store(true);
        for (Place& place : places_) place.sleeper.rouse();
    }

    void run(std::ptrdiff_t count, std::ptrdiff_t grain, int members, const RangeBody& body) {
        const std::ptrdiff_t fewest = (count + Pieces::kMost - 1) / Pieces::kMost;
        grain = std::max(grain, fewest);
        const std::ptrdiff_t pieces = (count + grain - 1) / grain;
        members = static_cast<int>(std::min<std::ptrdiff_t>(members, pieces));
        body_ = &body;
        count_ = count;
        grain_ = grain;
        left_.store(pieces, std::memory_order_relaxed);
        // Neighbouring pieces for each: what a member wrote in one job it finds in its cache in the
        // next.
        for (int m = members - 1; m >= 0; --m) {
            const Pieces own(pieces * m / members, pieces * (m + 1) / members, members);
            place(m).pieces.store(own.word(), std::memory_order_seq_cst);
            if (m > 0) place(m).sleeper.rouse();
        }
        callers_turns_.look(waited_);
        if (finish(work(0, members, nullptr))) return;
        const auto before = std::chrono::steady_clock::now();
        place(0).sleeper.wait_until([&] { return left_.load(std::memory_order_seq_cst) == 0; });
        waited_ += std::chrono::steady_clock::now() - before;
    }

    // Another thread may be the caller.
    void begin() { callers_turns_.begin(); }
    double waited() const { return std::chrono::duration<double>(waited_).count(); }

 private:
    Place& place(int member) { return places_[static_cast<std::size_t>(member)]; }

    void help(int member) noexcept {
        Place& own = place(member);
        const auto has_pieces = [&] {
            return Pieces(own.pieces.load(std::memory_order_seq_cst)).any_for(member) ||
                   dismissed_.load(std::memory_order_seq_cst);
        };
        HelpersTurns turns(callers_turns_);
        for (;;) {
            turns.pause();
            const bool slept = own.sleeper.wait_until(has_pieces);
            if (dismissed_.load()) return;
            const int members = Pieces(own.pieces.load(std::memory_order_relaxed)).members();
            if (slept) turns.go_on(members);
            bool turn_is_over;
            do {
                const std::ptrdiff_t done = work(member, members, &turns);
                if (done > 0 && finish(done)) place(0).sleeper.rouse();
                // Not before: what is not reported is waited for.
                turn_is_over = turns.is_over();
                if (turn_is_over) turns.hand_on(members);
            } while (turn_is_over);
        }
    }

    // Takes pieces, the own ones first, until there are none, or a helper's turn is over; returns
    // how many it did.
    std::ptrdiff_t work(int member, int members, const HelpersTurns* turns) noexcept {
        std::ptrdiff_t done = 0;
        for (int i = 0; i < members; ++i) {
            const int owner = member + i < members ? member + i : member + i - members;
            while (work_on_one(member, owner)) {
                ++done;
                if (turns != nullptr && turns->is_over()) return done;
            }
        }
        return done;
    }

    // The owner takes his pieces from the front, others from the back.
    bool work_on_one(int member, int owner) noexcept {
        std::atomic<std::uint64_t>& word = place(owner).pieces;
        std::uint64_t seen = word.load(std::memory_order_acquire);
        std::ptrdiff_t piece;
        for (;;) {
            const Pieces had(seen);
            if (!had.any_for(member)) return false;
            const bool from_front = member == owner;
            piece = from_front ? had.first() : had.last() - 1;
            const Pieces rest(had.first() + from_front, had.last() - !from_front, had.members());
            if (word.compare_exchange_weak(seen, rest.word(), std::memory_order_acq_rel,
                                           std::memory_order_acquire))
                break;
        }
        // From here on the job stays, until this piece is reported as done.
        if (void (*const hook)() = piece_hook.load(std::memory_order_relaxed)) hook();
        const std::ptrdiff_t first = piece * grain_;
        (*body_)(first, std::min(first + grain_, count_), member);
        return true;
    }

    // Whether with these pieces all are done.
    bool finish(std::ptrdiff_t done) noexcept {
        return left_.fetch_sub(done, std::memory_order_seq_cst) == done;
    }

    // Of the job. Written while no piece of it can be taken.
    const RangeBody* body_ = nullptr;
    std::ptrdiff_t count_ = 0, grain_ = 1;
    alignas(128) std::atomic<std::ptrdiff_t> left_{0};  // pieces that are not done

    alignas(128) std::vector<Place> places_;
    int members_ = 1;
    CallersTurns callers_turns_;
    std::atomic<bool> dismissed_{false};
    std::chrono::steady_clock::duration waited_{0};
};

namespace {

// Crews that nobody uses just now. Never destroyed: helpers may outlive main.
struct IdleCrews {
    std::mutex mutex;
    std::vector<std::shared_ptr<Crew>> crews;

    static IdleCrews& instance() {
        static IdleCrews* const idle = new IdleCrews;
        return *idle;
    }

    // The last one used that is large enough; else a new one, for which a smaller one has to go.
    std::shared_ptr<Crew> take(int members) {
        {
            const std::lock_guard lock(mutex);
            for (std::size_t i = crews.size(); i-- > 0;) {
                if (crews[i]->members() < members) continue;
                std::shared_ptr<Crew> crew = std::move(crews[i]);
                crews.erase(crews.begin() + static_cast<std::ptrdiff_t>(i));
                return crew;
            }
            if (!crews.empty()) {
                crews.back()->dismiss();
                crews.pop_back();
            }
        }
        auto crew = std::make_shared<Crew>(members);
        crew->start();
        return crew;
    }
    void give_back(std::shared_ptr<Crew>&& crew) {
        const std::lock_guard lock(mutex);
        crews.push_back(std::move(crew));
    }
};

}  // namespace

double Team::waited() const { return crew_ == nullptr ? 0.0 : crew_->waited(); }

void Team::deal_out(std::ptrdiff_t count, std::ptrdiff_t grain, const RangeBody& body) const {
    crew_->run(count, grain, used_, body);
}

void run_team(int threads, const TeamBody& body) {
    Team team;
    if (threads <= 1 || has_lost_threads()) {
        body(team);
        return;
    }
    watch_forks();
    std::shared_ptr<Crew> crew = IdleCrews::instance().take(threads);
    crew->begin();
    team.crew_ = crew.get();
    team.threads_ = team.used_ = std::min(threads, crew->members());
    const auto give_back = [&] { IdleCrews::instance().give_back(std::move(crew)); };
    try {
        body(team);
    } catch (...) {
        give_back();
        throw;
    }
    give_back();
}

void set_piece_hook(void (*hook)()) { piece_hook.store(hook); }

}  // namespace nncore::runtime
