// The kernels over NumPy arrays: checks, then one call with the GIL released (each may run for
// milliseconds and touches no Python object).
#include <pybind11/stl.h>

#include <algorithm>
#include <optional>

#include "../kernels/dispatch.h"
#include "../kernels/matmul.h"
#include "../runtime/aligned_buffer.h"
#include "arrays.h"

namespace nncore::bindings {
namespace {

using kernels::Activation;

constexpr py::ssize_t kFloat = static_cast<py::ssize_t>(sizeof(float));

void require_whole_strides(const py::array& x, const char* name) {
    for (py::ssize_t i = 0; i < x.ndim(); ++i)
        if (x.strides(i) % kFloat != 0)
            throw py::value_error(std::string(name) +
                                  " has strides that are no multiple of 4 bytes");
}

// (..., M, K) @ (..., K, N) with NumPy's broadcasting of the leading dimensions.
void matmul(const py::array& a, const py::array& b, py::array& out, float alpha, bool accumulate) {
    require_dtype<float>(a, "a");
    require_dtype<float>(b, "b");
    require_dtype<float>(out, "out");
    const auto fail = [&](const std::string& what) {
        throw py::value_error("matmul: " + what + ": a " + shape_of(a) + ", b " + shape_of(b) +
                              ", out " + shape_of(out));
    };
    if (a.ndim() < 2 || b.ndim() < 2 || out.ndim() < 2) fail("needs at least 2 dimensions");
    require_whole_strides(a, "a");
    require_whole_strides(b, "b");
    require_whole_strides(out, "out");
    const py::ssize_t da = a.ndim(), db = b.ndim(), dc = out.ndim();
    kernels::MatmulArgs p;
    p.M = a.shape(da - 2);
    p.K = a.shape(da - 1);
    p.N = b.shape(db - 1);
    p.alpha = alpha;
    p.accumulate = accumulate;
    if (b.shape(db - 2) != p.K) fail("the inner dimensions differ");
    if (out.shape(dc - 2) != p.M || out.shape(dc - 1) != p.N || dc != std::max(da, db))
        fail("out has the wrong shape");
    for (py::ssize_t d = 0; d < dc - 2; ++d) {
        const py::ssize_t ia = d - (dc - da), ib = d - (dc - db);
        const py::ssize_t na = ia < 0 ? 1 : a.shape(ia), nb = ib < 0 ? 1 : b.shape(ib);
        if (na != nb && na != 1 && nb != 1) fail("the batch dimensions do not broadcast");
        const py::ssize_t n = std::max(na, nb);
        if (out.shape(d) != n) fail("out has the wrong batch dimensions");
        p.batch_shape.push_back(n);
        p.a_batch.push_back(na == 1 ? 0 : a.strides(ia) / kFloat);
        p.b_batch.push_back(nb == 1 ? 0 : b.strides(ib) / kFloat);
        p.c_batch.push_back(out.strides(d) / kFloat);
    }
    if (!out.writeable()) fail("out is read-only");
    if (p.N > 1 && out.strides(dc - 1) != kFloat) fail("the rows of out must be contiguous");
    // Rows, or matrices, that overlap each other would be written twice, in no fixed order.
    if (p.M > 1 && out.strides(dc - 2) < p.N * kFloat) fail("the rows of out overlap");
    py::ssize_t matrix = (p.M - 1) * std::max<py::ssize_t>(out.strides(dc - 2), 0) + p.N * kFloat;
    for (py::ssize_t d = dc - 3; d >= 0; --d) {
        if (out.shape(d) == 1) continue;
        if (out.strides(d) < matrix) fail("the matrices of out overlap");
        matrix = (out.shape(d) - 1) * out.strides(d) + matrix;
    }
    require_no_overlap(out, "out", a, "a");
    require_no_overlap(out, "out", b, "b");
    p.a = static_cast<const float*>(a.data());
    p.a_row = a.strides(da - 2) / kFloat;
    p.a_column = a.strides(da - 1) / kFloat;
    p.b = static_cast<const float*>(b.data());
    p.b_row = b.strides(db - 2) / kFloat;
    p.b_column = b.strides(db - 1) / kFloat;
    p.c = static_cast<float*>(out.mutable_data());
    p.c_row = p.M > 1 ? out.strides(dc - 2) / kFloat : p.N;
    // A dimension of size 1 may have any stride; give it one that keeps the fast paths open.
    if (p.K == 1) p.a_column = 1;
    if (p.N == 1 && p.K > 1) p.b_column = 1;
    const py::gil_scoped_release unlocked;
    kernels::matmul(p);
}

// A plain matrix: float32, aligned, two dimensions, none of them empty.
struct Plain {
    float* data;
    py::ssize_t rows, columns, row, column;  // strides in floats
    bool writeable;
};

bool read_plain(py::handle object, Plain& matrix) {
    // NumPy's own float32 is one object; another dtype equal to it takes the long way.
    static const PyObject* const float32 = py::dtype::of<float>().release().ptr();
    if (!py::detail::npy_api::get().PyArray_Check_(object.ptr())) return false;
    const auto* const array = py::detail::array_proxy(object.ptr());
    const py::ssize_t* const strides = array->strides;
    if (array->descr != float32 || array->nd != 2 || array->dimensions[0] == 0 ||
        array->dimensions[1] == 0 || strides[0] % kFloat != 0 || strides[1] % kFloat != 0 ||
        (array->flags & py::detail::npy_api::NPY_ARRAY_ALIGNED_) == 0)
        return false;
    matrix = {reinterpret_cast<float*>(array->data),
              array->dimensions[0],
              array->dimensions[1],
              strides[0] / kFloat,
              strides[1] / kFloat,
              (array->flags & py::detail::npy_api::NPY_ARRAY_WRITEABLE_) != 0};
    return true;
}

// First and one past the last float that a matrix touches.
std::pair<const float*, const float*> extent(const Plain& m) {
    const py::ssize_t down = (m.rows - 1) * m.row, right = (m.columns - 1) * m.column;
    const py::ssize_t zero = 0;
    return {m.data + std::min(down, zero) + std::min(right, zero),
            m.data + std::max(down, zero) + std::max(right, zero) + 1};
}

// a @ b for two plain matrices that fit, in a microsecond less than `matmul`: true if that was so
// and is done. Nothing was touched otherwise, and `matmul` says what is wrong, if anything is.
bool matmul_plain(py::handle a, py::handle b, py::handle out) {
    Plain x, y, z;
    if (!read_plain(a, x) || !read_plain(b, y) || !read_plain(out, z)) return false;
    if (x.columns != y.rows || z.rows != x.rows || z.columns != y.columns || !z.writeable ||
        z.column != 1 || z.row < z.columns)
        return false;
    const auto written = extent(z);
    for (const Plain& read : {x, y}) {
        const auto touched = extent(read);
        if (written.first < touched.second && touched.first < written.second) return false;
    }
    kernels::MatmulArgs p;
    p.M = x.rows;
    p.K = x.columns;
    p.N = y.columns;
    p.a = x.data;
    p.a_row = x.row;
    p.a_column = p.K == 1 ? 1 : x.column;
    p.b = y.data;
    p.b_row = y.row;
    p.b_column = p.N == 1 && p.K > 1 ? 1 : y.column;
    p.c = z.data;
    p.c_row = z.row;
    // Below some 10 microseconds of work, letting others run costs more than it gives.
    if (static_cast<double>(p.M) * static_cast<double>(p.N) * static_cast<double>(p.K) < 1e6) {
        kernels::matmul(p);
    } else {
        const py::gil_scoped_release unlocked;
        kernels::matmul(p);
    }
    return true;
}

void add_bias(const py::array& x, const py::array& bias, py::array& out) {
    const float* px = input<float>(x, "x");
    const float* pb = input<float>(bias, "bias");
    float* py_ = output<float>(out, "out");
    require_dimensions(x, "x", 2);
    require_dimensions(bias, "bias", 1);
    require_same_shape(out, "out", x, "x");
    if (bias.shape(0) != x.shape(1))
        throw py::value_error("bias must have one value per column of x, got " + shape_of(bias) +
                              " for " + shape_of(x));
    const py::ssize_t rows = x.shape(0), columns = x.shape(1);
    const py::gil_scoped_release unlocked;
    kernels::active().add_bias(rows, columns, px, columns, pb, py_, columns);
}

void bias_gradient(const py::array& dy, py::array& out) {
    const float* pdy = input<float>(dy, "dy");
    float* gradient = output<float>(out, "out");
    require_dimensions(dy, "dy", 2);
    require_dimensions(out, "out", 1);
    if (out.shape(0) != dy.shape(1))
        throw py::value_error("out must have one value per column of dy, got " + shape_of(out) +
                              " for " + shape_of(dy));
    require_no_overlap(out, "out", dy, "dy");
    const py::ssize_t rows = dy.shape(0), columns = dy.shape(1);
    const py::gil_scoped_release unlocked;
    kernels::active().bias_gradient(rows, columns, pdy, columns, true, gradient);
}

Activation activation_from_name(const std::string& name) {
    if (name == "relu") return Activation::relu;
    if (name == "sigmoid") return Activation::sigmoid;
    if (name == "tanh") return Activation::tanh;
    throw py::value_error("unknown activation \"" + name + "\"; known: relu, sigmoid, tanh");
}

void activation(const std::string& name, const py::array& x, py::array& out) {
    const Activation kind = activation_from_name(name);
    const float* px = input<float>(x, "x");
    float* result = output<float>(out, "out");
    require_same_shape(out, "out", x, "x");
    if (px != result) require_no_overlap(out, "out", x, "x");
    const py::ssize_t count = x.size();
    const py::gil_scoped_release unlocked;
    kernels::active().activation(kind, count, px, result);
}

void activation_gradient(const std::string& name, const py::array& y, const py::array& dy,
                         py::array& out) {
    const Activation kind = activation_from_name(name);
    const float* outputs = input<float>(y, "y");
    const float* pdy = input<float>(dy, "dy");
    float* result = output<float>(out, "out");
    require_same_shape(dy, "dy", y, "y");
    require_same_shape(out, "out", y, "y");
    if (pdy != result) require_no_overlap(out, "out", dy, "dy");
    if (outputs != result) require_no_overlap(out, "out", y, "y");
    const py::ssize_t count = y.size();
    const py::gil_scoped_release unlocked;
    kernels::active().activation_gradient(kind, count, outputs, pdy, result);
}

runtime::AlignedBuffer rowwise_scratch(py::ssize_t columns) {
    return runtime::AlignedBuffer(
        static_cast<std::size_t>(3 * kernels::kBlock * kernels::padded(columns)));
}

void softmax(const py::array& x, py::array& out) {
    const float* px = input<float>(x, "x");
    float* result = output<float>(out, "out");
    require_dimensions(x, "x", 2);
    require_same_shape(out, "out", x, "x");
    require_no_overlap(out, "out", x, "x");
    const py::ssize_t rows = x.shape(0), columns = x.shape(1);
    const py::gil_scoped_release unlocked;
    runtime::AlignedBuffer scratch = rowwise_scratch(columns);
    kernels::active().softmax(rows, columns, px, columns, result, columns, scratch.data());
}

void softmax_gradient(const py::array& y, const py::array& dy, py::array& out) {
    const float* outputs = input<float>(y, "y");
    const float* pdy = input<float>(dy, "dy");
    float* result = output<float>(out, "out");
    require_dimensions(y, "y", 2);
    require_same_shape(dy, "dy", y, "y");
    require_same_shape(out, "out", y, "y");
    require_no_overlap(out, "out", y, "y");
    require_no_overlap(out, "out", dy, "dy");
    const py::ssize_t rows = y.shape(0), columns = y.shape(1);
    const py::gil_scoped_release unlocked;
    runtime::AlignedBuffer scratch = rowwise_scratch(columns);
    kernels::active().softmax_gradient(rows, columns, outputs, columns, pdy, columns, result,
                                       columns, scratch.data());
}

using LossKernel = decltype(kernels::Kernels::squared_error);

// Per-row losses into `losses`; 2-D outputs and targets. With `gradient`, scale times the gradient.
void loss(LossKernel kernel, const py::array& outputs, const py::array& targets, py::array& losses,
          std::optional<py::array> gradient, float scale) {
    const float* po = input<float>(outputs, "outputs");
    const float* pt = input<float>(targets, "targets");
    float* pl = output<float>(losses, "losses");
    require_dimensions(outputs, "outputs", 2);
    require_same_shape(targets, "targets", outputs, "outputs");
    require_dimensions(losses, "losses", 1);
    if (losses.shape(0) != outputs.shape(0))
        throw py::value_error("losses must have one value per row of outputs, got " +
                              shape_of(losses) + " for " + shape_of(outputs));
    require_no_overlap(losses, "losses", outputs, "outputs");
    require_no_overlap(losses, "losses", targets, "targets");
    float* pg = nullptr;
    if (gradient) {
        pg = output<float>(*gradient, "gradient");
        require_same_shape(*gradient, "gradient", outputs, "outputs");
        require_no_overlap(*gradient, "gradient", outputs, "outputs");
        require_no_overlap(*gradient, "gradient", targets, "targets");
        require_no_overlap(*gradient, "gradient", losses, "losses");
    }
    const py::ssize_t rows = outputs.shape(0), columns = outputs.shape(1);
    const py::gil_scoped_release unlocked;
    runtime::AlignedBuffer scratch = rowwise_scratch(columns);
    kernel(rows, columns, scale, po, columns, pt, columns, pl, pg, columns, nullptr,
           scratch.data());
}

void squared_error(const py::array& outputs, const py::array& targets, py::array& losses,
                   std::optional<py::array> gradient, float scale) {
    loss(kernels::active().squared_error, outputs, targets, losses, std::move(gradient), scale);
}

void softmax_cross_entropy(const py::array& outputs, const py::array& targets, py::array& losses,
                           std::optional<py::array> gradient, float scale) {
    loss(kernels::active().softmax_cross_entropy, outputs, targets, losses, std::move(gradient),
         scale);
}

void sgd_update(py::array& weights, const py::array& gradient, float learning_rate) {
    float* w = output<float>(weights, "weights");
    const float* g = input<float>(gradient, "gradient");
    require_same_shape(gradient, "gradient", weights, "weights");
    if (g != w) require_no_overlap(weights, "weights", gradient, "gradient");
    const py::ssize_t count = weights.size();
    const py::gil_scoped_release unlocked;
    kernels::active().sgd_update(count, learning_rate, g, w);
}

}  // namespace

void register_kernels(py::module_& m) {
    using py::arg;
    m.def("matmul_plain", &matmul_plain, arg("a"), arg("b"), arg("out"));
    m.def("matmul", &matmul, arg("a"), arg("b"), arg("out"), arg("alpha"), arg("accumulate"));
    m.def("add_bias", &add_bias, arg("x"), arg("bias"), arg("out"));
    m.def("bias_gradient", &bias_gradient, arg("dy"), arg("out"));
    m.def("activation", &activation, arg("name"), arg("x"), arg("out"));
    m.def("activation_gradient", &activation_gradient, arg("name"), arg("y"), arg("dy"),
          arg("out"));
    m.def("softmax", &softmax, arg("x"), arg("out"));
    m.def("softmax_gradient", &softmax_gradient, arg("y"), arg("dy"), arg("out"));
    m.def("squared_error", &squared_error, arg("outputs"), arg("targets"), arg("losses"),
          arg("gradient"), arg("scale"));
    m.def("softmax_cross_entropy", &softmax_cross_entropy, arg("outputs"), arg("targets"),
          arg("losses"), arg("gradient"), arg("scale"));
    m.def("sgd_update", &sgd_update, arg("weights"), arg("gradient"), arg("learning_rate"));
}

}  // namespace nncore::bindings
