// One named parameter: its natural shape for the world, its layout in the flat buffer for kernels.
#pragma once

#include <cstddef>
#include <string>

#include "../kernels/block.h"
#include "kernel_settings.h"
#include "types.h"

namespace nncore::network {

using kernels::blocks_of;
using kernels::kBlock;
using kernels::padded;

struct Parameter {
    // vector: values in order. panels: a dense kernel in panels of 16 outputs. rows: the last axis
    // padded to whole blocks of 16 (convolution kernels). Of a convolution in groups either
    // groups: the rows of one group's outputs, then those of the next; or lanes: per row the first
    // output of every group, padded to whole blocks of 16, then the second of every group, ...
    enum class Layout { vector, panels, rows, groups, lanes };

    std::string name;  // "layer/kernel" or "layer/bias"
    Shape shape;       // (in, out), (kernel rows, kernel columns, in of a group, out) or (out)
    Layout layout;
    std::ptrdiff_t offset;  // in floats, from the start of the flat buffer
    // Not trainable: measured during training, like moving averages; optimizers pass it by.
    bool trainable = true;
    Initializer initializer = Initializer::zeros;
    Penalty penalty{};
    std::ptrdiff_t groups = 1;  // of the layouts groups and lanes

    std::ptrdiff_t inputs() const { return element_count(shape) / shape.back(); }
    std::ptrdiff_t group_outputs() const { return shape.back() / groups; }
    std::ptrdiff_t size() const;  // floats in the flat buffer, padding included
    std::ptrdiff_t panel_stride() const { return inputs() * kBlock; }
    // The natural, row-major array from the flat buffer, and back. Padding stays zero.
    void unpack(const float* flat, float* natural) const;
    void pack(const float* natural, float* flat) const;
};

}  // namespace nncore::network
