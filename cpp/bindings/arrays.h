// Checks of NumPy arrays at the border: refuse rather than convert, and say what was passed.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <string>
#include <utility>
#include <vector>

namespace nncore::bindings {

namespace py = pybind11;

inline std::string shape_of(const py::array& x) {
    std::string text = "(";
    for (py::ssize_t i = 0; i < x.ndim(); ++i)
        text += (i > 0 ? ", " : "") + std::to_string(x.shape(i));
    return text + (x.ndim() == 1 ? ",)" : ")");
}

inline std::vector<std::ptrdiff_t> shape_vector(const py::array& x) {
    return {x.shape(), x.shape() + x.ndim()};
}

// Values of type T in native byte order, aligned, not empty; any strides.
template <class T>
void require_dtype(const py::array& x, const char* name) {
    if (!py::isinstance<py::array_t<T>>(x))
        throw py::type_error(std::string(name) + " must have dtype " +
                             std::string(py::str(py::dtype::of<T>())) + ", got " +
                             std::string(py::str(x.dtype())) + " with shape " + shape_of(x));
    if ((x.flags() & py::detail::npy_api::NPY_ARRAY_ALIGNED_) == 0)
        throw py::value_error(std::string(name) +
                              " is not aligned in memory; pass a copy of the array");
    if (x.size() == 0) throw py::value_error(std::string(name) + " is empty: shape " + shape_of(x));
}

inline void require_contiguous(const py::array& x, const char* name) {
    if ((x.flags() & py::array::c_style) == 0)
        throw py::value_error(std::string(name) + " must be C-contiguous, got strides of shape " +
                              shape_of(x) + "; pass np.ascontiguousarray(" + name + ")");
}

inline void require_dimensions(const py::array& x, const char* name, py::ssize_t dimensions) {
    if (x.ndim() != dimensions)
        throw py::value_error(std::string(name) + " must have " + std::to_string(dimensions) +
                              " dimension(s), got shape " + shape_of(x));
}

inline void require_same_shape(const py::array& a, const char* a_name, const py::array& b,
                               const char* b_name) {
    if (shape_vector(a) != shape_vector(b))
        throw py::value_error(std::string(a_name) + " and " + b_name +
                              " must have the same shape, got " + shape_of(a) + " and " +
                              shape_of(b));
}

// A C-contiguous array to read.
template <class T>
const T* input(const py::array& x, const char* name) {
    require_dtype<T>(x, name);
    require_contiguous(x, name);
    return static_cast<const T*>(x.data());
}

// A C-contiguous array to write in place.
template <class T>
T* output(py::array& x, const char* name) {
    require_dtype<T>(x, name);
    require_contiguous(x, name);
    if (!x.writeable()) throw py::value_error(std::string(name) + " is read-only");
    return static_cast<T*>(x.mutable_data());
}

// First and one past the last byte that an array of any strides touches.
inline std::pair<const char*, const char*> extent(const py::array& x) {
    const char* low = static_cast<const char*>(x.data());
    const char* high = low;
    for (py::ssize_t i = 0; i < x.ndim(); ++i) {
        const py::ssize_t reach = (x.shape(i) - 1) * x.strides(i);
        (reach < 0 ? low : high) += reach;
    }
    return {low, high + x.itemsize()};
}

inline void require_no_overlap(const py::array& written, const char* written_name,
                               const py::array& read, const char* read_name) {
    const auto w = extent(written), r = extent(read);
    if (w.first < r.second && r.first < w.second)
        throw py::value_error(std::string(written_name) + " shares memory with " + read_name);
}

inline py::array_t<float> new_floats(const std::vector<std::ptrdiff_t>& shape) {
    return py::array_t<float>(std::vector<py::ssize_t>(shape.begin(), shape.end()));
}

}  // namespace nncore::bindings
