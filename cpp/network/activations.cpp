#include "activations.h"

#include <stdexcept>

namespace nncore::network {
namespace {

using kernels::Activation;
using kernels::SelfGated;
using Way = ActivationKind::Way;

constexpr ActivationKind kActivations[] = {
    {"linear", Way::fused, false, Activation::linear},
    {"relu", Way::fused, true, Activation::relu},
    {"relu6", Way::fused, true, Activation::relu6},
    {"leaky_relu", Way::fused, true, Activation::leaky_relu},
    {"gelu", Way::self_gated, true, Activation::linear, SelfGated::gelu},
    {"silu", Way::self_gated, true, Activation::linear, SelfGated::silu},
    {"hard_swish", Way::self_gated, true, Activation::linear, SelfGated::hard_swish},
    {"hard_sigmoid", Way::fused, false, Activation::hard_sigmoid},
    {"sigmoid", Way::fused, false, Activation::sigmoid},
    {"tanh", Way::fused, false, Activation::tanh},
    {"softmax", Way::softmax, false}};

// The names of the kinds that `counts` says yes to.
template <class Counts>
std::string names_of(const Counts& counts) {
    std::string names;
    for (const ActivationKind& kind : kActivations)
        if (counts(kind)) names += (names.empty() ? "" : ", ") + std::string(kind.name);
    return names;
}

}  // namespace

const ActivationKind& activation_from_name(const std::string& name) {
    for (const ActivationKind& kind : kActivations)
        if (name == kind.name) return kind;
    throw std::invalid_argument("unknown activation \"" + name + "\"; known: " +
                                names_of([](const ActivationKind&) { return true; }));
}

Activation fused_activation_from_name(const std::string& name) {
    const ActivationKind& kind = activation_from_name(name);
    if (kind.way != Way::fused)
        throw std::invalid_argument(
            "activation \"" + name +
            "\" must be a layer of its own, behind; what may stand here is " +
            names_of([](const ActivationKind& one) { return one.way == Way::fused; }));
    return kind.fused;
}

const char* name_of(Activation activation) {
    for (const ActivationKind& kind : kActivations)
        if (kind.way == Way::fused && kind.fused == activation) return kind.name;
    return "linear";
}

const char* name_of(SelfGated self_gated) {
    for (const ActivationKind& kind : kActivations)
        if (kind.way == Way::self_gated && kind.self_gated == self_gated) return kind.name;
    return "?";
}

}  // namespace nncore::network
