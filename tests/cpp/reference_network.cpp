#include "reference_network.h"

#include <algorithm>
#include <cmath>
#include <sstream>

#include "random.h"

using nncore::network::Loss;
using nncore::network::Network;

std::ptrdiff_t NetworkSpec::outputs() const {
    std::ptrdiff_t size = inputs;
    for (const LayerSpec& layer : layers)
        if (layer.units > 0) size = layer.units;
    return size;
}

std::string NetworkSpec::describe() const {
    std::ostringstream text;
    text << inputs;
    for (const LayerSpec& layer : layers) {
        text << "-";
        if (layer.units > 0) text << layer.units << " ";
        text << layer.activation;
        if (layer.units > 0 && !layer.bias) text << " without bias";
    }
    return text.str();
}

std::string layer_name(std::size_t index) { return "layer" + std::to_string(index); }

std::unique_ptr<Network> NetworkSpec::build(std::uint64_t seed) const {
    auto network = std::make_unique<Network>(nncore::network::Shape{inputs});
    for (std::size_t i = 0; i < layers.size(); ++i) {
        if (layers[i].units > 0) {
            network->add_dense(layer_name(i), layers[i].units, layers[i].activation,
                               layers[i].bias);
        } else if (layers[i].activation == "dropout") {
            network->add_dropout(layer_name(i), layers[i].rate);
        } else {
            network->add_activation(layer_name(i), layers[i].activation);
        }
    }
    network->build(seed);
    Random random(seed);
    for (const auto& parameter : network->parameters()) {
        if (parameter.shape.size() != 1) continue;
        std::vector<float> bias(static_cast<std::size_t>(parameter.shape[0]));
        for (float& value : bias) value = random.uniform(-0.3f, 0.3f);
        network->write_parameter(parameter, bias.data());
    }
    return network;
}

ReferenceNetwork::ReferenceNetwork(const NetworkSpec& spec, const Network& network) {
    auto size = static_cast<std::size_t>(spec.inputs);
    const auto take = [&](const std::string& name, std::size_t count) {
        std::vector<float> values(count);
        network.read_parameter(network.parameter(name), values.data());
        return Doubles(values.begin(), values.end());
    };
    for (std::size_t i = 0; i < spec.layers.size(); ++i) {
        const LayerSpec& from = spec.layers[i];
        Layer layer{};
        layer.dense = from.units > 0;
        layer.inputs = size;
        layer.outputs = layer.dense ? static_cast<std::size_t>(from.units) : size;
        layer.bias_used = layer.dense && from.bias;
        layer.activation = from.activation;
        if (layer.dense)
            layer.kernel = take(layer_name(i) + "/kernel", layer.inputs * layer.outputs);
        if (layer.bias_used) layer.bias = take(layer_name(i) + "/bias", layer.outputs);
        size = layer.outputs;
        layers.push_back(std::move(layer));
    }
}

void ReferenceNetwork::forward(const Doubles& x) {
    input_ = x;
    rows_ = x.size() / layers.front().inputs;
    const Doubles* in = &input_;
    for (Layer& layer : layers) {
        const std::size_t I = layer.inputs, O = layer.outputs;
        layer.sums = *in;
        if (layer.dense) {
            layer.sums.assign(rows_ * O, 0.0);
            for (std::size_t r = 0; r < rows_; ++r) {
                double* y = &layer.sums[r * O];
                if (layer.bias_used) std::copy(layer.bias.begin(), layer.bias.end(), y);
                for (std::size_t i = 0; i < I; ++i)
                    for (std::size_t o = 0; o < O; ++o)
                        y[o] += (*in)[r * I + i] * layer.kernel[i * O + o];
            }
        }
        layer.output = layer.sums;
        for (std::size_t r = 0; r < rows_; ++r) {
            double* y = &layer.output[r * O];
            if (layer.activation == "softmax") {
                const double largest = *std::max_element(y, y + O);
                double sum = 0;
                for (std::size_t o = 0; o < O; ++o) sum += y[o] = std::exp(y[o] - largest);
                for (std::size_t o = 0; o < O; ++o) y[o] /= sum;
                continue;
            }
            for (std::size_t o = 0; o < O; ++o) {
                if (layer.activation == "relu") y[o] = std::max(0.0, y[o]);
                if (layer.activation == "sigmoid") y[o] = 1 / (1 + std::exp(-y[o]));
                if (layer.activation == "tanh") y[o] = std::tanh(y[o]);
            }
        }
        for (std::size_t i = 0; i < layer.mask.size(); ++i) layer.output[i] *= layer.mask[i];
        in = &layer.output;
    }
}

