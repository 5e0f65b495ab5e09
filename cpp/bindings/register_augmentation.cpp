// Augmentation: its settings, and the very copies of images that training sees.
#include <pybind11/stl.h>

#include <cstdint>
#include <string>

#include "../network/augmentation.h"
#include "arrays.h"

namespace nncore::bindings {
namespace {

using network::Augmentation;

kernels::Fill fill_from_name(const std::string& name) {
    if (name == "constant") return kernels::Fill::constant;
    if (name == "edge") return kernels::Fill::edge;
    if (name == "reflect") return kernels::Fill::reflect;
    throw py::value_error("fill must be constant, edge or reflect, got " + name);
}

Augmentation settings(double shift, double rotation, double scale, bool horizontal_flip,
                      bool vertical_flip, double brightness, double contrast,
                      std::ptrdiff_t crop_padding, double erase, const std::string& fill,
                      float fill_value) {
    const Augmentation result{.shift = shift,
                              .rotation = rotation,
                              .scale = scale,
                              .horizontal_flip = horizontal_flip,
                              .vertical_flip = vertical_flip,
                              .brightness = brightness,
                              .contrast = contrast,
                              .crop_padding = crop_padding,
                              .erase = erase,
                              .fill = fill_from_name(fill),
                              .fill_value = fill_value};
    result.validate();
    return result;
}

template <class T>
py::array augment_images(const py::array& images, const std::vector<std::int32_t>& positions,
                         std::uint64_t seed, std::uint32_t epoch,
                         const Augmentation& augmentation) {
    const T* x = input<T>(images, "images");
    const network::Shape shape{images.shape(1), images.shape(2), images.shape(3)};
    const std::ptrdiff_t size = network::element_count(shape);
    py::array_t<T> result({images.shape(0), images.shape(1), images.shape(2), images.shape(3)});
    T* y = result.mutable_data();
    const py::gil_scoped_release unlocked;
    for (const std::int32_t position : positions) {
        kernels::augment(network::draw_augmentation(augmentation, shape, {seed, epoch},
                                                    static_cast<std::uint32_t>(position)),
                         x, y);
        x += size;
        y += size;
    }
    return result;
}

// What training makes of these images if they stand at these positions of its data set.
py::array augment(const py::array& images, const py::array& indices, std::uint64_t seed,
                  std::uint32_t epoch, const Augmentation& augmentation) {
    require_dimensions(images, "images", 4);
    require_dimensions(indices, "indices", 1);
    const std::int32_t* first = input<std::int32_t>(indices, "indices");
    if (indices.shape(0) != images.shape(0))
        throw py::value_error("there must be one index per image (" +
                              std::to_string(images.shape(0)) + "), got " +
                              std::to_string(indices.shape(0)));
    const std::vector<std::int32_t> positions(first, first + indices.shape(0));
    for (std::size_t i = 0; i < positions.size(); ++i)
        if (positions[i] < 0)
            throw py::value_error("indices[" + std::to_string(i) +
                                  "] is negative: " + std::to_string(positions[i]));
    if (py::isinstance<py::array_t<std::uint8_t>>(images))
        return augment_images<std::uint8_t>(images, positions, seed, epoch, augmentation);
    if (py::isinstance<py::array_t<float>>(images))
        return augment_images<float>(images, positions, seed, epoch, augmentation);
    throw py::type_error("images must have dtype uint8 or float32, got " +
                         std::string(py::str(images.dtype())));
}

}  // namespace

void register_augmentation(py::module_& m) {
    using py::arg;
    py::class_<Augmentation>(m, "Augmentation")
        .def(py::init(&settings), arg("shift") = 0.0, arg("rotation") = 0.0, arg("scale") = 0.0,
             arg("horizontal_flip") = false, arg("vertical_flip") = false, arg("brightness") = 0.0,
             arg("contrast") = 0.0, arg("crop_padding") = 0, arg("erase") = 0.0,
             arg("fill") = "constant", arg("fill_value") = 0.0f);
    m.def("augment", &augment, arg("images"), arg("indices"), arg("seed"), arg("epoch"),
          arg("augmentation"));
}

}  // namespace nncore::bindings
