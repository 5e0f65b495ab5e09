#include "residual_stages.h"

#include <algorithm>

#include "activations.h"

namespace nncore::network {
namespace {

using kernels::Activation;

void copy_delta(const Rows& from, const Rows& to, std::ptrdiff_t row) {
    std::copy_n(from.row(row), from.layout.height * from.layout.run, to.row(row));
}

}  // namespace

BranchStage::BranchStage(const Shape& shape) { input_shape = output_shape = shape; }

void BranchStage::backward_data(const BackwardPass& pass) const {
    if (!needs_input_gradient) return;
    const Rows& by_branch = output_delta(pass);
    const Rows& by_shortcut = pass.workspace.deltas[shortcut_delta];
    const auto share = pass.member.share(pass.rows);
    for (std::ptrdiff_t r = share.first; r < share.last; ++r) {
        pass.kernels.add(Activation::linear, element_count(input_shape), by_branch.row(r),
                         by_shortcut.row(r), input_delta(pass).row(r));
        multiply_by_input_derivative(pass, r);
    }
}

ShortcutStage::ShortcutStage(const Shape& shape, std::size_t block_input,
                             const Shape& branch_output)
    : block_input_(block_input) {
    input_shape = branch_output;
    output_shape = shape;
}

void ShortcutStage::forward(const Pass& pass) const {
    const Rows& from = pass.workspace.activations[block_input_];
    const Rows& to = output(pass);
    if (from.data == to.data) return;
    const auto share = pass.member.share(pass.rows);
    for (std::ptrdiff_t r = share.first; r < share.last; ++r)
        for (std::ptrdiff_t y = 0; y < to.layout.height; ++y)
            std::copy_n(from.line(r, y), to.layout.run, to.line(r, y));
}

void ShortcutStage::backward_data(const BackwardPass& pass) const {
    const auto share = pass.member.share(pass.rows);
    for (std::ptrdiff_t r = share.first; r < share.last; ++r) {
        copy_delta(pass.workspace.deltas[sum_delta], input_delta(pass), r);
        multiply_by_input_derivative(pass, r);
    }
}

SumStage::SumStage(const Shape& shape, std::size_t other, Activation activation) : other_(other) {
    input_shape = output_shape = shape;
    output_activation = activation;
}

std::string SumStage::describe() const {
    std::string text = "} sum";
    if (output_activation != Activation::linear)
        text += std::string(" + ") + name_of(output_activation);
    return text;
}

void SumStage::forward(const Pass& pass) const {
    const Rows& a = input(pass);
    const Rows& b = pass.workspace.activations[other_];
    const Rows& y = output(pass);
    const auto share = pass.member.share(pass.rows);
    for (std::ptrdiff_t r = share.first; r < share.last; ++r)
        for (std::ptrdiff_t l = 0; l < y.layout.height; ++l)
            pass.kernels.add(output_activation, y.layout.run, a.line(r, l), b.line(r, l),
                             y.line(r, l));
}

void SumStage::backward_data(const BackwardPass& pass) const {
    const auto share = pass.member.share(pass.rows);
    for (std::ptrdiff_t r = share.first; r < share.last; ++r) {
        copy_delta(output_delta(pass), input_delta(pass), r);
        multiply_by_input_derivative(pass, r);
    }
}

}  // namespace nncore::network
