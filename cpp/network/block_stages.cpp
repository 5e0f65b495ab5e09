#include "block_stages.h"

#include <algorithm>

namespace nncore::network {

using kernels::Activation;

void BlockStage::backward_data(const BackwardPass& all) const {
    if (!needs_input_gradient) return;
    const auto& deltas = all.workspace.deltas;
    const std::ptrdiff_t count = element_count(input_shape);
    for_each(all, all.rows, [&](const BackwardPass& pass, std::ptrdiff_t r) {
        float* const sum = input_delta(pass).row(r);
        pass.kernels.add(Activation::linear, count, deltas[gradients[0]].row(r),
                         deltas[gradients[1]].row(r), sum);
        for (std::size_t i = 2; i < gradients.size(); ++i)
            pass.kernels.add(Activation::linear, count, sum, deltas[gradients[i]].row(r), sum);
        multiply_by_input_derivative(pass, r);
    });
}

void BranchStage::forward(const Pass& pass) const {
    const Rows& from = pass.workspace.activations[block_input_];
    const Rows& to = output(pass);
    if (!copies || from.data == to.data) return;
    for_bands(pass, to.layout.height,
              [&](const Pass&, std::ptrdiff_t r, std::ptrdiff_t first, std::ptrdiff_t last) {
                  for (std::ptrdiff_t y = first; y < last; ++y)
                      std::copy_n(from.line(r, y), to.layout.run, to.line(r, y));
              });
}

}  // namespace nncore::network
