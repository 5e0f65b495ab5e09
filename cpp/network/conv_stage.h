#pragma once

#include <memory>
#include <string>
#include <vector>

#include "conv_geometry.h"
#include "stage.h"

namespace nncore::network {

// With `pooled` the output goes through a 2x2 max pool (stride 2) within the stage.
std::unique_ptr<Stage> make_conv_stage(const std::string& name, const ConvGeometry& geometry,
                                       kernels::Activation activation, bool use_bias, bool pooled,
                                       std::ptrdiff_t parameter_offset);

}  // namespace nncore::network
