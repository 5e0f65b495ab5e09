// Adding layers; the network that comes of it is in register_network.cpp.
#include <pybind11/stl.h>

#include <optional>
#include <utility>

#include "../network/builder.h"
#include "architecture.h"

namespace nncore::bindings {
namespace {

using network::Builder;
using network::Shape;

network::Extent extent(std::pair<std::ptrdiff_t, std::ptrdiff_t> size) {
    return {size.first, size.second};
}

}  // namespace

void register_builder(py::module_& m) {
    using py::arg;
    auto builder = py::class_<Builder>(m, "Builder");
    def_architecture(builder);
    builder.def(py::init<Shape, std::string>(), arg("input_shape"), arg("probe") = "")
        .def_property("trainable", &Builder::trainable, &Builder::set_trainable)
        .def(
            "add_dense",
            [](Builder& builder, const std::string& name, std::ptrdiff_t units,
               const std::string& activation, bool use_bias, const std::string& kernel_initializer,
               double l1, double l2) {
                builder.add_dense(name, units, activation, use_bias,
                                  {kernel_initializer, {.l1 = l1, .l2 = l2}});
            },
            arg("name"), arg("units"), arg("activation") = "linear", arg("use_bias") = true,
            arg("kernel_initializer") = "", arg("l1") = 0.0, arg("l2") = 0.0)
        .def(
            "add_conv2d",
            [](Builder& builder, const std::string& name, std::ptrdiff_t filters,
               std::pair<std::ptrdiff_t, std::ptrdiff_t> kernel_size,
               std::pair<std::ptrdiff_t, std::ptrdiff_t> strides, const std::string& padding,
               std::pair<std::ptrdiff_t, std::ptrdiff_t> pad, const std::string& activation,
               bool use_bias, std::pair<std::ptrdiff_t, std::ptrdiff_t> dilation_rate,
               std::ptrdiff_t groups, const std::string& kernel_initializer, double l1, double l2,
               std::optional<std::pair<std::ptrdiff_t, std::ptrdiff_t>> pad_after) {
                builder.add_conv2d(name,
                                   {.filters = filters,
                                    .kernel = extent(kernel_size),
                                    .strides = extent(strides),
                                    .padding = padding,
                                    .pad = extent(pad),
                                    .activation = activation,
                                    .use_bias = use_bias,
                                    .kernel_settings = {kernel_initializer, {.l1 = l1, .l2 = l2}},
                                    .dilation = extent(dilation_rate),
                                    .groups = groups,
                                    .pad_after = extent(pad_after.value_or(pad))});
            },
            arg("name"), arg("filters"), arg("kernel_size"), arg("strides") = std::pair(1, 1),
            arg("padding") = "valid", arg("pad") = std::pair(0, 0), arg("activation") = "linear",
            arg("use_bias") = true, arg("dilation_rate") = std::pair(1, 1), arg("groups") = 1,
            arg("kernel_initializer") = "", arg("l1") = 0.0, arg("l2") = 0.0,
            arg("pad_after") = py::none())
        .def(
            "add_max_pool2d",
            [](Builder& builder, const std::string& name,
               std::pair<std::ptrdiff_t, std::ptrdiff_t> pool_size,
               std::pair<std::ptrdiff_t, std::ptrdiff_t> strides, const std::string& padding,
               std::pair<std::ptrdiff_t, std::ptrdiff_t> pad,
               std::pair<std::ptrdiff_t, std::ptrdiff_t> pad_after) {
                builder.add_max_pool2d(name, extent(pool_size), extent(strides),
                                       {padding, extent(pad), extent(pad_after)});
            },
            arg("name"), arg("pool_size"), arg("strides"), arg("padding") = "valid",
            arg("pad") = std::pair(0, 0), arg("pad_after") = std::pair(0, 0))
        .def(
            "add_average_pool2d",
            [](Builder& builder, const std::string& name,
               std::pair<std::ptrdiff_t, std::ptrdiff_t> pool_size,
               std::pair<std::ptrdiff_t, std::ptrdiff_t> strides, const std::string& padding,
               std::pair<std::ptrdiff_t, std::ptrdiff_t> pad,
               std::pair<std::ptrdiff_t, std::ptrdiff_t> pad_after, bool counts_padding) {
                builder.add_average_pool2d(name, extent(pool_size), extent(strides),
                                           {padding, extent(pad), extent(pad_after)},
                                           counts_padding);
            },
            arg("name"), arg("pool_size"), arg("strides"), arg("padding") = "valid",
            arg("pad") = std::pair(0, 0), arg("pad_after") = std::pair(0, 0),
            arg("counts_padding") = false)
        .def("add_global_average_pool2d", &Builder::add_global_average_pool2d, arg("name"))
        .def("add_flatten", &Builder::add_flatten, arg("name"))
        .def("add_activation", &Builder::add_activation, arg("name"), arg("activation"))
        .def("add_dropout", &Builder::add_dropout, arg("name"), arg("rate"))
        .def("add_batch_normalization", &Builder::add_batch_normalization, arg("name"),
             arg("momentum"), arg("epsilon"))
        .def("add_layer_normalization", &Builder::add_layer_normalization, arg("name"),
             arg("epsilon"))
        .def(
            "begin_block",
            [](Builder& builder, const std::string& name, const std::string& join) {
                builder.begin_block(name, network::join_from_name(join));
            },
            arg("name"), arg("join"))
        .def("next_branch", &Builder::next_branch)
        .def("end_block", &Builder::end_block, arg("activation") = "linear")
        .def("add_rescaling", &Builder::add_rescaling, arg("name"), arg("scale"), arg("offset"))
        .def("build", &Builder::build, arg("seed"))
        .def("build_probe", &Builder::build_probe);
}

}  // namespace nncore::bindings
