#include "parameter.h"

#include <algorithm>

namespace nncore::network {
namespace {

// Calls body(natural index, flat index) for every element.
template <class Body>
void for_elements(const Parameter& p, Body body) {
    if (p.layout == Parameter::Layout::vector) {
        for (std::ptrdiff_t i = 0; i < p.shape[0]; ++i) body(i, p.offset + i);
        return;
    }
    const std::ptrdiff_t inputs = p.shape[0], outputs = p.shape[1];
    for (std::ptrdiff_t i = 0; i < inputs; ++i)
        for (std::ptrdiff_t o = 0; o < outputs; ++o)
            body(i * outputs + o,
                 p.offset + o / kBlock * p.panel_stride() + i * kBlock + o % kBlock);
}

}  // namespace

void Parameter::unpack(const float* flat, float* natural) const {
    for_elements(*this, [&](std::ptrdiff_t n, std::ptrdiff_t f) { natural[n] = flat[f]; });
}

void Parameter::pack(const float* natural, float* flat) const {
    for_elements(*this, [&](std::ptrdiff_t n, std::ptrdiff_t f) { flat[f] = natural[n]; });
}

}  // namespace nncore::network
