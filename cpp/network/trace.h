// What a training step spends its time on, for people who look for where it goes: a list of spans.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace nncore::network {

class Trace {
 public:
    struct Event {
        const char* what;         // lasts as long as the program
        std::ptrdiff_t stage;     // -1: none in particular
        std::int64_t begin, end;  // nanoseconds of a clock that all processes of a machine share
    };

    // Of more than so many nobody is told.
    explicit Trace(std::size_t most) : most_(most) { events_.reserve(most); }
    void add(const Event& event) {
        if (events_.size() < most_) events_.push_back(event);
    }
    const std::vector<Event>& events() const { return events_; }

    static std::int64_t now() {
        return std::chrono::duration_cast<std::chrono::nanoseconds>(
                   std::chrono::steady_clock::now().time_since_epoch())
            .count();
    }

 private:
    std::size_t most_;
    std::vector<Event> events_;
};

// From here to the end of its scope; without a trace, nothing.
class Traced {
 public:
    Traced(Trace* trace, const char* what, std::ptrdiff_t stage = -1)
        : trace_(trace), what_(what), stage_(stage), begin_(trace == nullptr ? 0 : Trace::now()) {}
    ~Traced() {
        if (trace_ != nullptr) trace_->add({what_, stage_, begin_, Trace::now()});
    }
    Traced(const Traced&) = delete;
    Traced& operator=(const Traced&) = delete;

 private:
    Trace* trace_;
    const char* what_;
    std::ptrdiff_t stage_;
    std::int64_t begin_;
};

}  // namespace nncore::network
