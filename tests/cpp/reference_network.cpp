#include "reference_network.h"

#include <algorithm>
#include <cmath>
#include <sstream>
#include <stdexcept>
#include <vector>

#include "network/builder.h"
#include "random.h"

using nncore::network::Builder;
using nncore::network::Loss;
using nncore::network::Network;

using nncore::network::Extent;
using nncore::network::Join;
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

double hard_sigmoid(double x) { return std::clamp(x / 6 + 0.5, 0.0, 1.0); }

// Where the derivative jumps.
std::vector<double> bends_of(const std::string& activation) {
    if (activation == "relu" || activation == "leaky_relu") return {0};
    if (activation == "relu6") return {0, 6};
    if (activation == "hard_sigmoid" || activation == "hard_swish") return {-3, 3};
    return {};
}

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
        default:
            break;
    }
    return layer.units > 0 ? Shape{layer.units} : in;
}

// Of a product, the largest of the shapes is that of all.
Shape joined(Join join, const std::vector<Shape>& shapes) {
    Shape shape = shapes.front();
    for (std::size_t i = 1; i < shapes.size(); ++i) {
        if (join == Join::concatenation) shape.back() += shapes[i].back();
        if (join == Join::product &&
            nncore::network::element_count(shapes[i]) > nncore::network::element_count(shape))
            shape = shapes[i];
    }
    return shape;
}

// A flat sample as an image of one pixel.
Shape as_image(const Shape& shape) { return shape.size() == 3 ? shape : Shape{1, 1, shape[0]}; }

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

namespace {

LayerSpec normalization(Kind kind, float momentum, float epsilon) {
    LayerSpec layer;
    layer.kind = kind;
    layer.momentum = momentum;
    layer.epsilon = epsilon;
    return layer;
}

LayerSpec mark(Kind kind, const std::string& activation) {
    LayerSpec layer{0, activation};
    layer.kind = kind;
    return layer;
}

}  // namespace

LayerSpec batch_norm(float momentum, float epsilon) {
    return normalization(Kind::batch_norm, momentum, epsilon);
}
LayerSpec layer_norm(float epsilon) { return normalization(Kind::layer_norm, 0.0f, epsilon); }
LayerSpec begin(nncore::network::Join join) {
    LayerSpec layer = mark(Kind::begin, "linear");
    layer.join = join;
    return layer;
}
LayerSpec shortcut() { return mark(Kind::shortcut, "linear"); }
LayerSpec end(const std::string& activation) { return mark(Kind::end, activation); }

NetworkSpec image_network(const Shape& image, const std::vector<LayerSpec>& layers) {
    return {nncore::network::element_count(image), layers, image};
}

