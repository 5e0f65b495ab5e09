// The plan of a workspace: what a pass through an architecture needs.
#pragma once

#include "architecture.h"
#include "workspace.h"

namespace nncore::network {

// Allocates what `rows` samples and `threads` threads need from stage `first` on, unless it is
// there already. Where several processes share a batch of `batch` samples, `rows` of them are this
// one's, and there is room for what they tell each other; 0: nobody shares it.
void plan(const Architecture& architecture, Workspace& workspace, std::ptrdiff_t rows,
          bool backward, int threads, bool keeps_inner, std::size_t first,
          std::ptrdiff_t batch = 0);

}  // namespace nncore::network
