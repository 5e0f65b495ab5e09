#pragma once

#include <memory>
#include <string>
#include <vector>

#include "stage.h"

namespace nncore::network {

std::unique_ptr<Stage> make_self_gated_stage(const Shape& shape, kernels::SelfGated kind);

}  // namespace nncore::network
