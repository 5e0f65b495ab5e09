#include "penalties.h"

#include <algorithm>

namespace nncore::network {
namespace {

constexpr std::ptrdiff_t kChunk = 4096;  // floats

}  // namespace

Penalties::Penalties(const std::vector<Parameter>& parameters) {
    for (const Parameter& p : parameters) {
        if (!p.penalty.any() || !p.trainable) continue;
        for (std::ptrdiff_t at = 0; at < p.size(); at += kChunk)
            chunks_.push_back({p.offset + at, std::min(kChunk, p.size() - at), p.penalty});
    }
}

void Penalties::compute(const kernels::Kernels& kernels, const runtime::Team& team,
                        const float* weights, double* parts) const {
    team.for_each(static_cast<std::ptrdiff_t>(chunks_.size()), [&](std::ptrdiff_t i, int) {
        const Chunk& chunk = chunks_[static_cast<std::size_t>(i)];
        const float* const w = weights + chunk.offset;
        double sum = 0.0;
        if (chunk.penalty.l1 > 0.0)
            sum +=
                chunk.penalty.l1 * static_cast<double>(kernels.sum_of_magnitudes(chunk.floats, w));
        if (chunk.penalty.l2 > 0.0)
            sum += chunk.penalty.l2 * static_cast<double>(kernels.sum_of_squares(chunk.floats, w));
        parts[i] = sum;
    });
}

// Padding is zeros, and the gradient of a zero is 0: it stays.
void Penalties::add_gradient(const kernels::Kernels& kernels, const runtime::Team& team,
                             const float* weights, float* gradients) const {
    team.for_each(static_cast<std::ptrdiff_t>(chunks_.size()), [&](std::ptrdiff_t i, int) {
        const Chunk& chunk = chunks_[static_cast<std::size_t>(i)];
        kernels.penalty_gradient(chunk.floats, static_cast<float>(chunk.penalty.l1),
                                 static_cast<float>(2.0 * chunk.penalty.l2), weights + chunk.offset,
                                 gradients + chunk.offset);
    });
}

}  // namespace nncore::network
