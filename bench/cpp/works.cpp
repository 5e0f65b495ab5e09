#include "works.h"

#include <map>

namespace nncore::bench {
namespace {

using network::Builder;

void add_conv(Builder& network, std::ptrdiff_t filters, std::ptrdiff_t size,
              const std::string& padding = "valid") {
    network::Conv2D layer;
    layer.filters = filters;
    layer.kernel = {size, size};
    layer.padding = padding;
    layer.activation = "relu";
    network.add_conv2d("conv" + std::to_string(network.layers().size()), layer);
}

void add_pool(Builder& network) {
    network.add_max_pool2d("pool" + std::to_string(network.layers().size()), {2, 2}, {2, 2});
}

void add_dense(Builder& network, std::ptrdiff_t units) {
    network.add_dense("dense" + std::to_string(network.layers().size()), units, "relu", true);
}

void add_logits(Builder& network) { network.add_dense("logits", 10, "linear", true); }

struct Description {
    network::Shape input;
    std::ptrdiff_t batch;
    void (*add_layers)(Builder&);
};

const std::map<std::string, Description>& descriptions() {
    static const std::map<std::string, Description> all = {
        {"digits", {{64}, 32, [](Builder& n) { add_dense(n, 32); }}},
        {"mlp128", {{784}, 32, [](Builder& n) { add_dense(n, 128); }}},
        {"mlp512",
         {{784},
          64,
          [](Builder& n) {
              add_dense(n, 512);
              add_dense(n, 512);
          }}},
        {"lenet",
         {{28, 28, 1},
          32,
          [](Builder& n) {
              add_conv(n, 6, 5, "same");
              add_pool(n);
              add_conv(n, 16, 5);
              add_pool(n);
              n.add_flatten("flatten");
              add_dense(n, 120);
              add_dense(n, 84);
          }}},
        {"cnn28",
         {{28, 28, 1},
          128,
          [](Builder& n) {
              add_conv(n, 32, 3);
              add_pool(n);
              add_conv(n, 64, 3);
              add_pool(n);
              n.add_flatten("flatten");
          }}},
        {"cifar",
         {{32, 32, 3},
          32,
          [](Builder& n) {
              add_conv(n, 32, 3);
              add_pool(n);
              add_conv(n, 64, 3);
              add_pool(n);
              add_conv(n, 64, 3);
              n.add_flatten("flatten");
              add_dense(n, 64);
          }}},
        {"photo64",
         {{64, 64, 3},
          32,
          [](Builder& n) {
              add_conv(n, 32, 3, "same");
              add_conv(n, 32, 3, "same");
              add_pool(n);
              add_conv(n, 64, 3, "same");
              add_conv(n, 64, 3, "same");
              add_pool(n);
              add_conv(n, 128, 3, "same");
              add_pool(n);
              n.add_flatten("flatten");
          }}},
    };
    return all;
}

}  // namespace

std::vector<std::string> work_names() {
    return {"digits", "mlp128", "mlp512", "lenet", "cnn28", "cifar", "photo64"};
}

Work make_work(const std::string& name) {
    const Description& description = descriptions().at(name);
    Builder builder(description.input);
    description.add_layers(builder);
    add_logits(builder);
    return {name, description.batch, builder.build(0)};
}

double step_flops(const Work& work) {
    double flops = 0, per_multiply_add = 4;  // nobody asks for the first input gradient
    for (const auto& layer : work.network->layers())
        for (const auto& parameter : work.network->parameters()) {
            if (parameter.name != layer.name + "/kernel") continue;
            const network::Shape& shape = layer.output_shape;
            const std::ptrdiff_t places = shape.size() == 3 ? shape[0] * shape[1] : 1;
            flops += per_multiply_add *
                     static_cast<double>(places * network::element_count(parameter.shape));
            per_multiply_add = 6;
        }
    return flops * static_cast<double>(work.batch);
}

}  // namespace nncore::bench
