#include "../usable_cpus.h"

#include <algorithm>
#include <bit>

#include "system.h"

namespace nncore::runtime {
namespace {

int affinity_cpus() {
    DWORD_PTR process = 0, all = 0;
    // Zeros are what a process gets whose threads run in several groups of 64 CPUs.
    if (::GetProcessAffinityMask(::GetCurrentProcess(), &process, &all) && process != 0)
        return std::popcount(static_cast<unsigned long long>(process));
    return std::max(1, static_cast<int>(::GetActiveProcessorCount(ALL_PROCESSOR_GROUPS)));
}

// CPUs granted by the job that this process is in (containers), rounded up; 0 without a limit.
int job_cpus() {
    JOBOBJECT_CPU_RATE_CONTROL_INFORMATION limit = {};
    constexpr DWORD kHard =
        JOB_OBJECT_CPU_RATE_CONTROL_ENABLE | JOB_OBJECT_CPU_RATE_CONTROL_HARD_CAP;
    if (!::QueryInformationJobObject(nullptr, JobObjectCpuRateControlInformation, &limit,
                                     sizeof limit, nullptr) ||
        (limit.ControlFlags & kHard) != kHard)
        return 0;
    // In hundredths of a percent of all CPUs of the machine.
    const double cpus = static_cast<double>(::GetActiveProcessorCount(ALL_PROCESSOR_GROUPS)) *
                        static_cast<double>(limit.CpuRate) / 10000.0;
    return static_cast<int>(std::max(1.0, cpus + 0.999));
}

}  // namespace

int usable_cpus() {
    const int quota = job_cpus();
    const int cpus = affinity_cpus();
    return quota > 0 ? std::min(cpus, quota) : cpus;
}

}  // namespace nncore::runtime