std::ptrdiff_t NetworkSpec::outputs() const {
    Shape shape = input_shape(*this);
    struct Block {
        Join join;
        Shape input;
        std::vector<Shape> ends;
    };
    std::vector<Block> blocks;  // the open ones
    for (const LayerSpec& layer : layers) {
        if (layer.kind == Kind::begin) blocks.push_back({layer.join, shape, {}});
        if (layer.kind == Kind::shortcut || layer.kind == Kind::end)
            blocks.back().ends.push_back(shape);
        if (layer.kind == Kind::shortcut) shape = blocks.back().input;
        if (layer.kind == Kind::end) {
            if (blocks.back().ends.size() == 1) blocks.back().ends.push_back(blocks.back().input);
            shape = joined(blocks.back().join, blocks.back().ends);
            blocks.pop_back();
        }
        shape = output_shape(layer, shape);
    }
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
            case Kind::batch_norm:
                text << "batch norm";
                continue;
            case Kind::layer_norm:
                text << "layer norm";
                continue;
            case Kind::begin:
                text << (layer.join == Join::sum             ? "add {"
                         : layer.join == Join::concatenation ? "concatenate {"
                                                             : "multiply {");
                continue;
            case Kind::shortcut:
                text << "} {";
                continue;
            case Kind::end:
                text << "} ";
                break;
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

void NetworkSpec::add_to(Builder& builder) const {
    std::vector<bool> shortcuts;  // whether the open blocks have one
    for (std::size_t i = 0; i < layers.size(); ++i) {
        const LayerSpec& layer = layers[i];
        const std::string name = layer_name(i);
        switch (layer.kind) {
            case Kind::conv:
                builder.add_conv2d(name, {layer.units,
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
                builder.add_max_pool2d(name, layer.kernel, layer.strides);
                break;
            case Kind::average_pool:
                builder.add_average_pool2d(name, layer.kernel, layer.strides);
                break;
            case Kind::global_average_pool:
                builder.add_global_average_pool2d(name);
                break;
            case Kind::flatten:
                builder.add_flatten(name);
                break;
            case Kind::rescaling:
                builder.add_rescaling(name, layer.scale, layer.offset);
                break;
            case Kind::batch_norm:
                builder.add_batch_normalization(name, layer.momentum, layer.epsilon);
                break;
            case Kind::layer_norm:
                builder.add_layer_normalization(name, layer.epsilon);
                break;
            case Kind::begin:
                builder.begin_block(name, layer.join);
                shortcuts.push_back(false);
                break;
            case Kind::shortcut:
                builder.next_branch();
                shortcuts.back() = true;
                break;
            case Kind::end:
                // Without a shortcut, that is the input itself.
                if (!shortcuts.back()) builder.next_branch();
                shortcuts.pop_back();
                builder.end_block(layer.activation);
                break;
            case Kind::plain:
                if (layer.units > 0) {
                    builder.add_dense(name, layer.units, layer.activation, layer.bias,
                                      {.penalty = layer.penalty});
                } else if (layer.activation == "dropout") {
                    builder.add_dropout(name, layer.rate);
                } else {
                    builder.add_activation(name, layer.activation);
                }
                break;
        }
    }
}

std::unique_ptr<nncore::network::Probe> NetworkSpec::build_probe(const std::string& layer) const {
    Builder builder(input_shape(*this), layer);
    add_to(builder);
    return builder.build_probe();
}

std::unique_ptr<Network> NetworkSpec::build(std::uint64_t seed) const {
    Builder builder(input_shape(*this));
    add_to(builder);
    auto network = builder.build(seed);
    Random random(seed);
    for (const auto& parameter : network->parameters()) {
        if (parameter.shape.size() != 1) continue;
        std::vector<float> bias(static_cast<std::size_t>(parameter.shape[0]));
        // Scales and variances are positive numbers around 1.
        const bool scales =
            parameter.name.ends_with("gamma") || parameter.name.ends_with("variance");
        for (float& value : bias) value = random.uniform(-0.3f, 0.3f) + (scales ? 1.0f : 0.0f);
        network->write_parameter(parameter, bias.data());
    }
    return network;
}

const nncore::network::Layer& layer_named(const Network& network, const std::string& name) {
    for (const auto& layer : network.layers())
        if (layer.name == name) return layer;
    throw std::out_of_range("no layer " + name);
}

ReferenceNetwork::ReferenceNetwork(const NetworkSpec& spec, const Network& network) {
    Shape shape = input_shape(spec);
    struct Block {
        std::size_t begin;
        std::vector<std::size_t> ends;
    };
    std::vector<Block> blocks;
    const auto take = [&](const std::string& name, std::size_t count) {
        std::vector<float> values(count);
        network.read_parameter(network.parameter(name), values.data());
        return Doubles(values.begin(), values.end());
    };
    for (std::size_t i = 0; i < spec.layers.size(); ++i) {
        Layer layer{};
        layer.spec = spec.layers[i];
        layer.name = layer_name(i);
        layer.source = i - 1;  // kImages for the first
        switch (layer.spec.kind) {
            case Kind::begin:
                layer.name.clear();
                blocks.push_back({i, {}});
                break;
            case Kind::shortcut:
                layer.name.clear();
                blocks.back().ends.push_back(layer.source);
                layer.source = blocks.back().begin;
                shape = layers[layer.source].out;
                break;
            case Kind::end: {
                Block block = blocks.back();
                blocks.pop_back();
                layer.name = layer_name(block.begin);
                block.ends.push_back(layer.source);
                if (block.ends.size() == 1) block.ends.push_back(block.begin);
                layer.ends = block.ends;
                layer.spec.join = layers[block.begin].spec.join;
                std::vector<Shape> shapes;
                for (const std::size_t end : block.ends) shapes.push_back(layers[end].out);
                shape = joined(layer.spec.join, shapes);
                break;
            }
            default:
                break;
        }
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
        if (layer.spec.kind == Kind::batch_norm || layer.spec.kind == Kind::layer_norm) {
            const auto channels = static_cast<std::size_t>(layer.in.back());
            layer.has_kernel = layer.has_bias = true;
            layer.kernel_name = "/gamma";
            layer.bias_name = "/beta";
            layer.kernel = take(layer.name + "/gamma", channels);
            layer.bias = take(layer.name + "/beta", channels);
            if (layer.spec.kind == Kind::batch_norm) {
                layer.moving_mean = take(layer.name + "/moving_mean", channels);
                layer.moving_variance = take(layer.name + "/moving_variance", channels);
            }
        }
        layers.push_back(std::move(layer));
    }
}

void ReferenceNetwork::forward_batch_norm(Layer& layer, const Doubles& x, bool training) const {
    const std::size_t C = layer.kernel.size();
    const double count = static_cast<double>(x.size() / C);
    layer.mean.assign(C, 0.0);
    layer.variance.assign(C, 0.0);
    for (std::size_t i = 0; i < x.size(); ++i) layer.mean[i % C] += x[i] / count;
    for (std::size_t i = 0; i < x.size(); ++i)
        layer.variance[i % C] += (x[i] - layer.mean[i % C]) * (x[i] - layer.mean[i % C]) / count;
    const Doubles& mean = training ? layer.mean : layer.moving_mean;
    const Doubles& variance = training ? layer.variance : layer.moving_variance;
    for (std::size_t i = 0; i < x.size(); ++i) {
        const std::size_t c = i % C;
        layer.sums[i] = (x[i] - mean[c]) /
                            std::sqrt(variance[c] + static_cast<double>(layer.spec.epsilon)) *
                            layer.kernel[c] +
                        layer.bias[c];
    }
}

// The chain rule through the definitions of mean and variance, one after the other.
void ReferenceNetwork::backward_batch_norm(Layer& layer, const Doubles& x, const Doubles& d,
                                           Doubles& dx) const {
    const std::size_t C = layer.kernel.size();
    const double count = static_cast<double>(x.size() / C);
    Doubles deviation(C), by_variance(C), by_mean(C);
    for (std::size_t c = 0; c < C; ++c)
        deviation[c] = std::sqrt(layer.variance[c] + static_cast<double>(layer.spec.epsilon));
    for (std::size_t i = 0; i < x.size(); ++i) {
        const std::size_t c = i % C;
        const double off = x[i] - layer.mean[c], by_normalized = d[i] * layer.kernel[c];
        layer.bias_gradient[c] += d[i];
        layer.kernel_gradient[c] += d[i] * off / deviation[c];
        by_variance[c] -= by_normalized * off / (2 * std::pow(deviation[c], 3));
        by_mean[c] -= by_normalized / deviation[c];
    }
    for (std::size_t i = 0; i < x.size(); ++i) {
        const std::size_t c = i % C;
        dx[i] = d[i] * layer.kernel[c] / deviation[c] +
                by_variance[c] * 2 * (x[i] - layer.mean[c]) / count + by_mean[c] / count;
    }
}

void ReferenceNetwork::move_averages() {
    for (Layer& layer : layers)
        for (std::size_t c = 0; c < layer.moving_mean.size(); ++c) {
            const double momentum = static_cast<double>(layer.spec.momentum);
            layer.moving_mean[c] = momentum * layer.moving_mean[c] + (1 - momentum) * layer.mean[c];
            layer.moving_variance[c] =
                momentum * layer.moving_variance[c] + (1 - momentum) * layer.variance[c];
        }
}

namespace {

// Mean and standard deviation of one pixel's channels.
struct Moments {
    double mean = 0, deviation = 0;

    Moments(const double* x, std::size_t channels, float epsilon) {
        const double count = static_cast<double>(channels);
        double variance = 0;
        for (std::size_t c = 0; c < channels; ++c) mean += x[c] / count;
        for (std::size_t c = 0; c < channels; ++c)
            variance += (x[c] - mean) * (x[c] - mean) / count;
        deviation = std::sqrt(variance + static_cast<double>(epsilon));
    }
};

}  // namespace

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
        case Kind::layer_norm: {
            const std::size_t C = layer.kernel.size();
            for (std::size_t i = 0; i < I; ++i) {
                const Moments of_pixel(x + i / C * C, C, layer.spec.epsilon);
                sums[i] = (x[i] - of_pixel.mean) / of_pixel.deviation * layer.kernel[i % C] +
                          layer.bias[i % C];
            }
            return;
        }
        default:
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
        case Kind::layer_norm: {
            const std::size_t C = layer.kernel.size();
            const double count = static_cast<double>(C);
            for (std::size_t p = 0; p < I; p += C) {
                const Moments of_pixel(x + p, C, layer.spec.epsilon);
                double by_variance = 0, by_mean = 0;
                for (std::size_t c = 0; c < C; ++c) {
                    const double off = x[p + c] - of_pixel.mean, g = d[p + c] * layer.kernel[c];
                    layer.bias_gradient[c] += d[p + c];
                    layer.kernel_gradient[c] += d[p + c] * off / of_pixel.deviation;
                    by_variance -= g * off / (2 * std::pow(of_pixel.deviation, 3));
                    by_mean -= g / of_pixel.deviation;
                }
                for (std::size_t c = 0; c < C; ++c)
                    dx[p + c] = d[p + c] * layer.kernel[c] / of_pixel.deviation +
                                by_variance * 2 * (x[p + c] - of_pixel.mean) / count +
                                by_mean / count;
            }
            return;
        }
        default:
            std::copy(d, d + O, dx);
            return;
        case Kind::rescaling:
            for (std::size_t i = 0; i < I; ++i) dx[i] = d[i] * channel_value(layer.spec.scale, i);
            return;
    }
}

template <class Body>
void ReferenceNetwork::for_joined(const Layer& end, Body body) const {
    const Shape whole = as_image(end.out);
    const auto size = [](std::ptrdiff_t n) { return static_cast<std::size_t>(n); };
    std::size_t first = 0;  // channel of a concatenation
    for (std::size_t branch = 0; branch < end.ends.size(); ++branch) {
        const Shape part = as_image(layers[end.ends[branch]].out);
        const bool concatenated = end.spec.join == Join::concatenation;
        const std::ptrdiff_t channels = concatenated ? part[2] : whole[2];
        for (std::ptrdiff_t y = 0; y < whole[0]; ++y)
            for (std::ptrdiff_t x = 0; x < whole[1]; ++x)
                for (std::ptrdiff_t c = 0; c < channels; ++c)
                    body(branch,
                         size(((y % part[0]) * part[1] + x % part[1]) * part[2] + c % part[2]),
                         size((y * whole[1] + x) * whole[2] + c) + first);
        if (concatenated) first += size(channels);
    }
}

void ReferenceNetwork::run(const Doubles& x, bool training) {
    input_ = x;
    rows_ = x.size() / layers.front().inputs;
    for (Layer& layer : layers) {
        const std::size_t O = layer.outputs;
        const std::string& activation = layer.spec.activation;
        const Doubles& in = input_of(layer);
        layer.sums.assign(rows_ * O, 0.0);
        if (layer.spec.kind == Kind::batch_norm) {
            forward_batch_norm(layer, in, training);
        } else if (layer.spec.kind == Kind::end) {
            const bool multiplies = layer.spec.join == Join::product;
            if (multiplies) layer.sums.assign(rows_ * O, 1.0);
            for (std::size_t r = 0; r < rows_; ++r)
                for_joined(layer, [&](std::size_t branch, std::size_t from, std::size_t to) {
                    const Layer& end = layers[layer.ends[branch]];
                    const double value = end.output[r * end.outputs + from];
                    double& sum = layer.sums[r * O + to];
                    sum = multiplies ? sum * value : sum + value;
                });
        } else {
            for (std::size_t r = 0; r < rows_; ++r)
                forward_sample(layer, &in[r * layer.inputs], &layer.sums[r * O]);
        }
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
                if (activation == "relu6") y[o] = std::clamp(y[o], 0.0, 6.0);
                if (activation == "hard_sigmoid") y[o] = hard_sigmoid(y[o]);
                if (activation == "hard_swish") y[o] *= hard_sigmoid(y[o]);
                if (activation == "gelu") y[o] *= normal_distribution(y[o]);
                if (activation == "silu") y[o] /= 1 + std::exp(-y[o]);
                if (activation == "sigmoid") y[o] = 1 / (1 + std::exp(-y[o]));
                if (activation == "tanh") y[o] = std::tanh(y[o]);
            }
        }
        for (std::size_t i = 0; i < layer.mask.size(); ++i) layer.output[i] *= layer.mask[i];
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
    for (const Layer& layer : layers) {
        for (const double bend : bends_of(layer.spec.activation))
            for (const double sum : layer.sums) margin = std::min(margin, std::fabs(sum - bend));
        if (layer.spec.kind != Kind::max_pool) continue;
        const Doubles& in = input_of(layer);
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
    // By the output of each layer: the sum over all that read it.
    std::vector<Doubles> deltas(layers.size());
    for (std::size_t l = 0; l < layers.size(); ++l)
        deltas[l].assign(rows_ * layers[l].outputs, 0.0);
    Doubles images(input_.size());
    {
        Doubles& delta = deltas.back();
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
                    delta[r * classes + o] =
                        scale * (std::exp(z[o] - largest) / total * weight - t[o]);
            } else {
                for (std::size_t o = 0; o < classes; ++o)
                    delta[r * classes + o] =
                        2 * scale *
                        (layers.back().output[r * classes + o] - targets[r * classes + o]);
            }
        }
    }
    for (std::size_t l = layers.size(); l-- > 0;) {
        Layer& layer = layers[l];
        Doubles& delta = deltas[l];
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
                const double inside = std::fabs(z) < 3 ? 1 : 0;
                if (activation == "relu6") d[o] *= z > 0 && z < 6 ? 1 : 0;
                if (activation == "hard_sigmoid") d[o] *= inside / 6;
                if (activation == "hard_swish") d[o] *= hard_sigmoid(z) + inside * z / 6;
                if (activation == "gelu") d[o] *= normal_distribution(z) + z * normal_density(z);
                if (activation == "silu") d[o] *= s + z * s * (1 - s);
                if (activation == "sigmoid") d[o] *= y[o] * (1 - y[o]);
                if (activation == "tanh") d[o] *= 1 - y[o] * y[o];
                if (activation == "softmax") d[o] = y[o] * (d[o] - dot);
            }
        }
        if (layer.spec.kind == Kind::end) {
            for (std::size_t r = 0; r < rows_; ++r)
                for_joined(layer, [&](std::size_t branch, std::size_t to, std::size_t from) {
                    double d = delta[r * O + from];
                    if (layer.spec.join == Join::product)
                        for_joined(layer, [&](std::size_t other, std::size_t at, std::size_t same) {
                            if (other == branch || same != from) return;
                            const Layer& end = layers[layer.ends[other]];
                            d *= end.output[r * end.outputs + at];
                        });
                    const Layer& end = layers[layer.ends[branch]];
                    deltas[layer.ends[branch]][r * end.outputs + to] += d;
                });
            continue;
        }
        const Doubles& in = input_of(layer);
        layer.kernel_gradient.assign(layer.kernel.size(), 0.0);
        layer.bias_gradient.assign(
            layer.has_kernel ? static_cast<std::size_t>(layer.out.back()) : 0, 0.0);
        Doubles before(rows_ * layer.inputs);
        if (layer.spec.kind == Kind::batch_norm) {
            backward_batch_norm(layer, in, delta, before);
        } else {
            for (std::size_t r = 0; r < rows_; ++r)
                backward_sample(layer, &in[r * layer.inputs], &delta[r * O],
                                &before[r * layer.inputs]);
        }
        for (std::size_t i = 0; i < layer.kernel.size(); ++i) {
            const double w = layer.kernel[i], sign = w > 0 ? 1 : w < 0 ? -1 : 0;
            layer.kernel_gradient[i] +=
                layer.spec.penalty.l1 * sign + 2 * layer.spec.penalty.l2 * w;
        }
        const auto add = [&](std::size_t source, const Doubles& values) {
            Doubles& sum = source == kImages ? images : deltas[source];
            for (std::size_t i = 0; i < values.size(); ++i) sum[i] += values[i];
        };
        add(layer.source, before);
    }
}
