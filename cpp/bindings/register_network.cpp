// The network engine over NumPy arrays. Every call that computes or takes the network's lock
// releases the GIL first: both last for milliseconds, or for as long as another thread trains.
#include <pybind11/stl.h>

#include <cmath>
#include <limits>
#include <optional>
#include <type_traits>
#include <utility>

#include "../network/augmentation.h"
#include "../network/finite.h"
#include "../network/network.h"
#include "../network/shared_memory_exchange.h"
#include "../network/shuffle.h"
#include "../runtime/mapped_file.h"
#include "architecture.h"
#include "arrays.h"
#include "python_exchange.h"

namespace nncore::bindings {
namespace {

using network::Images;
using network::Loss;
using network::Network;
using network::Optimizer;
using network::Probe;
using network::Shape;
using network::Slot;
using network::Targets;

// OSError where a mapped file has lost pages since there were `before`: zeros were read instead.
void refuse_lost_pages(std::uint64_t before) {
    if (runtime::lost_pages() == before) return;
    PyErr_SetString(
        PyExc_OSError,
        "a file of images was truncated by another program while it was in use (the "
        "cache, or an array in a memory map); run again, and what is damaged is made anew");
    throw py::error_already_set();
}

// What `body` returns, called without the GIL, for it may wait; it touches no Python object.
template <class Body>
auto unlocked(Body body) {
    const std::uint64_t lost = runtime::lost_pages();
    if constexpr (std::is_void_v<decltype(body())>) {
        {
            const py::gil_scoped_release released;
            body();
        }
        refuse_lost_pages(lost);
    } else {
        auto result = [&] {
            const py::gil_scoped_release released;
            return body();
        }();
        refuse_lost_pages(lost);
        return result;
    }
}

// extracted: x is what Network::extract gave.
Images images_of(const Network& network, const py::array& x, bool extracted = false) {
    Images images;
    images.extracted = extracted;
    const Shape& expected = network.sample_shape(extracted);
    Shape given = shape_vector(x);
    const bool matches = given.size() == expected.size() + 1 &&
                         std::equal(expected.begin(), expected.end(), given.begin() + 1);
    if (!matches)
        throw py::value_error("images must have shape (N, *" + network::to_string(expected) +
                              "), got " + shape_of(x));
    if (py::isinstance<py::array_t<std::uint8_t>>(x) && !extracted) {
        images.bytes = input<std::uint8_t>(x, "images");
    } else if (py::isinstance<py::array_t<float>>(x)) {
        images.floats = input<float>(x, "images");
    } else {
        throw py::type_error(std::string(extracted ? "extracted images must have dtype float32"
                                                   : "images must have dtype uint8 or float32") +
                             ", got " + std::string(py::str(x.dtype())));
    }
    images.count = x.shape(0);
    return images;
}

// Image i is x[rows[i]]: nothing is copied.
void choose_rows(Images& images, const py::array& rows) {
    require_dimensions(rows, "rows", 1);
    images.rows = input<std::int32_t>(rows, "rows");
    const std::ptrdiff_t samples = std::exchange(images.count, rows.shape(0));
    for (std::ptrdiff_t i = 0; i < images.count; ++i)
        if (images.rows[i] < 0 || images.rows[i] >= samples)
            throw py::value_error("rows[" + std::to_string(i) + "] is " +
                                  std::to_string(images.rows[i]) + ", outside 0.." +
                                  std::to_string(samples - 1));
}

Targets targets_of(const Network& network, const py::array& y, std::ptrdiff_t count) {
    Targets targets;
    if (y.ndim() < 1 || y.shape(0) != count)
        throw py::value_error("targets must have one entry per image (" + std::to_string(count) +
                              "), got shape " + shape_of(y));
    const std::ptrdiff_t classes = network.output_size();
    if (py::isinstance<py::array_t<std::int32_t>>(y)) {
        require_dimensions(y, "targets", 1);
        targets.labels = input<std::int32_t>(y, "targets");
        for (std::ptrdiff_t i = 0; i < count; ++i)
            if (targets.labels[i] < 0 || targets.labels[i] >= classes)
                throw py::value_error("targets[" + std::to_string(i) + "] is " +
                                      std::to_string(targets.labels[i]) + ", outside 0.." +
                                      std::to_string(classes - 1));
    } else if (py::isinstance<py::array_t<float>>(y)) {
        require_dimensions(y, "targets", 2);
        targets.rows = input<float>(y, "targets");
        if (y.shape(1) != classes)
            throw py::value_error("targets must have " + std::to_string(classes) +
                                  " columns, got shape " + shape_of(y));
    } else {
        throw py::type_error("targets must be int32 labels or float32 rows, got " +
                             std::string(py::str(y.dtype())));
    }
    return targets;
}

// What each image's loss is multiplied by.
const float* weights_of(const py::array& weights, std::ptrdiff_t count) {
    require_dimensions(weights, "sample_weight", 1);
    const float* values = input<float>(weights, "sample_weight");
    if (weights.shape(0) != count)
        throw py::value_error("sample_weight must have one weight per image (" +
                              std::to_string(count) + "), got shape " + shape_of(weights));
    for (std::ptrdiff_t i = 0; i < count; ++i)
        if (!(values[i] >= 0.0f) || !std::isfinite(values[i]))
            throw py::value_error("sample_weight[" + std::to_string(i) +
                                  "] must be finite and not negative, got " +
                                  std::to_string(values[i]));
    return values;
}

const float* parameter_values(const network::Parameter& parameter, const py::array& value) {
    const float* values = input<float>(value, parameter.name.c_str());
    if (shape_vector(value) != parameter.shape)
        throw py::value_error(parameter.name + " has shape " + network::to_string(parameter.shape) +
                              ", got " + shape_of(value));
    return values;
}

py::array_t<std::int32_t> shuffled_indices(std::uint64_t seed, std::uint32_t epoch,
                                           std::int32_t count) {
    if (count < 0)
        throw py::value_error("count must not be negative, got " + std::to_string(count));
    py::array_t<std::int32_t> result(count);
    std::int32_t* const order = result.mutable_data();
    unlocked([&] { network::shuffled_indices(seed, epoch, count, order); });
    return result;
}

// A number with the bounds of its argument; `high` itself is excluded.
void require_in_range(const char* name, double value, double low, double high) {
    if (!(value >= low && value < high))
        throw py::value_error(std::string(name) + " must be at least " + std::to_string(low) +
                              " and below " + std::to_string(high) + ", got " +
                              std::to_string(value));
}

Optimizer make_optimizer(float learning_rate, const std::string& method, double momentum,
                         bool nesterov, double rho, double beta_1, double beta_2, double epsilon,
                         double weight_decay, double clipnorm, double global_clipnorm, bool use_ema,
                         double ema_momentum) {
    if (!std::isfinite(learning_rate) || learning_rate <= 0.0f)
        throw py::value_error("learning_rate must be finite and positive, got " +
                              std::to_string(learning_rate));
    constexpr double kAny = std::numeric_limits<double>::infinity();
    require_in_range("momentum", momentum, 0.0, 1.0);
    require_in_range("rho", rho, 0.0, 1.0);
    require_in_range("beta_1", beta_1, 0.0, 1.0);
    require_in_range("beta_2", beta_2, 0.0, 1.0);
    // It must not vanish in float32, times the root of 1 - beta_2 at the first step.
    require_in_range("epsilon", epsilon, 1e-30, 1e30);
    require_in_range("weight_decay", weight_decay, 0.0, kAny);
    require_in_range("clipnorm", clipnorm, 0.0, kAny);
    require_in_range("global_clipnorm", global_clipnorm, 0.0, kAny);
    require_in_range("ema_momentum", ema_momentum, 0.0, 1.0);
    return {.learning_rate = learning_rate,
            .method = network::method_from_name(method),
            .momentum = momentum,
            .nesterov = nesterov,
            .rho = rho,
            .beta_1 = beta_1,
            .beta_2 = beta_2,
            .epsilon = epsilon,
            .weight_decay = weight_decay,
            .clipnorm = clipnorm,
            .global_clipnorm = global_clipnorm,
            .use_ema = use_ema,
            .ema_momentum = ema_momentum};
}

// nullptr for None; else one learning rate for each of the steps.
const double* learning_rates_of(const std::optional<py::array>& given, std::ptrdiff_t steps) {
    if (!given) return nullptr;
    const py::array& rates = *given;
    require_dimensions(rates, "learning_rates", 1);
    const double* values = input<double>(rates, "learning_rates");
    if (rates.shape(0) != steps)
        throw py::value_error("learning_rates must have one value per step (" +
                              std::to_string(steps) + "), got shape " + shape_of(rates));
    for (std::ptrdiff_t i = 0; i < steps; ++i)
        if (!std::isfinite(static_cast<float>(values[i])) || values[i] < 0.0)
            throw py::value_error("learning_rates[" + std::to_string(i) +
                                  "] must be finite and not negative, got " +
                                  std::to_string(values[i]));
    return values;
}

// Checked targets for training.
Targets smoothed(Targets targets, float label_smoothing) {
    if (!(label_smoothing >= 0.0f && label_smoothing < 1.0f))
        throw py::value_error("label_smoothing must be at least 0 and below 1, got " +
                              std::to_string(label_smoothing));
    targets.label_smoothing = label_smoothing;
    return targets;
}

double compute_gradients(Network& network, const py::array& x, const py::array& y,
                         const std::string& loss_name,
                         const std::optional<py::array>& sample_weight, float label_smoothing) {
    const Loss loss = network::loss_from_name(loss_name);
    const Images images = images_of(network, x);
    Targets targets = smoothed(targets_of(network, y, images.count), label_smoothing);
    if (sample_weight) targets.weights = weights_of(*sample_weight, images.count);
    return unlocked([&] { return network.compute_gradients(images, targets, loss); });
}

py::tuple train_steps(Network& network, const py::array& x, const py::array& y,
                      const py::array& order, std::ptrdiff_t batch_size,
                      const std::string& loss_name, const Optimizer& optimizer, std::uint64_t seed,
                      std::uint32_t epoch, const network::Augmentation* augmentation,
                      const std::optional<py::array>& sample_weight,
                      const std::optional<py::array>& learning_rates, float label_smoothing,
                      const std::optional<py::array>& rows, bool extracted,
                      const py::object& exchange, network::Trace* trace) {
    std::optional<PythonExchange> by_python;
    network::Exchange* others = nullptr;
    if (py::isinstance<network::SharedMemoryExchange>(exchange))
        others = exchange.cast<network::SharedMemoryExchange*>();
    else if (!exchange.is_none())
        others = &by_python.emplace(exchange);
    const Loss loss = network::loss_from_name(loss_name);
    Images images = images_of(network, x, extracted);
    if (rows) choose_rows(images, *rows);
    images.augmentation = augmentation;
    Targets targets = smoothed(targets_of(network, y, images.count), label_smoothing);
    if (sample_weight) targets.weights = weights_of(*sample_weight, images.count);
    require_dimensions(order, "indices", 1);
    const std::int32_t* indices = input<std::int32_t>(order, "indices");
    const std::ptrdiff_t count = order.shape(0);
    for (std::ptrdiff_t i = 0; i < count; ++i)
        if (indices[i] < 0 || indices[i] >= images.count)
            throw py::value_error("indices[" + std::to_string(i) + "] is " +
                                  std::to_string(indices[i]) + ", outside 0.." +
                                  std::to_string(images.count - 1));
    if (batch_size < 1)
        throw py::value_error("batch_size must be at least 1, got " + std::to_string(batch_size));
    const double* const rates =
        learning_rates_of(learning_rates, (count + batch_size - 1) / batch_size);
    const network::StepResults results = unlocked([&] {
        return network.train_steps(images, targets, indices, count, batch_size, loss, optimizer,
                                   {.seed = seed, .epoch = epoch}, rates, others, trace);
    });
    return py::make_tuple(
        py::array_t<double>(static_cast<py::ssize_t>(results.losses.size()), results.losses.data()),
        py::array_t<std::int64_t>(static_cast<py::ssize_t>(results.correct.size()),
                                  results.correct.data()));
}

py::array_t<float> forward(const Network& network, const py::array& x) {
    const Images images = images_of(network, x);
    py::array_t<float> outputs = new_floats({images.count, network.output_size()});
    float* data = outputs.mutable_data();
    unlocked([&] { network.forward(images, data); });
    return outputs;
}

py::array_t<float> extract(const Network& network, const py::array& x) {
    if (network.architecture().fixed_stages == 0)
        throw py::value_error("no part of this network is fixed: all of it is trained");
    const Images images = images_of(network, x);
    Shape shape = network.sample_shape(true);
    shape.insert(shape.begin(), images.count);
    py::array_t<float> values = new_floats(shape);
    float* const data = values.mutable_data();
    unlocked([&] { network.extract(images, data); });
    return values;
}

// Labels of the classes whose scores are explained, one for each image.
const std::int32_t* classes_of(const Network& network, const py::array& classes,
                               std::ptrdiff_t count) {
    if (!py::isinstance<py::array_t<std::int32_t>>(classes))
        throw py::type_error("classes must have dtype int32, got " +
                             std::string(py::str(classes.dtype())));
    return targets_of(network, classes, count).labels;
}

py::tuple look(const Network& network, const Probe& probe, const py::array& x,
               const py::array& classes) {
    const Images images = images_of(network, x);
    const std::int32_t* const labels = classes_of(network, classes, images.count);
    Shape shape = probe.shape();
    shape.insert(shape.begin(), images.count);
    py::array_t<float> values = new_floats(shape), gradients = new_floats(shape);
    float *const to = values.mutable_data(), *const gradient = gradients.mutable_data();
    unlocked([&] { network.look(probe, images, labels, to, gradient); });
    return py::make_tuple(values, gradients);
}

py::array_t<float> explain(const Network& network, const Probe& probe, const py::array& x,
                           const py::array& classes) {
    const Images images = images_of(network, x);
    const std::int32_t* const labels = classes_of(network, classes, images.count);
    const Shape& shape = network.input_shape();
    py::array_t<float> maps = new_floats({images.count, shape[0], shape.size() > 1 ? shape[1] : 1});
    float* const data = maps.mutable_data();
    unlocked([&] { network.explain(probe, images, labels, data); });
    return maps;
}

// What a layer reads of each image, and where it is kept.
struct InputOfLayer {
    py::array_t<float> values;
    Network::InputOf seen;
};

InputOfLayer input_of(const Network& network, const std::string& layer, const Images& images) {
    const auto& architecture = network.architecture();
    const auto& layers = architecture.layers;
    const auto at = static_cast<std::size_t>(&layer_of(architecture, layer) - layers.data());
    const std::size_t stage = at == 0 ? 0 : layers[at - 1].buffer;
    if (images.extracted && stage < architecture.fixed_stages)
        throw py::value_error("layer " + layer + " is one of those that are extracted");
    py::array_t<float> values =
        new_floats({images.count, network::element_count(architecture.shape_before(stage))});
    float* const to = values.mutable_data();
    return {std::move(values), {stage, to}};
}

py::tuple forward_with_input_of(const Network& network, const std::string& layer,
                                const py::array& x, bool extracted) {
    const Images images = images_of(network, x, extracted);
    const InputOfLayer input = input_of(network, layer, images);
    py::array_t<float> outputs = new_floats({images.count, network.output_size()});
    float* const data = outputs.mutable_data();
    unlocked([&] { network.forward_with_input_of(input.seen, images, data); });
    return py::make_tuple(outputs, input.values);
}

// forward, and softmax if asked for, of an array that suits the network as it is, without the
// microseconds of Python that a check of every possible argument takes. None if the array is
// anything else, floats are not from low to high, or something that comes out is not finite: then
// the long way says what is wrong.
py::object probabilities(const Network& network, const py::object& x, bool softmax,
                         float inverse_temperature, float low, float high) {
    if (!py::isinstance<py::array>(x)) return py::none();
    const auto array = py::reinterpret_borrow<py::array>(x);
    const Shape& shape = network.input_shape();
    const auto rank = static_cast<py::ssize_t>(shape.size());
    // One channel need not be an axis.
    const bool flat_channel = array.ndim() == rank && rank == 3 && shape.back() == 1;
    if (array.ndim() != rank + 1 && !flat_channel) return py::none();
    for (py::ssize_t i = 1; i < array.ndim(); ++i)
        if (array.shape(i) != shape[static_cast<std::size_t>(i - 1)]) return py::none();
    if (array.shape(0) < 1 || (array.flags() & py::array::c_style) == 0 ||
        (array.flags() & py::detail::npy_api::NPY_ARRAY_ALIGNED_) == 0)
        return py::none();
    Images images;
    images.count = array.shape(0);
    if (py::isinstance<py::array_t<float>>(array)) {
        images.floats = static_cast<const float*>(array.data());
        if (!network::all_within(images.floats, array.size(), low, high)) return py::none();
    } else if (py::isinstance<py::array_t<std::uint8_t>>(array)) {
        images.bytes = static_cast<const std::uint8_t*>(array.data());
    } else {
        return py::none();
    }
    py::array_t<float> outputs({images.count, network.output_size()});
    float* const data = outputs.mutable_data();
    unlocked([&] {
        if (softmax) {
            network.forward_softmax(images, inverse_temperature, data);
        } else {
            network.forward(images, data);
        }
    });
    if (!network::all_finite(data, outputs.size())) return py::none();
    return outputs;
}

py::tuple evaluate(const Network& network, const py::array& x, const py::array& y,
                   const std::string& loss_name, bool extracted,
                   const std::optional<std::string>& layer) {
    const Loss loss = network::loss_from_name(loss_name);
    const Images images = images_of(network, x, extracted);
    const Targets targets = targets_of(network, y, images.count);
    std::optional<InputOfLayer> input;
    if (layer) input = input_of(network, *layer, images);
    py::array_t<float> outputs = new_floats({images.count, network.output_size()});
    std::vector<float> losses(static_cast<std::size_t>(images.count));
    float* data = outputs.mutable_data();
    unlocked([&] {
        network.evaluate(images, targets, loss, data, losses.data(),
                         input ? &input->seen : nullptr);
    });
    py::array_t<double> result(images.count);
    std::copy(losses.begin(), losses.end(), result.mutable_data());
    if (input) return py::make_tuple(outputs, result, input->values);
    return py::make_tuple(outputs, result);
}

std::ptrdiff_t last_rows(const Network& network, const std::string& method) {
    const std::ptrdiff_t rows = unlocked([&] { return network.last_rows(); });
    if (rows == 0) throw py::value_error(method + " needs a call of compute_gradients just before");
    return rows;
}

py::array_t<double> sample_losses(const Network& network) {
    std::vector<float> losses(static_cast<std::size_t>(last_rows(network, "sample_losses")));
    unlocked(
        [&] { network.read_losses(static_cast<std::ptrdiff_t>(losses.size()), losses.data()); });
    py::array_t<double> result(static_cast<std::ptrdiff_t>(losses.size()));
    std::copy(losses.begin(), losses.end(), result.mutable_data());
    return result;
}

py::array_t<float> layer_output(const Network& network, const std::string& name) {
    const auto& layer = layer_of(network.architecture(), name);
    const std::ptrdiff_t rows = last_rows(network, "layer_output");
    Shape shape = layer.output_shape;
    shape.insert(shape.begin(), rows);
    py::array_t<float> result = new_floats(shape);
    float* const data = result.mutable_data();
    unlocked([&] { network.read_layer_output(layer, rows, data); });
    return result;
}

// A copy of what `read` writes for that parameter, in the parameter's natural shape.
template <class Read>
py::array_t<float> read_values(const Network& network, const std::string& name, Read read) {
    const network::Parameter& parameter = network.parameter(name);
    py::array_t<float> result = new_floats(parameter.shape);
    float* const data = result.mutable_data();
    unlocked([&] { read(parameter, data); });
    return result;
}

// Gives `write` the values for that parameter, in its natural shape.
template <class Write>
void write_values(const Network& network, const std::string& name, const py::array& value,
                  Write write) {
    const network::Parameter& parameter = network.parameter(name);
    const float* const values = parameter_values(parameter, value);
    unlocked([&] { write(parameter, values); });
}

}  // namespace

void register_network(py::module_& m) {
    using py::arg;
    m.def(
        "share_of_batch",
        [](std::ptrdiff_t batch, std::ptrdiff_t rank, std::ptrdiff_t size) {
            if (batch < 0 || size < 1 || rank < 0 || rank >= size)
                throw py::value_error(
                    "share_of_batch needs batch >= 0 and a rank from 0 to size - 1, got batch " +
                    std::to_string(batch) + ", rank " + std::to_string(rank) + ", size " +
                    std::to_string(size));
            const network::Share share = network::share_of(batch, rank, size);
            return py::make_tuple(share.first_row(), share.first_row() + share.rows());
        },
        arg("batch"), arg("rank"), arg("size"));
    m.def("shuffled_indices", &shuffled_indices, arg("seed"), arg("epoch"), arg("count"));

    py::class_<Optimizer>(m, "Optimizer")
        .def(py::init(&make_optimizer), arg("learning_rate"), arg("method") = "sgd",
             arg("momentum") = 0.0, arg("nesterov") = false, arg("rho") = 0.9, arg("beta_1") = 0.9,
             arg("beta_2") = 0.999, arg("epsilon") = 1e-7, arg("weight_decay") = 0.0,
             arg("clipnorm") = 0.0, arg("global_clipnorm") = 0.0, arg("use_ema") = false,
             arg("ema_momentum") = 0.99)
        .def_readonly("learning_rate", &Optimizer::learning_rate);

    py::class_<Probe>(m, "Probe")
        .def_readonly("layer", &Probe::layer)
        .def_property_readonly("shape",
                               [](const Probe& probe) { return shape_tuple(probe.shape()); });

    auto network = py::class_<Network>(m, "Network");
    def_architecture(network);
    network
        .def(
            "set_input_normalization",
            [](Network& network, const std::vector<float>& mean, const std::vector<float>& std) {
                unlocked([&] { network.set_input_normalization(mean, std); });
            },
            arg("mean"), arg("std"))
        .def_property_readonly("output_size", &Network::output_size)
        .def_property_readonly("parameter_count", &Network::parameter_count)
        .def("parameter_names",
             [](const Network& network) {
                 std::vector<std::string> names;
                 for (const auto& parameter : network.parameters()) names.push_back(parameter.name);
                 return names;
             })
        .def(
            "get_parameter",
            [](const Network& network, const std::string& name) {
                return read_values(network, name, [&](const auto& parameter, float* values) {
                    network.read_parameter(parameter, values);
                });
            },
            arg("name"))
        .def(
            "set_parameter",
            [](Network& network, const std::string& name, const py::array& value) {
                write_values(network, name, value, [&](const auto& parameter, const float* values) {
                    network.write_parameter(parameter, values);
                });
            },
            arg("name"), arg("value"))
        .def(
            "get_gradient",
            [](const Network& network, const std::string& name) {
                return read_values(network, name, [&](const auto& parameter, float* values) {
                    network.read_gradient(parameter, values);
                });
            },
            arg("name"))
        .def(
            "set_gradient",
            [](Network& network, const std::string& name, const py::array& value) {
                write_values(network, name, value, [&](const auto& parameter, const float* values) {
                    network.write_gradient(parameter, values);
                });
            },
            arg("name"), arg("value"))
        .def("non_finite_parameter",
             [](const Network& network) -> std::optional<std::string> {
                 const auto* parameter = unlocked([&] { return network.non_finite_parameter(); });
                 if (parameter == nullptr) return std::nullopt;
                 return parameter->name;
             })
        .def("penalty",
             [](const Network& network) { return unlocked([&] { return network.penalty(); }); })
        .def("compute_gradients", &compute_gradients, arg("images"), arg("targets"), arg("loss"),
             arg("sample_weight") = py::none(), arg("label_smoothing") = 0.0f)
        .def(
            "apply_gradients",
            [](Network& network, const Optimizer& optimizer) {
                unlocked([&] { network.apply_gradients(optimizer); });
            },
            arg("optimizer"))
        .def("layer_output", &layer_output, arg("layer"))
        .def("sample_losses", &sample_losses)
        .def("train_steps", &train_steps, arg("images"), arg("targets"), arg("indices"),
             arg("batch_size"), arg("loss"), arg("optimizer"), arg("seed") = 0, arg("epoch") = 0,
             arg("augmentation") = py::none(), arg("sample_weight") = py::none(),
             arg("learning_rates") = std::nullopt, arg("label_smoothing") = 0.0f,
             arg("rows") = py::none(), arg("extracted") = false, arg("exchange") = py::none(),
             arg("trace") = py::none())
        .def_property_readonly(
            "optimizer_method",
            [](const Network& network) {
                return network::name_of(unlocked([&] { return network.optimizer_method(); }));
            })
        .def_property_readonly("optimizer_steps",
                               [](const Network& network) {
                                   return unlocked([&] { return network.optimizer_steps(); });
                               })
        .def("optimizer_slots",
             [](const Network& network) {
                 std::vector<std::string> names;
                 for (const Slot slot : unlocked([&] { return network.optimizer_slots(); }))
                     names.push_back(network::kSlotNames[static_cast<std::size_t>(slot)]);
                 return names;
             })
        .def(
            "restart_optimizer",
            [](Network& network, const std::string& method, const std::vector<std::string>& slots,
               std::int64_t steps, bool shows_average) {
                const network::Method known = network::method_from_name(method);
                std::vector<Slot> chosen;
                for (const std::string& slot : slots)
                    chosen.push_back(network::slot_from_name(slot));
                unlocked([&] { network.restart_optimizer(known, chosen, steps, shows_average); });
            },
            arg("method"), arg("slots"), arg("steps"), arg("shows_average"))
        .def(
            "get_optimizer_slot",
            [](const Network& network, const std::string& name, const std::string& parameter) {
                const Slot slot = network::slot_from_name(name);
                return read_values(network, parameter, [&](const auto& known, float* values) {
                    network.read_optimizer_slot(slot, known, values);
                });
            },
            arg("slot"), arg("parameter"))
        .def(
            "set_optimizer_slot",
            [](Network& network, const std::string& name, const std::string& parameter,
               const py::array& value) {
                const Slot slot = network::slot_from_name(name);
                write_values(network, parameter, value,
                             [&](const auto& known, const float* values) {
                                 network.write_optimizer_slot(slot, known, values);
                             });
            },
            arg("slot"), arg("parameter"), arg("value"))
        .def(
            "show_average",
            [](Network& network, bool shown) { unlocked([&] { network.show_average(shown); }); },
            arg("shown"))
        .def_property_readonly("shows_average",
                               [](const Network& network) {
                                   return unlocked([&] { return network.shows_average(); });
                               })
        .def("forward", &forward, arg("images"))
        .def("forward_with_input_of", &forward_with_input_of, arg("layer"), arg("images"),
             arg("extracted") = false)
        .def("probabilities", &probabilities, arg("images"), arg("softmax"),
             arg("inverse_temperature"), arg("low"), arg("high"))
        .def("evaluate", &evaluate, arg("images"), arg("targets"), arg("loss"),
             arg("extracted") = false, arg("input_of") = py::none())
        .def("extract", &extract, arg("images"))
        .def("look", &look, arg("probe"), arg("images"), arg("classes"))
        .def("explain", &explain, arg("probe"), arg("images"), arg("classes"))
        .def(
            "is_trained",
            [](const Network& network, const std::string& name) {
                return network.parameter(name).trainable;
            },
            arg("name"))
        .def_property_readonly("extracted_shape", [](const Network& network) -> py::object {
            if (network.architecture().fixed_stages == 0) return py::none();
            return shape_tuple(network.sample_shape(true));
        });
}

}  // namespace nncore::bindings
