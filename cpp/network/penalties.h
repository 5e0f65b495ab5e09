// The penalties of a network's kernels: their sum, which joins the loss, and its gradient.
#pragma once

#include <vector>

#include "../kernels/kernels.h"
#include "../runtime/parallel.h"
#include "parameter.h"

namespace nncore::network {

class Penalties {
 public:
    Penalties() = default;
    explicit Penalties(const std::vector<Parameter>& parameters);

    bool any() const { return !chunks_.empty(); }
    // How many numbers the sum consists of; its shape is fixed.
    std::size_t size() const { return chunks_.size(); }
    // This thread's share of those numbers.
    void compute(const kernels::Kernels& kernels, const runtime::Team& team, const float* weights,
                 double* parts) const;
    // Adds this thread's share of the gradient.
    void add_gradient(const kernels::Kernels& kernels, const runtime::Team& team,
                      const float* weights, float* gradients) const;

 private:
    struct Chunk {
        std::ptrdiff_t offset, floats;
        Penalty penalty;
    };
    std::vector<Chunk> chunks_;
};

}  // namespace nncore::network
