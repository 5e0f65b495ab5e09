#pragma once

#include <memory>
#include <string>

#include "conv_geometry.h"
#include "stage.h"

namespace nncore::network {

// Of a convolution for which suits_winograd (conv_ways.h).
std::unique_ptr<Stage> make_winograd_stage(const std::string& name, const ConvGeometry& geometry,
                                           kernels::Activation activation, bool use_bias,
                                           std::ptrdiff_t parameter_offset);

}  // namespace nncore::network
