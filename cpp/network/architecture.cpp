#include "architecture.h"

#include <algorithm>

namespace nncore::network {

std::vector<std::string> Architecture::describe_stages() const {
    std::vector<std::string> lines;
    for (const auto& stage : stages) lines.push_back(stage->describe());
    return lines;
}

double Architecture::multiply_adds(std::size_t first) const {
    double sum = 0;
    for (std::size_t i = first; i < stages.size(); ++i) sum += stages[i]->multiply_adds();
    return sum;
}

std::ptrdiff_t Architecture::widest_row() const {
    std::ptrdiff_t widest = output_size();
    for (const auto& stage : stages)
        if (stage->output_shape.size() == 1) widest = std::max(widest, stage->output_shape[0]);
    return widest;
}

}  // namespace nncore::network
