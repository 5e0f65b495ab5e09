#include "reference_network.h"

#include <algorithm>
#include <cmath>
#include <sstream>

#include "random.h"

using nncore::network::Loss;
using nncore::network::Network;

using nncore::network::Extent;
using nncore::network::Shape;
using Kind = LayerSpec::Kind;

LayerSpec conv(std::ptrdiff_t filters, Extent kernel, const std::string& activation,
               const std::string& padding, Extent strides, Extent pad, bool bias) {
    LayerSpec layer{filters, activation, bias};
    layer.kind = Kind::conv;
    layer.kernel = kernel;
    layer.strides = strides;
    layer.padding = padding;
    layer.pad = pad;
    return layer;
}

LayerSpec spaced(LayerSpec conv, Extent dilation, std::ptrdiff_t groups) {
    conv.dilation = dilation;
    conv.groups = groups;
    return conv;
}

namespace {

// The float that nncore multiplies by.
constexpr double kLeakySlope = static_cast<double>(0.2f);

double normal_distribution(double x) { return std::erfc(-x * std::sqrt(0.5)) / 2; }
double normal_density(double x) {
    return std::exp(-x * x / 2) / std::sqrt(2 * 3.14159265358979323846);
}

double channel_value(const std::vector<float>& values, std::size_t i) {
    return static_cast<double>(values[i % values.size()]);
}

LayerSpec pool(Kind kind, Extent window, Extent strides) {
    LayerSpec layer;
    layer.kind = kind;
    layer.kernel = window;
    layer.strides = strides;
    return layer;
}

// Pixels of padding above (or left of) an image of `size` pixels, and how many outputs there are.
struct Axis {
    std::ptrdiff_t before, outputs;
};

Axis axis(const LayerSpec& layer, std::ptrdiff_t size, std::ptrdiff_t weights,
          std::ptrdiff_t dilation, std::ptrdiff_t stride, std::ptrdiff_t pad) {
    const std::ptrdiff_t kernel = (weights - 1) * dilation + 1;
    if (layer.padding == "same") {
        const std::ptrdiff_t outputs = (size + stride - 1) / stride;
        return {std::max<std::ptrdiff_t>(0, (outputs - 1) * stride + kernel - size) / 2, outputs};
    }
    const std::ptrdiff_t both = layer.padding == "explicit" ? 2 * pad : 0;
    return {both / 2, (size + both - kernel) / stride + 1};
}

Axis row_axis(const LayerSpec& layer, const Shape& in) {
    return axis(layer, in[0], layer.kernel.rows, layer.dilation.rows, layer.strides.rows,
                layer.pad.rows);
}
Axis column_axis(const LayerSpec& layer, const Shape& in) {
    return axis(layer, in[1], layer.kernel.columns, layer.dilation.columns, layer.strides.columns,
                layer.pad.columns);
}

// Calls body(input index, kernel position, output index) for every pair of pixels that a sliding
// window connects; padding is left out.
template <class Body>
void for_pairs(const LayerSpec& layer, const Shape& in, const Shape& out, Body body) {
    const std::ptrdiff_t top = row_axis(layer, in).before, left = column_axis(layer, in).before;
    for (std::ptrdiff_t row = 0; row < out[0]; ++row)
        for (std::ptrdiff_t column = 0; column < out[1]; ++column)
            for (std::ptrdiff_t k = 0; k < layer.kernel.rows; ++k)
                for (std::ptrdiff_t l = 0; l < layer.kernel.columns; ++l) {
                    const std::ptrdiff_t y =
                        row * layer.strides.rows + k * layer.dilation.rows - top;
                    const std::ptrdiff_t x =
                        column * layer.strides.columns + l * layer.dilation.columns - left;
                    if (y < 0 || x < 0 || y >= in[0] || x >= in[1]) continue;
                    body(static_cast<std::size_t>(y * in[1] + x),
                         static_cast<std::size_t>(k * layer.kernel.columns + l),
                         static_cast<std::size_t>(row * out[1] + column));
                }
}

// The shape of a layer's output.
Shape output_shape(const LayerSpec& layer, const Shape& in) {
    const auto rows = [&] { return row_axis(layer, in).outputs; };
    const auto columns = [&] { return column_axis(layer, in).outputs; };
    switch (layer.kind) {
        case Kind::conv:
            return {rows(), columns(), layer.units};
        case Kind::max_pool:
        case Kind::average_pool:
            return {rows(), columns(), in[2]};
        case Kind::global_average_pool:
            return {in[2]};
        case Kind::flatten:
            return {nncore::network::element_count(in)};
        case Kind::rescaling:
            return in;
        case Kind::plain:
            break;
    }
    return layer.units > 0 ? Shape{layer.units} : in;
}

Shape input_shape(const NetworkSpec& spec) {
    return spec.image.empty() ? Shape{spec.inputs} : spec.image;
}

}  // namespace

