// The buffers of one pass through a network, planned for a number of rows and allocated once.
#pragma once

#include <vector>

#include "../runtime/aligned_buffer.h"
#include "types.h"

namespace nncore::network {

// One sample after another: row r starts at data + r * stride.
struct Rows {
    float* data = nullptr;
    std::ptrdiff_t stride = 0;

    float* row(std::ptrdiff_t r) const { return data + r * stride; }
};

struct Workspace {
    std::ptrdiff_t capacity = 0;  // rows
    // Buffer i is the input of stage i; the last one is the network's output.
    std::vector<Rows> activations;
    std::vector<Rows> deltas;  // loss gradients by what produced buffer i, before its activation
    std::vector<Rows> saved;   // per stage: what its forward pass keeps for the backward pass
    std::vector<float*> transposed;  // per stage: its weights turned for the input gradient
    Rows targets;
    float* losses = nullptr;              // per row
    std::vector<std::int32_t> predicted;  // per row
    std::vector<std::int32_t> labels;     // per row
    std::vector<float*> rowwise_scratch;  // per thread
    runtime::AlignedBuffer storage;
};

}  // namespace nncore::network
