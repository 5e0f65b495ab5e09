// A network in double arithmetic, as plain as it can be: the oracle of the network tests. Its own
// gradients are checked against finite differences in test_gradients.cpp.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "network/network.h"

// One layer of a network under test: dense with its activation, an activation alone (units 0), or
// dropout (units 0, activation "dropout").
struct LayerSpec {
    std::ptrdiff_t units;
    std::string activation;
    bool bias = true;
    float rate = 0.0f;
};

struct NetworkSpec {
    std::ptrdiff_t inputs;
    std::vector<LayerSpec> layers;

    std::ptrdiff_t outputs() const;
    std::string describe() const;  // "100-84 relu-10 softmax"
    // The network of nncore, its weights from the seed, biases random instead of zero.
    std::unique_ptr<nncore::network::Network> build(std::uint64_t seed) const;
};

std::string layer_name(std::size_t index);

class ReferenceNetwork {
 public:
    using Doubles = std::vector<double>;

    // Takes over the weights of `network`, which was built from the same description.
    ReferenceNetwork(const NetworkSpec& spec, const nncore::network::Network& network);

    // rows x inputs and rows x outputs, row-major. Keeps the output of each layer.
    void forward(const Doubles& x);
    // The loss of the last forward: nncore's definition (DESIGN.md, "Numerics").
    double loss(nncore::network::Loss kind, const Doubles& targets) const;
    // Gradients of that loss by every parameter.
    void backward(nncore::network::Loss kind, const Doubles& targets);

    struct Layer {
        std::size_t inputs, outputs;
        bool dense, bias_used;
        std::string activation;
        Doubles kernel, bias, kernel_gradient, bias_gradient;
        Doubles mask;          // of dropout, rows x outputs; empty: nothing is dropped
        Doubles sums, output;  // before and after the activation
    };
    std::vector<Layer> layers;

 private:
    // The logits of cross_entropy: what the last softmax gets, or the outputs if there is none.
    const Doubles& logits() const;

    std::size_t rows_ = 0;
    Doubles input_;
};
