#include "../usable_cpus.h"

#ifdef __linux__
#include <sched.h>
#endif

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <string>
#include <thread>

namespace nncore::runtime {
namespace {

int affinity_cpus() {
#ifdef __linux__
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set) == 0) return std::max(1, CPU_COUNT(&set));
#endif
    return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

// CPUs granted by a cgroup quota (containers), rounded up; 0 without one.
int cgroup_cpus() {
    std::ifstream v2("/sys/fs/cgroup/cpu.max");
    std::string quota;
    double period = 0;
    if (v2 >> quota >> period && quota != "max" && period > 0)
        return static_cast<int>(std::max(1.0, std::atof(quota.c_str()) / period + 0.999));
    std::ifstream quota_v1("/sys/fs/cgroup/cpu/cpu.cfs_quota_us");
    std::ifstream period_v1("/sys/fs/cgroup/cpu/cpu.cfs_period_us");
    double allowed = 0;
    if (quota_v1 >> allowed && period_v1 >> period && allowed > 0 && period > 0)
        return static_cast<int>(std::max(1.0, allowed / period + 0.999));
    return 0;
}

}  // namespace

int usable_cpus() {
    const int quota = cgroup_cpus();
    const int cpus = affinity_cpus();
    return quota > 0 ? std::min(cpus, quota) : cpus;
}

}  // namespace nncore::runtime
