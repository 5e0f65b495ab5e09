// The activations by name, in one table: what a new one needs here is one more line.
#pragma once

#include <string>

#include "../kernels/kernels.h"
#include "kernel_settings.h"

namespace nncore::network {

struct ActivationKind {
    enum class Way {
        fused,       // told from its output alone, so that the stage before takes it in
        self_gated,  // a stage of its own, which keeps the input for backward
        softmax      // a stage of its own over a whole row, or part of the loss
    };

    const char* name;
    Way way;
    // Of what most kernels see behind it: about half of the values, so that He's start suits them.
    bool keeps_half;
    kernels::Activation fused = kernels::Activation::linear;  // of a fused one; else linear
    kernels::SelfGated self_gated{};                          // of a self-gated one

    bool is_linear() const { return way == Way::fused && fused == kernels::Activation::linear; }
    Initializer default_initializer() const {
        return keeps_half ? Initializer::he_uniform : Initializer::glorot_uniform;
    }
};

// Throws std::invalid_argument that lists the known names.
const ActivationKind& activation_from_name(const std::string& name);
// The same, but only those that a stage can take in are known.
kernels::Activation fused_activation_from_name(const std::string& name);
const char* name_of(kernels::Activation activation);
const char* name_of(kernels::SelfGated kind);

}  // namespace nncore::network
