#pragma once

#include <memory>
#include <string>
#include <vector>

#include "stage.h"

namespace nncore::network {

// scale and offset: one value, or one per channel.
std::unique_ptr<Stage> make_rescaling_stage(const Shape& shape, const std::vector<float>& scale,
                                            const std::vector<float>& offset);

}  // namespace nncore::network
