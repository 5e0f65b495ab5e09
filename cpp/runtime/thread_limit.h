// How many threads parallel work may use.
#pragma once

namespace nncore::runtime {

constexpr int kMaximumThreads = 1024;

// set_thread_limit, else NNCORE_NUM_THREADS, else the CPUs this process may use (affinity and
// cgroup quota). 1 in a forked child of a process that had already started threads: they do not
// survive a fork.
int thread_limit();
// Throws std::invalid_argument unless 1 <= threads <= 1024.
void set_thread_limit(int threads);

// Called before the first thread is started.
void watch_forks();
bool has_lost_threads();  // in such a child

}  // namespace nncore::runtime
