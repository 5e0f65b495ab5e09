#include "parameter.h"

namespace nncore::network {
namespace {

// Where row i, output o stands in the parameter.
std::ptrdiff_t place_of(const Parameter& p, std::ptrdiff_t i, std::ptrdiff_t o) {
    const std::ptrdiff_t in_group = p.group_outputs();
    switch (p.layout) {
        case Parameter::Layout::panels:
            return o / kBlock * p.panel_stride() + i * kBlock + o % kBlock;
        case Parameter::Layout::groups:
            return (o / in_group * p.inputs() + i) * padded(in_group) + o % in_group;
        case Parameter::Layout::lanes:
            return (i * in_group + o % in_group) * padded(p.groups) + o / in_group;
        case Parameter::Layout::vector:
        case Parameter::Layout::rows:
            break;
    }
    return i * padded(p.shape.back()) + o;
}

// Calls body(natural index, flat index) for every element.
template <class Body>
void for_elements(const Parameter& p, Body body) {
    const std::ptrdiff_t inputs = p.inputs(), outputs = p.shape.back();
    for (std::ptrdiff_t i = 0; i < inputs; ++i)
        for (std::ptrdiff_t o = 0; o < outputs; ++o)
            body(i * outputs + o, p.offset + place_of(p, i, o));
}

}  // namespace

std::ptrdiff_t Parameter::size() const {
    switch (layout) {
        case Layout::vector:
            return padded(shape.back());
        case Layout::groups:
            return groups * inputs() * padded(group_outputs());
        case Layout::lanes:
            return inputs() * group_outputs() * padded(groups);
        case Layout::panels:
        case Layout::rows:
            break;
    }
    return inputs() * padded(shape.back());
}

void Parameter::unpack(const float* flat, float* natural) const {
    for_elements(*this, [&](std::ptrdiff_t n, std::ptrdiff_t f) { natural[n] = flat[f]; });
}

void Parameter::pack(const float* natural, float* flat) const {
    for_elements(*this, [&](std::ptrdiff_t n, std::ptrdiff_t f) { flat[f] = natural[n]; });
}

}  // namespace nncore::network
