#pragma once

#include <memory>
#include <string>
#include <vector>

#include "stage.h"

namespace nncore::network {

// Each pixel to mean 0 and variance 1 over its channels, then scaled and shifted.
std::unique_ptr<Stage> make_layer_norm_stage(const std::string& name, const Shape& shape,
                                             float epsilon, std::ptrdiff_t parameter_offset);

}  // namespace nncore::network
