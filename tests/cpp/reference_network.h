// A network in double arithmetic, as plain as it can be: the oracle of the network tests. Its own
// gradients are checked against finite differences in test_gradients.cpp.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "network/builder.h"
#include "network/join_stages.h"
#include "network/network.h"

// One layer of a network under test. Plain: dense with its activation, an activation alone
// (units 0), or dropout (units 0, activation "dropout"). The others are made by the functions
// below.
struct LayerSpec {
    enum class Kind {
        plain,
        conv,
        max_pool,
        average_pool,
        global_average_pool,
        flatten,
        rescaling,
        batch_norm,
        layer_norm,
        // Not layers, but the marks of a block.
        begin,
        shortcut,
        end
    };

    std::ptrdiff_t units = 0;  // or filters
    std::string activation = "linear";
    bool bias = true;
    float rate = 0.0f;
    Kind kind = Kind::plain;
    nncore::network::Extent kernel{1, 1}, strides{1, 1};  // or window
    std::string padding = "valid";
    nncore::network::Extent pad{0, 0};
    nncore::network::Penalty penalty{};
    std::vector<float> scale{}, offset{};  // of rescaling
    nncore::network::Extent dilation{1, 1};
    std::ptrdiff_t groups = 1;
    float momentum = 0.0f, epsilon = 0.0f;                    // of normalizations
    nncore::network::Join join = nncore::network::Join::sum;  // of a block, at its begin
};

LayerSpec conv(std::ptrdiff_t filters, nncore::network::Extent kernel,
               const std::string& activation, const std::string& padding = "valid",
               nncore::network::Extent strides = {1, 1}, nncore::network::Extent pad = {0, 0},
               bool bias = true);
// The same convolution with a dilated kernel, in groups.
LayerSpec spaced(LayerSpec conv, nncore::network::Extent dilation, std::ptrdiff_t groups = 1);
LayerSpec max_pool(nncore::network::Extent window, nncore::network::Extent strides);
LayerSpec average_pool(nncore::network::Extent window, nncore::network::Extent strides);
LayerSpec global_average_pool();
LayerSpec flatten();
LayerSpec rescaling(const std::vector<float>& scale, const std::vector<float>& offset);
LayerSpec batch_norm(float momentum = 0.9f, float epsilon = 1e-3f);
LayerSpec layer_norm(float epsilon = 1e-3f);
// A block: begin(), the first branch, shortcut() before each other one, end(activation). Without a
// shortcut, that is the block's input.
LayerSpec begin(nncore::network::Join join = nncore::network::Join::sum);
LayerSpec shortcut();
LayerSpec end(const std::string& activation = "linear");

struct NetworkSpec {
    std::ptrdiff_t inputs;  // pixels of an image, all channels
    std::vector<LayerSpec> layers;
    nncore::network::Shape image{};  // (height, width, channels), or empty: flat samples

    std::ptrdiff_t outputs() const;
    std::string describe() const;  // "100-84 relu-10 softmax"
    // The network of nncore, its weights from the seed, all vectors random instead of 0 or 1.
    std::unique_ptr<nncore::network::Network> build(std::uint64_t seed) const;
    // What looks at one of its layers.
    std::unique_ptr<nncore::network::Probe> build_probe(const std::string& layer) const;

 private:
    void add_to(nncore::network::Builder& builder) const;
};

// A network over images; the number of inputs follows from the shape.
NetworkSpec image_network(const nncore::network::Shape& image,
                          const std::vector<LayerSpec>& layers);

std::string layer_name(std::size_t index);

// The layer of this name, which must be there.
const nncore::network::Layer& layer_named(const nncore::network::Network& network,
                                          const std::string& name);

class ReferenceNetwork {
 public:
    using Doubles = std::vector<double>;

    // Takes over the weights of `network`, which was built from the same description.
    ReferenceNetwork(const NetworkSpec& spec, const nncore::network::Network& network);

    // rows x inputs and rows x outputs, row-major. Keeps the output of each layer.
    void forward(const Doubles& x) { run(x, true); }
    // The same with moving instead of the batch's statistics.
    void infer(const Doubles& x) { run(x, false); }
    // The moving averages after a step with the batch of the last forward.
    void move_averages();
    // The loss of the last forward: nncore's definition (docs/design.md).
    double loss(nncore::network::Loss kind, const Doubles& targets) const;
    // How far the last forward stayed from a kink: the smallest distance of a relu's input from 0
    // and of the winner of a max pool from the runner-up. Nearer than float arithmetic can tell,
    // the gradients of nncore may rightly differ.
    double margin() const;
    // What the penalties of the kernels add to it.
    double penalty() const;
    // Gradients of that loss by every parameter.
    void backward(nncore::network::Loss kind, const Doubles& targets);

    struct Layer {
        LayerSpec spec;
        std::string name;  // in nncore's network; a block's end is the block, its marks have none
        std::size_t source = kImages;     // the layer whose output is the input
        std::vector<std::size_t> ends{};  // those that the end of a block joins
        std::size_t inputs, outputs;      // of one sample
        nncore::network::Shape in, out;
        bool has_kernel, has_bias;
        // Of normalizations, "kernel" is gamma and "bias" is beta.
        std::string kernel_name = "/kernel", bias_name = "/bias";
        Doubles kernel, bias, kernel_gradient, bias_gradient;
        Doubles mean, variance;  // of a batch normalization: the last batch's, and moving
        Doubles moving_mean, moving_variance;
        Doubles mask;          // of dropout, rows x outputs; empty: nothing is dropped
        Doubles sums, output;  // before and after the activation
    };
    static constexpr std::size_t kImages = ~std::size_t{0};
    std::vector<Layer> layers;

 private:
    void run(const Doubles& x, bool training);
    // Calls body(branch, its value, joined value) for all pairs of one sample that belong together,
    // by their places.
    template <class Body>
    void for_joined(const Layer& end, Body body) const;
    const Doubles& input_of(const Layer& layer) const {
        return layer.source == kImages ? input_ : layers[layer.source].output;
    }
    // All rows at once, for the batch stands between them.
    void forward_batch_norm(Layer& layer, const Doubles& x, bool training) const;
    void backward_batch_norm(Layer& layer, const Doubles& x, const Doubles& d, Doubles& dx) const;
    // Sums of one sample, from its inputs, and the gradient of its inputs from that of its sums.
    static void forward_sample(const Layer& layer, const double* x, double* sums);
    static void backward_sample(Layer& layer, const double* x, const double* d, double* dx);

    // The logits of cross_entropy: what the last softmax gets, or the outputs if there is none.
    const Doubles& logits() const;

    std::size_t rows_ = 0;
    Doubles input_;
};
