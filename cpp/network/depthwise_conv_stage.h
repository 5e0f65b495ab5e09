#pragma once

#include "grouped_conv_stage.h"

namespace nncore::network {

// For many small groups, depthwise convolutions above all: lanes over the groups.
std::unique_ptr<Stage> make_depthwise_conv_stage(const std::string& name,
                                                 const ConvGeometry& geometry,
                                                 kernels::Activation activation, bool use_bias,
                                                 std::ptrdiff_t parameter_offset);

}  // namespace nncore::network