LayerSpec max_pool(Extent window, Extent strides) { return pool(Kind::max_pool, window, strides); }
LayerSpec average_pool(Extent window, Extent strides) {
    return pool(Kind::average_pool, window, strides);
}
LayerSpec global_average_pool() { return pool(Kind::global_average_pool, {1, 1}, {1, 1}); }
LayerSpec flatten() { return pool(Kind::flatten, {1, 1}, {1, 1}); }
LayerSpec rescaling(const std::vector<float>& scale, const std::vector<float>& offset) {
    LayerSpec layer = pool(Kind::rescaling, {1, 1}, {1, 1});
    layer.scale = scale;
    layer.offset = offset;
    return layer;
}

NetworkSpec image_network(const Shape& image, const std::vector<LayerSpec>& layers) {
    return {nncore::network::element_count(image), layers, image};
}

std::ptrdiff_t NetworkSpec::outputs() const {
    Shape shape = input_shape(*this);
    for (const LayerSpec& layer : layers) shape = output_shape(layer, shape);
    return nncore::network::element_count(shape);
}

std::string NetworkSpec::describe() const {
    std::ostringstream text;
    const auto pair = [&](Extent extent) { text << extent.rows << "x" << extent.columns; };
    text << nncore::network::to_string(input_shape(*this));
    for (const LayerSpec& layer : layers) {
        text << "-";
        switch (layer.kind) {
            case Kind::conv:
                text << "conv ";
                pair(layer.kernel);
                text << " " << layer.padding << " stride ";
                pair(layer.strides);
                text << " dilation ";
                pair(layer.dilation);
                text << " in " << layer.groups << " groups ";
                break;
            case Kind::max_pool:
            case Kind::average_pool:
                text << (layer.kind == Kind::max_pool ? "max pool " : "average pool ");
                pair(layer.kernel);
                text << " stride ";
                pair(layer.strides);
                continue;
            case Kind::global_average_pool:
                text << "global average pool";
                continue;
            case Kind::flatten:
                text << "flatten";
                continue;
            case Kind::rescaling:
                text << "rescaling";
                continue;
            case Kind::plain:
                break;
        }
        if (layer.units > 0) text << layer.units << " ";
        text << layer.activation;
        if (layer.units > 0 && !layer.bias) text << " without bias";
    }
    return text.str();
}

std::string layer_name(std::size_t index) { return "layer" + std::to_string(index); }

