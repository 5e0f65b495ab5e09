// What can be asked of a network while layers are added and ever after.
#pragma once

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <string>
#include <vector>

#include "../network/architecture.h"

namespace nncore::bindings {

namespace py = pybind11;

inline const network::Layer& layer_of(const network::Architecture& architecture,
                                      const std::string& name) {
    std::string known;
    for (const auto& layer : architecture.layers) {
        if (layer.name == name) return layer;
        known += (known.empty() ? "" : ", ") + layer.name;
    }
    throw py::key_error("no layer \"" + name + "\"; known: " + known);
}

inline py::tuple shape_tuple(const network::Shape& shape) { return py::tuple(py::cast(shape)); }

// Owner: has an architecture().
template <class Owner>
void def_architecture(py::class_<Owner>& owner) {
    owner
        .def_property_readonly(
            "input_shape", [](const Owner& o) { return shape_tuple(o.architecture().input_shape); })
        .def_property_readonly("multiply_adds",
                               [](const Owner& o) { return o.architecture().multiply_adds(); })
        .def("layer_names",
             [](const Owner& o) {
                 std::vector<std::string> names;
                 for (const auto& layer : o.architecture().layers) names.push_back(layer.name);
                 return names;
             })
        .def(
            "layer_output_shape",
            [](const Owner& o, const std::string& layer) {
                return shape_tuple(layer_of(o.architecture(), layer).output_shape);
            },
            py::arg("layer"))
        .def("stages", [](const Owner& o) { return o.architecture().describe_stages(); });
}

}  // namespace nncore::bindings
