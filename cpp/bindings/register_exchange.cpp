// What processes of one machine that share batches tell each other through memory, and where their
// time goes, for Python.
#include <pybind11/stl.h>

#include "../network/shared_memory_exchange.h"
#include "../network/trace.h"
#include "arrays.h"

namespace nncore::bindings {
namespace {

using network::SharedMemoryExchange;
using network::Trace;

std::size_t exchange_bytes(std::ptrdiff_t size) {
    if (size < 1) throw py::value_error("size must be at least 1, got " + std::to_string(size));
    return SharedMemoryExchange::bytes(size);
}

SharedMemoryExchange exchange_over(py::array& memory, std::ptrdiff_t rank, std::ptrdiff_t size) {
    if (rank < 0 || rank >= size)
        throw py::value_error("rank must be from 0 to size - 1, got rank " + std::to_string(rank) +
                              " of " + std::to_string(size));
    std::uint8_t* const bytes = output<std::uint8_t>(memory, "memory");
    if (static_cast<std::size_t>(memory.nbytes()) < exchange_bytes(size))
        throw py::value_error("memory has " + std::to_string(memory.nbytes()) + " bytes, and " +
                              std::to_string(size) + " processes need " +
                              std::to_string(exchange_bytes(size)));
    return {reinterpret_cast<std::byte*>(bytes), rank, size};
}

void sum(SharedMemoryExchange& exchange, py::array& values) {
    require_dimensions(values, "values", 1);
    float* const data = output<float>(values, "values");
    const std::ptrdiff_t count = values.size();
    const py::gil_scoped_release released;  // it waits for others
    exchange.sum(data, count);
}

void gather_rows(SharedMemoryExchange& exchange, py::array& rows,
                 const std::vector<std::ptrdiff_t>& begins) {
    require_dimensions(rows, "rows", 2);
    float* const data = output<float>(rows, "rows");
    bool in_order = static_cast<std::ptrdiff_t>(begins.size()) == exchange.size() + 1 &&
                    begins.front() == 0 && begins.back() == rows.shape(0);
    for (std::size_t i = 1; in_order && i < begins.size(); ++i)
        in_order = begins[i - 1] <= begins[i];
    if (!in_order)
        throw py::value_error(
            "begins must go from 0 to the number of rows in as many steps as "
            "there are processes");
    const std::ptrdiff_t floats = rows.shape(1);
    const py::gil_scoped_release released;
    exchange.gather(data, floats, begins.data());
}

}  // namespace

void register_exchange(py::module_& m) {
    using py::arg;
    m.def("exchange_bytes", &exchange_bytes, arg("size"));
    py::class_<SharedMemoryExchange>(m, "SharedMemoryExchange")
        .def(py::init(&exchange_over), arg("memory"), arg("rank"), arg("size"),
             py::keep_alive<1, 2>())
        .def_property_readonly("rank", &SharedMemoryExchange::rank)
        .def_property_readonly("size", &SharedMemoryExchange::size)
        .def("sum", &sum, arg("values"))
        .def("gather_rows", &gather_rows, arg("rows"), arg("begins"));
    py::class_<Trace>(m, "Trace")
        .def(py::init([](std::size_t most) { return Trace(most); }), arg("most"))
        .def("events", [](const Trace& trace) {
            py::list events;
            for (const Trace::Event& one : trace.events())
                events.append(py::make_tuple(one.what, one.stage, one.begin, one.end));
            return events;
        });
}

}  // namespace nncore::bindings
