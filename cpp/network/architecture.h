// What a network consists of, finished by a Builder and owned by a Network.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "stage.h"
#include "types.h"

namespace nncore::network {

// A layer as it was added, whichever stage does its work.
struct Layer {
    std::string name;
    Shape output_shape;
    std::size_t buffer;       // the activation buffer that holds its output, or
    bool fused_away = false;  // the stage that writes that buffer keeps it as `inner`
};

struct Architecture {
    Shape input_shape;
    std::vector<Layer> layers;
    std::vector<std::unique_ptr<Stage>> stages;  // each reads what the one before wrote
    std::ptrdiff_t parameter_floats = 0;         // of the flat buffers
    std::ptrdiff_t prepared_floats = 0;          // of what inference prepares of them
    bool ends_with_softmax = false;
    // Below the first stage that trains there is nothing to do backward.
    std::size_t first_trained = 0;
    // So many stages, whole layers, give an image the same values whenever they are asked: nothing
    // in them is trained, measured or random. Network::extract computes them.
    std::size_t fixed_stages = 0;

    std::vector<std::string> describe_stages() const;
    // What stage `index` takes.
    const Shape& shape_before(std::size_t index) const {
        return index == 0 ? input_shape : stages[index - 1]->output_shape;
    }
    // Of the forward pass of one image from that stage on; convolutions and dense products alone.
    double multiply_adds(std::size_t first = 0) const;
    std::ptrdiff_t output_size() const { return element_count(stages.back()->output_shape); }
    // Softmax and losses work on rows of the widest flat output.
    std::ptrdiff_t widest_row() const;
    // How many stages give the scores of the classes: a softmax at the end is left out.
    std::size_t stages_before_softmax() const { return stages.size() - ends_with_softmax; }
};

}  // namespace nncore::network
