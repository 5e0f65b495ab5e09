#include "../cpu_binding.h"

namespace nncore::runtime {

// Windows tells how long a thread has computed only in steps of its clock's ticks: too coarse.
int this_cpu() noexcept { return -1; }
long times_stopped() noexcept { return 0; }
std::chrono::steady_clock::duration time_computed() noexcept {
    return std::chrono::steady_clock::now().time_since_epoch();
}
bool CpuBinding::bind(int, bool, int) noexcept { return false; }
void CpuBinding::release() noexcept {}

}  // namespace nncore::runtime