const ReferenceNetwork::Doubles& ReferenceNetwork::logits() const {
    const Layer& last = layers.back();
    return last.activation == "softmax" ? last.sums : last.output;
}

double ReferenceNetwork::loss(Loss kind, const Doubles& targets) const {
    const std::size_t O = layers.back().outputs;
    double sum = 0;
    for (std::size_t r = 0; r < rows_; ++r) {
        if (kind == Loss::cross_entropy) {
            const double* z = &logits()[r * O];
            const double largest = *std::max_element(z, z + O);
            double total = 0;
            for (std::size_t o = 0; o < O; ++o) total += std::exp(z[o] - largest);
            for (std::size_t o = 0; o < O; ++o)
                sum += targets[r * O + o] * (std::log(total) - (z[o] - largest));
        } else {
            for (std::size_t o = 0; o < O; ++o) {
                const double difference = layers.back().output[r * O + o] - targets[r * O + o];
                sum += difference * difference;
            }
        }
    }
    return kind == Loss::sse ? sum : sum / static_cast<double>(rows_);
}

void ReferenceNetwork::backward(Loss kind, const Doubles& targets) {
    const std::size_t classes = layers.back().outputs;
    const double scale = kind == Loss::sse ? 1.0 : 1.0 / static_cast<double>(rows_);
    Doubles delta(rows_ * classes);
    for (std::size_t r = 0; r < rows_; ++r) {
        if (kind == Loss::cross_entropy) {
            const double* z = &logits()[r * classes];
            const double* t = &targets[r * classes];
            const double largest = *std::max_element(z, z + classes);
            double total = 0, weight = 0;
            for (std::size_t o = 0; o < classes; ++o) {
                total += std::exp(z[o] - largest);
                weight += t[o];
            }
            for (std::size_t o = 0; o < classes; ++o)
                delta[r * classes + o] = scale * (std::exp(z[o] - largest) / total * weight - t[o]);
        } else {
            for (std::size_t o = 0; o < classes; ++o)
                delta[r * classes + o] =
                    2 * scale * (layers.back().output[r * classes + o] - targets[r * classes + o]);
        }
    }
    for (std::size_t l = layers.size(); l-- > 0;) {
        Layer& layer = layers[l];
        const std::size_t I = layer.inputs, O = layer.outputs;
        const bool taken = l + 1 == layers.size() && kind == Loss::cross_entropy &&
                           layer.activation == "softmax";  // delta is by the logits already
        for (std::size_t i = 0; i < layer.mask.size(); ++i) delta[i] *= layer.mask[i];
        for (std::size_t r = 0; r < rows_ && !taken; ++r) {
            const double* y = &layer.output[r * O];
            double* d = &delta[r * O];
            double dot = 0;
            for (std::size_t o = 0; o < O; ++o) dot += y[o] * d[o];
            for (std::size_t o = 0; o < O; ++o) {
                if (layer.activation == "relu") d[o] *= layer.sums[r * O + o] > 0 ? 1 : 0;
                if (layer.activation == "sigmoid") d[o] *= y[o] * (1 - y[o]);
                if (layer.activation == "tanh") d[o] *= 1 - y[o] * y[o];
                if (layer.activation == "softmax") d[o] = y[o] * (d[o] - dot);
            }
        }
        if (!layer.dense) continue;
        const Doubles& in = l == 0 ? input_ : layers[l - 1].output;
        layer.kernel_gradient.assign(I * O, 0.0);
        layer.bias_gradient.assign(O, 0.0);
        Doubles before(rows_ * I, 0.0);
        for (std::size_t r = 0; r < rows_; ++r) {
            const double* d = &delta[r * O];
            for (std::size_t o = 0; o < O; ++o) layer.bias_gradient[o] += d[o];
            for (std::size_t i = 0; i < I; ++i) {
                const double x = in[r * I + i];
                double sum = 0;
                for (std::size_t o = 0; o < O; ++o) {
                    layer.kernel_gradient[i * O + o] += x * d[o];
                    sum += d[o] * layer.kernel[i * O + o];
                }
                before[r * I + i] = sum;
            }
        }
        delta = std::move(before);
    }
}
