// Workspaces for passes that change nothing, of which several may be under way at a time.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "workspace.h"

namespace nncore::network {

// One for each thread of a team.
using Crew = std::vector<std::unique_ptr<Workspace>>;

// Those that nobody uses just now.
class IdleCrews {
 public:
    // An empty one, where none is idle.
    std::unique_ptr<Crew> take() {
        const std::lock_guard guard(mutex_);
        if (idle_.empty()) return std::make_unique<Crew>();
        std::unique_ptr<Crew> crew = std::move(idle_.back());
        idle_.pop_back();
        return crew;
    }
    void give_back(std::unique_ptr<Crew> crew) {
        const std::lock_guard guard(mutex_);
        idle_.push_back(std::move(crew));
    }

 private:
    std::mutex mutex_;
    std::vector<std::unique_ptr<Crew>> idle_;
};

}  // namespace nncore::network
