// How conv and conv_pool_2x2 compute where few channels come from one: see conv_narrow.cpp.
#pragma once

#include "../kernels.h"

namespace nncore::kernels::NNCORE_TARGET {

bool suits_conv_narrow(const ConvArgs& args);
void conv_narrow(const ConvArgs& args);
void conv_narrow_pool(const ConvArgs& two_rows, Activation activation, float* y, uint8_t* winners);

}  // namespace nncore::kernels::NNCORE_TARGET
