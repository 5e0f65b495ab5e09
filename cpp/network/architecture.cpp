#include "architecture.h"

namespace nncore::network {

std::vector<std::string> Architecture::describe_stages() const {
    std::vector<std::string> lines;
    for (const auto& stage : stages) lines.push_back(stage->describe());
    return lines;
}

double Architecture::multiply_adds() const {
    double sum = 0;
    for (const auto& stage : stages) sum += stage->multiply_adds();
    return sum;
}

}  // namespace nncore::network
