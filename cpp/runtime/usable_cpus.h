// The CPUs that this process may use.
#pragma once

namespace nncore::runtime {

// By its affinity and by the quota of its container; at least 1.
int usable_cpus();

}  // namespace nncore::runtime
