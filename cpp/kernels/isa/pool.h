#pragma once

#include "../kernels.h"

namespace nncore::kernels::NNCORE_TARGET {

void max_pool_2x2(const PoolArgs& args, Activation activation, const float* x, float* y,
                  uint8_t* winners);
void unpool_2x2(ptrdiff_t rows, ptrdiff_t columns, ptrdiff_t channels, const float* d,
                const uint8_t* winners, float* target, ptrdiff_t target_row,
                ptrdiff_t target_pixel);
void max_pool(const PoolArgs& args, const float* x, float* y, uint16_t* winners);
void max_pool_gradient(const PoolArgs& args, const float* dy, const uint16_t* winners, float* dx);
void average_pool(const PoolArgs& args, const float* x, float* y);
void average_pool_gradient(const PoolArgs& args, const float* dy, float* dx);

}  // namespace nncore::kernels::NNCORE_TARGET
