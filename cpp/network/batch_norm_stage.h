#pragma once

#include <memory>
#include <string>
#include <vector>

#include "stage.h"

namespace nncore::network {

// Each channel to mean 0 and variance 1 over the batch, then scaled and shifted. `folds`: inference
// does it within the stage before.
std::unique_ptr<Stage> make_batch_norm_stage(const std::string& name, const Shape& shape,
                                             float momentum, float epsilon, bool folds, bool fixed,
                                             std::ptrdiff_t parameter_offset);

}  // namespace nncore::network
