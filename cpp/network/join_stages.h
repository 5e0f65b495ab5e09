// The end of a block: what its branches give becomes one.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "stage.h"

namespace nncore::network {

enum class Join {
    sum,            // of equal shapes
    concatenation,  // along the channels; else equal shapes
    product         // of equal sizes, or 1, along each axis; (C) is (1, 1, C) beside an image
};

// "add", "concatenate", "multiply"; throws std::invalid_argument for others.
Join join_from_name(const std::string& name);

// Throws std::invalid_argument that begins with `what` where they do not fit.
Shape joined_shape(const std::string& what, Join join, const std::vector<Shape>& shapes);

// One branch, as the join sees it.
struct Branch {
    std::size_t values;  // the buffer with what the branch gives
    // Where the gradient of that goes, which the join writes; none: the block takes that of the
    // sum itself.
    std::optional<std::size_t> gradient;
    Shape shape;
    kernels::Activation activation = kernels::Activation::linear;  // which made the values
};

// output_shape: as of joined_shape. activation: of the joined values.
std::unique_ptr<Stage> make_join_stage(Join join, const std::vector<Branch>& branches,
                                       const Shape& output_shape, kernels::Activation activation);

}  // namespace nncore::network
