// One named parameter: its natural shape for the world, its layout in the flat buffer for kernels.
#pragma once

#include <cstddef>
#include <string>

#include "types.h"

namespace nncore::network {

constexpr std::ptrdiff_t kBlock = 16;  // the lane block of cpp/kernels

inline std::ptrdiff_t blocks_of(std::ptrdiff_t count) { return (count + kBlock - 1) / kBlock; }
inline std::ptrdiff_t padded(std::ptrdiff_t count) { return blocks_of(count) * kBlock; }

struct Parameter {
    enum class Layout { vector, panels };

    std::string name;  // "layer/kernel" or "layer/bias"
    Shape shape;       // (in, out) or (out)
    Layout layout;
    std::ptrdiff_t offset;  // in floats, from the start of the flat buffer
    std::ptrdiff_t size;    // floats occupied there, padding included

    std::ptrdiff_t panel_stride() const { return shape.front() * kBlock; }
    // The natural, row-major array from the flat buffer, and back. Padding stays zero.
    void unpack(const float* flat, float* natural) const;
    void pack(const float* natural, float* flat) const;
};

}  // namespace nncore::network
