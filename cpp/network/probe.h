// The layers of a network once more, with a look at what one of them gives: the same stages over
// the same parameters, but that one stands behind the layer which nobody else needs (ProbeStage).
// The gradient of that stage's output is the end of the pass backward. A Builder makes it.
#pragma once

#include <string>

#include "architecture.h"
#include "crews.h"

namespace nncore::network {

struct Probe {
    Probe(Architecture probed, std::string layer_name, std::size_t probe_stage)
        : architecture(std::move(probed)), layer(std::move(layer_name)), stage(probe_stage) {}

    const Architecture architecture;
    const std::string layer;
    const std::size_t stage;  // its index
    mutable IdleCrews idle_crews;

    // Of the layer's output: (height, width, channels).
    const Shape& shape() const { return architecture.stages[stage]->output_shape; }
};

}  // namespace nncore::network
