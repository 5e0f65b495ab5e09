#include "parameter.h"

namespace nncore::network {
namespace {

// Calls body(natural index, flat index) for every element.
template <class Body>
void for_elements(const Parameter& p, Body body) {
    const std::ptrdiff_t inputs = p.inputs(), outputs = p.shape.back();
    for (std::ptrdiff_t i = 0; i < inputs; ++i)
        for (std::ptrdiff_t o = 0; o < outputs; ++o) {
            const std::ptrdiff_t place =
                p.layout == Parameter::Layout::panels
                    ? o / kBlock * p.panel_stride() + i * kBlock + o % kBlock
                    : i * padded(outputs) + o;
            body(i * outputs + o, p.offset + place);
        }
}

}  // namespace

std::ptrdiff_t Parameter::size() const {
    return (layout == Layout::vector ? 1 : inputs()) * padded(shape.back());
}

void Parameter::unpack(const float* flat, float* natural) const {
    for_elements(*this, [&](std::ptrdiff_t n, std::ptrdiff_t f) { natural[n] = flat[f]; });
}

void Parameter::pack(const float* natural, float* flat) const {
    for_elements(*this, [&](std::ptrdiff_t n, std::ptrdiff_t f) { flat[f] = natural[n]; });
}

}  // namespace nncore::network