std::unique_ptr<Network> NetworkSpec::build(std::uint64_t seed) const {
    auto network = std::make_unique<Network>(input_shape(*this));
    for (std::size_t i = 0; i < layers.size(); ++i) {
        const LayerSpec& layer = layers[i];
        const std::string name = layer_name(i);
        switch (layer.kind) {
            case Kind::conv:
                network->add_conv2d(name, {layer.units,
                                           layer.kernel,
                                           layer.strides,
                                           layer.padding,
                                           layer.pad,
                                           layer.activation,
                                           layer.bias,
                                           {.penalty = layer.penalty},
                                           layer.dilation,
                                           layer.groups});
                break;
            case Kind::max_pool:
                network->add_max_pool2d(name, layer.kernel, layer.strides);
                break;
            case Kind::average_pool:
                network->add_average_pool2d(name, layer.kernel, layer.strides);
                break;
            case Kind::global_average_pool:
                network->add_global_average_pool2d(name);
                break;
            case Kind::flatten:
                network->add_flatten(name);
                break;
            case Kind::rescaling:
                network->add_rescaling(name, layer.scale, layer.offset);
                break;
            case Kind::plain:
                if (layer.units > 0) {
                    network->add_dense(name, layer.units, layer.activation, layer.bias,
                                       {.penalty = layer.penalty});
                } else if (layer.activation == "dropout") {
                    network->add_dropout(name, layer.rate);
                } else {
                    network->add_activation(name, layer.activation);
                }
                break;
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
    Shape shape = input_shape(spec);
    const auto take = [&](const std::string& name, std::size_t count) {
        std::vector<float> values(count);
        network.read_parameter(network.parameter(name), values.data());
        return Doubles(values.begin(), values.end());
    };
    for (std::size_t i = 0; i < spec.layers.size(); ++i) {
        Layer layer{};
        layer.spec = spec.layers[i];
        layer.in = shape;
        layer.out = shape = output_shape(layer.spec, shape);
        layer.inputs = static_cast<std::size_t>(nncore::network::element_count(layer.in));
        layer.outputs = static_cast<std::size_t>(nncore::network::element_count(layer.out));
        layer.has_kernel = layer.spec.units > 0;
        layer.has_bias = layer.has_kernel && layer.spec.bias;
        if (layer.spec.kind == Kind::global_average_pool) {
            // A window over the whole image.
            layer.spec.kind = Kind::average_pool;
            layer.spec.kernel = layer.spec.strides = {layer.in[0], layer.in[1]};
            layer.out = {1, 1, layer.in[2]};
        }
        if (layer.has_kernel) {
            std::size_t weights = layer.inputs * layer.outputs;
            if (layer.spec.kind == Kind::conv)
                weights =
                    static_cast<std::size_t>(layer.spec.kernel.rows * layer.spec.kernel.columns *
                                             layer.in[2] / layer.spec.groups * layer.spec.units);
            layer.kernel = take(layer_name(i) + "/kernel", weights);
        }
        if (layer.has_bias)
            layer.bias = take(layer_name(i) + "/bias", static_cast<std::size_t>(layer.spec.units));
        layers.push_back(std::move(layer));
    }
}

void ReferenceNetwork::forward_sample(const Layer& layer, const double* x, double* sums) {
    const std::size_t I = layer.inputs, O = layer.outputs;
    switch (layer.spec.kind) {
        case Kind::plain:
            if (!layer.has_kernel) {
                std::copy(x, x + I, sums);
                return;
            }
            std::fill(sums, sums + O, 0.0);
            if (layer.has_bias) std::copy(layer.bias.begin(), layer.bias.end(), sums);
            for (std::size_t i = 0; i < I; ++i)
                for (std::size_t o = 0; o < O; ++o) sums[o] += x[i] * layer.kernel[i * O + o];
            return;
        case Kind::conv: {
            const auto C = static_cast<std::size_t>(layer.in[2]),
                       F = static_cast<std::size_t>(layer.out[2]);
            const auto G = static_cast<std::size_t>(layer.spec.groups), I_G = C / G;
            for (std::size_t o = 0; o < O; ++o) sums[o] = layer.has_bias ? layer.bias[o % F] : 0.0;
            for_pairs(layer.spec, layer.in, layer.out,
                      [&](std::size_t in, std::size_t tap, std::size_t out) {
                          for (std::size_t c = 0; c < I_G; ++c)
                              for (std::size_t f = 0; f < F; ++f)
                                  sums[out * F + f] += x[in * C + f / (F / G) * I_G + c] *
                                                       layer.kernel[(tap * I_G + c) * F + f];
                      });
            return;
        }
        case Kind::max_pool:
        case Kind::average_pool: {
            const bool max = layer.spec.kind == Kind::max_pool;
            const auto C = static_cast<std::size_t>(layer.in[2]);
            const double share =
                1.0 / static_cast<double>(layer.spec.kernel.rows * layer.spec.kernel.columns);
            std::fill(sums, sums + O, max ? -HUGE_VAL : 0.0);
            for_pairs(layer.spec, layer.in, layer.out,
                      [&](std::size_t in, std::size_t, std::size_t out) {
                          for (std::size_t c = 0; c < C; ++c) {
                              double& y = sums[out * C + c];
                              y = max ? std::max(y, x[in * C + c]) : y + share * x[in * C + c];
                          }
                      });
            return;
        }
        case Kind::flatten:
        case Kind::global_average_pool:
            std::copy(x, x + I, sums);
            return;
        case Kind::rescaling:
            for (std::size_t i = 0; i < I; ++i)
                sums[i] =
                    x[i] * channel_value(layer.spec.scale, i) + channel_value(layer.spec.offset, i);
            return;
    }
}

void ReferenceNetwork::backward_sample(Layer& layer, const double* x, const double* d, double* dx) {
    const std::size_t I = layer.inputs, O = layer.outputs;
    std::fill(dx, dx + I, 0.0);
    switch (layer.spec.kind) {
        case Kind::plain:
            if (!layer.has_kernel) {
                std::copy(d, d + O, dx);
                return;
            }
            for (std::size_t o = 0; o < O; ++o) layer.bias_gradient[o] += d[o];
            for (std::size_t i = 0; i < I; ++i)
                for (std::size_t o = 0; o < O; ++o) {
                    layer.kernel_gradient[i * O + o] += x[i] * d[o];
                    dx[i] += d[o] * layer.kernel[i * O + o];
                }
            return;
        case Kind::conv: {
            const auto C = static_cast<std::size_t>(layer.in[2]),
                       F = static_cast<std::size_t>(layer.out[2]);
            const auto G = static_cast<std::size_t>(layer.spec.groups), I_G = C / G;
            for (std::size_t o = 0; o < O; ++o) layer.bias_gradient[o % F] += d[o];
            for_pairs(layer.spec, layer.in, layer.out,
                      [&](std::size_t in, std::size_t tap, std::size_t out) {
                          for (std::size_t c = 0; c < I_G; ++c)
                              for (std::size_t f = 0; f < F; ++f) {
                                  const std::size_t from = in * C + f / (F / G) * I_G + c;
                                  const std::size_t weight = (tap * I_G + c) * F + f;
                                  layer.kernel_gradient[weight] += x[from] * d[out * F + f];
                                  dx[from] += d[out * F + f] * layer.kernel[weight];
                              }
                      });
            return;
        }
        case Kind::max_pool:
        case Kind::average_pool: {
            const bool max = layer.spec.kind == Kind::max_pool;
            const auto C = static_cast<std::size_t>(layer.in[2]);
            const double share =
                1.0 / static_cast<double>(layer.spec.kernel.rows * layer.spec.kernel.columns);
            // The winner of each window, the first of equals.
            std::vector<std::size_t> winner(O, I);
            for_pairs(layer.spec, layer.in, layer.out,
                      [&](std::size_t in, std::size_t, std::size_t out) {
                          for (std::size_t c = 0; c < C; ++c) {
                              std::size_t& w = winner[out * C + c];
                              if (w == I || x[in * C + c] > x[w]) w = in * C + c;
                              if (!max) dx[in * C + c] += share * d[out * C + c];
                          }
                      });
            for (std::size_t o = 0; o < O && max; ++o) dx[winner[o]] += d[o];
            return;
        }
        case Kind::flatten:
        case Kind::global_average_pool:
            std::copy(d, d + O, dx);
            return;
        case Kind::rescaling:
            for (std::size_t i = 0; i < I; ++i) dx[i] = d[i] * channel_value(layer.spec.scale, i);
            return;
    }
}

void ReferenceNetwork::forward(const Doubles& x) {
    input_ = x;
    rows_ = x.size() / layers.front().inputs;
    const Doubles* in = &input_;
    for (Layer& layer : layers) {
        const std::size_t O = layer.outputs;
        const std::string& activation = layer.spec.activation;
        layer.sums.assign(rows_ * O, 0.0);
        for (std::size_t r = 0; r < rows_; ++r)
            forward_sample(layer, &(*in)[r * layer.inputs], &layer.sums[r * O]);
        layer.output = layer.sums;
        for (std::size_t r = 0; r < rows_; ++r) {
            double* y = &layer.output[r * O];
            if (activation == "softmax") {
                const double largest = *std::max_element(y, y + O);
                double sum = 0;
                for (std::size_t o = 0; o < O; ++o) sum += y[o] = std::exp(y[o] - largest);
                for (std::size_t o = 0; o < O; ++o) y[o] /= sum;
                continue;
            }
            for (std::size_t o = 0; o < O; ++o) {
                if (activation == "relu") y[o] = std::max(0.0, y[o]);
                if (activation == "leaky_relu") y[o] = std::max(kLeakySlope * y[o], y[o]);
                if (activation == "gelu") y[o] *= normal_distribution(y[o]);
                if (activation == "silu") y[o] /= 1 + std::exp(-y[o]);
                if (activation == "sigmoid") y[o] = 1 / (1 + std::exp(-y[o]));
                if (activation == "tanh") y[o] = std::tanh(y[o]);
            }
        }
        for (std::size_t i = 0; i < layer.mask.size(); ++i) layer.output[i] *= layer.mask[i];
        in = &layer.output;
    }
}

const ReferenceNetwork::Doubles& ReferenceNetwork::logits() const {
    const Layer& last = layers.back();
    return last.spec.activation == "softmax" ? last.sums : last.output;
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
    return (kind == Loss::sse ? sum : sum / static_cast<double>(rows_)) + penalty();
}

double ReferenceNetwork::penalty() const {
    double sum = 0;
    for (const Layer& layer : layers)
        for (const double w : layer.kernel)
            sum += layer.spec.penalty.l1 * std::fabs(w) + layer.spec.penalty.l2 * w * w;
    return sum;
}

double ReferenceNetwork::margin() const {
    double margin = HUGE_VAL;
    for (std::size_t l = 0; l < layers.size(); ++l) {
        const Layer& layer = layers[l];
        if (layer.spec.activation == "relu" || layer.spec.activation == "leaky_relu")
            for (const double sum : layer.sums) margin = std::min(margin, std::fabs(sum));
        if (layer.spec.kind != Kind::max_pool) continue;
        const Doubles& in = l == 0 ? input_ : layers[l - 1].output;
        const auto C = static_cast<std::size_t>(layer.in[2]);
        for (std::size_t r = 0; r < rows_; ++r)
            for_pairs(layer.spec, layer.in, layer.out,
                      [&](std::size_t from, std::size_t, std::size_t to) {
                          for (std::size_t c = 0; c < C; ++c) {
                              const double gap = layer.sums[r * layer.outputs + to * C + c] -
                                                 in[r * layer.inputs + from * C + c];
                              // 0: the winner itself, or a tie that relu made.
                              if (gap > 0) margin = std::min(margin, gap);
                          }
                      });
    }
    return margin;
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
        const std::size_t O = layer.outputs;
        const std::string& activation = layer.spec.activation;
        const bool taken = l + 1 == layers.size() && kind == Loss::cross_entropy &&
                           activation == "softmax";  // delta is by the logits already
        for (std::size_t i = 0; i < layer.mask.size(); ++i) delta[i] *= layer.mask[i];
        for (std::size_t r = 0; r < rows_ && !taken; ++r) {
            const double* y = &layer.output[r * O];
            double* d = &delta[r * O];
            double dot = 0;
            for (std::size_t o = 0; o < O; ++o) dot += y[o] * d[o];
            for (std::size_t o = 0; o < O; ++o) {
                const double z = layer.sums[r * O + o], s = 1 / (1 + std::exp(-z));
                if (activation == "relu") d[o] *= z > 0 ? 1 : 0;
                if (activation == "leaky_relu") d[o] *= z > 0 ? 1 : kLeakySlope;
                if (activation == "gelu") d[o] *= normal_distribution(z) + z * normal_density(z);
                if (activation == "silu") d[o] *= s + z * s * (1 - s);
                if (activation == "sigmoid") d[o] *= y[o] * (1 - y[o]);
                if (activation == "tanh") d[o] *= 1 - y[o] * y[o];
                if (activation == "softmax") d[o] = y[o] * (d[o] - dot);
            }
        }
        const Doubles& in = l == 0 ? input_ : layers[l - 1].output;
        layer.kernel_gradient.assign(layer.kernel.size(), 0.0);
        layer.bias_gradient.assign(
            layer.has_kernel ? static_cast<std::size_t>(layer.spec.units) : 0, 0.0);
        Doubles before(rows_ * layer.inputs);
        for (std::size_t r = 0; r < rows_; ++r)
            backward_sample(layer, &in[r * layer.inputs], &delta[r * O], &before[r * layer.inputs]);
        for (std::size_t i = 0; i < layer.kernel.size(); ++i) {
            const double w = layer.kernel[i], sign = w > 0 ? 1 : w < 0 ? -1 : 0;
            layer.kernel_gradient[i] +=
                layer.spec.penalty.l1 * sign + 2 * layer.spec.penalty.l2 * w;
        }
        delta = std::move(before);
    }
}
