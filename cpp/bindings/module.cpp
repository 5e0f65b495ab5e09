// nncore._core: the compiled core for Python. One file per subject registers itself here.
#include <pybind11/pybind11.h>

#include "../images/plain_jpeg.h"
#include "../images/plain_png.h"
#include "../kernels/dispatch.h"
#include "../runtime/parallel.h"

namespace py = pybind11;

namespace nncore::bindings {

void register_augmentation(py::module_& module);
void register_kernels(py::module_& module);
void register_exchange(py::module_& module);
void register_files(py::module_& module);
void register_images(py::module_& module);
void register_network(py::module_& module);
void register_builder(py::module_& module);

namespace {

py::dict info() {
    py::dict result;
    result["version"] = NNCORE_VERSION;
    result["isa"] = kernels::active().isa;
    py::list isas;
    for (const auto& name : kernels::available_isas()) isas.append(name);
    result["isas"] = isas;
    result["threads"] = runtime::thread_limit();
    result["openmp"] = py::none();            // threads are the core's own
    result["zlib"] = images::zlib_release();  // None for nullptr
    result["libjpeg"] = images::libjpeg_release();
    result["compiler"] = NNCORE_COMPILER;
    return result;
}

}  // namespace

PYBIND11_MODULE(_core, module) {
    module.doc() = "Compiled kernels and network engine of nncore; use the nncore package instead.";
    // A wrong NNCORE_ISA or NNCORE_NUM_THREADS stops the import, with a message that says so.
    kernels::active();
    runtime::thread_limit();
    module.attr("__version__") = NNCORE_VERSION;
    module.def("info", &info);
    module.def("get_num_threads", &runtime::thread_limit);
    module.def("set_num_threads", &runtime::set_thread_limit, py::arg("threads"));
    module.def("select_isa", &kernels::select_isa, py::arg("name"));
    register_augmentation(module);
    register_kernels(module);
    register_network(module);
    register_builder(module);
    register_exchange(module);
    register_files(module);
    register_images(module);
}

}  // namespace nncore::bindings
