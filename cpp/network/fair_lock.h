// The lock of a network: readers share it, writers have it alone, and neither waits for ever.
#pragma once

#include <atomic>
#include <mutex>
#include <shared_mutex>

namespace nncore::network {

// As std::shared_mutex, with two differences. A writer that waits keeps further readers out: with
// std::shared_mutex on Linux, readers that overlap would let no training step through. And in a
// process that was forked while the lock was in use, whose holder does not exist there, locking is
// std::runtime_error and no wait without end.
class FairLock {
 public:
    void lock() {
        enter();
        const std::lock_guard gate(gate_);
        mutex_.lock();
    }
    void unlock() {
        mutex_.unlock();
        users_.fetch_sub(1);
    }
    void lock_shared() {
        enter();
        const std::lock_guard gate(gate_);
        mutex_.lock_shared();
    }
    void unlock_shared() {
        mutex_.unlock_shared();
        users_.fetch_sub(1);
    }

 private:
    void enter();

    std::mutex gate_;  // held by the one that is next
    std::shared_mutex mutex_;
    std::atomic<int> users_{0};  // that hold it or wait for it
    std::atomic<unsigned> forks_{0};
};

}  // namespace nncore::network
