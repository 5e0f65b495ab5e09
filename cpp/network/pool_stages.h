#pragma once

#include <memory>
#include <string>
#include <vector>

#include "conv_geometry.h"
#include "stage.h"

namespace nncore::network {

std::unique_ptr<Stage> make_max_pool_stage(const PoolGeometry& geometry);
// counts_padding: as zeros; else the mean is that of the pixels of the image.
std::unique_ptr<Stage> make_average_pool_stage(const PoolGeometry& geometry, bool counts_padding);

}  // namespace nncore::network
