// The plan of a workspace: what a pass through an architecture needs.
#pragma once

#include "architecture.h"
#include "workspace.h"

namespace nncore::network {

// Allocates what `rows` samples and `threads` threads need from stage `first` on, unless it is
// there already.
void plan(const Architecture& architecture, Workspace& workspace, std::ptrdiff_t rows,
          bool backward, int threads, bool keeps_inner, std::size_t first);

}  // namespace nncore::network
