#pragma once

#include <memory>
#include <string>
#include <vector>

#include "stage.h"

namespace nncore::network {

std::unique_ptr<Stage> make_activation_stage(const Shape& shape, kernels::Activation activation);
std::unique_ptr<Stage> make_softmax_stage(const Shape& shape);
// `number` tells the dropout layers of a network apart.
std::unique_ptr<Stage> make_dropout_stage(const Shape& shape, float rate, std::uint32_t number);

}  // namespace nncore::network
