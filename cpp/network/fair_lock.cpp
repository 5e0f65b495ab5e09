#include "fair_lock.h"

#include <stdexcept>

#include "../runtime/forks.h"

namespace nncore::network {
namespace {

std::atomic<unsigned> forks{0};  // between the first process and this one

[[maybe_unused]] const bool watched =
    (runtime::in_forked_children([] { forks.fetch_add(1); }), true);

}  // namespace

void FairLock::enter() {
    const unsigned now = forks.load();
    // Another thread of this process may just have noted the fork, and count among the users.
    if (forks_.load() != now && users_.load() != 0 && forks_.load() != now)
        throw std::runtime_error(
            "this process was forked while another thread used the model: it cannot be used here; "
            "fork before or after, start the process anew (multiprocessing's \"spawn\"), or load "
            "the model from a file");
    forks_.store(now);
    users_.fetch_add(1);
}

}  // namespace nncore::network
