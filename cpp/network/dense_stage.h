#pragma once

#include <memory>
#include <string>
#include <vector>

#include "stage.h"

namespace nncore::network {

std::unique_ptr<Stage> make_dense_stage(const std::string& name, std::ptrdiff_t inputs,
                                        std::ptrdiff_t units, kernels::Activation activation,
                                        bool use_bias, std::ptrdiff_t parameter_offset);

}  // namespace nncore::network
