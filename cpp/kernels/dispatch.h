// Which kernel table runs: the best one that this machine can execute, or the one that
// NNCORE_ISA names. Tables, best first: avx512, avx2, neon, baseline, reference.
#pragma once

#include <string>
#include <vector>

#include "kernels.h"

namespace nncore::kernels {

// The table in use. Chosen at the first call; throws std::invalid_argument if NNCORE_ISA names a
// table that does not exist or that this machine cannot run.
const Kernels& active();

// The names that NNCORE_ISA and select_isa take on this machine, best first.
std::vector<std::string> available_isas();

// Changes the table from now on (for tests and benchmarks; not while other threads compute).
void select_isa(const std::string& name);

}  // namespace nncore::kernels
