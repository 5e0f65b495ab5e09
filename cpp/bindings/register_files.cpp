// Files of nncore's own that are mapped into memory, and the checksums by which damage is found.
// The GIL is released where bytes are read: they may have to come from the disk.
#include <system_error>

#include "../runtime/checked_blocks.h"
#include "../runtime/mapped_file.h"
#include "arrays.h"

namespace nncore::bindings {
namespace {

std::string file_name(const py::object& path) {
    PyObject* bytes = nullptr;
    if (PyUnicode_FSConverter(path.ptr(), &bytes) == 0) throw py::error_already_set();
    const auto owner = py::reinterpret_steal<py::bytes>(bytes);
    return owner;
}

// uint8 (size,) that cannot be written, and lives as long as any array of it.
py::array map_file(const py::object& path, std::size_t size) {
    std::unique_ptr<runtime::MappedFile> file;
    try {
        file = std::make_unique<runtime::MappedFile>(file_name(path), size);
    } catch (const std::system_error& error) {
        // Not by errno: on Windows Python may have one of its own.
        const py::object os_error = py::reinterpret_borrow<py::object>(PyExc_OSError);
        const py::object raised = os_error(error.code().value(), error.code().message(), path);
        PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(raised.ptr())), raised.ptr());
        throw py::error_already_set();
    }
    const std::uint8_t* const data = file->data();
    const py::capsule owner(file.get(),
                            [](void* held) { delete static_cast<runtime::MappedFile*>(held); });
    file.release();
    py::array_t<std::uint8_t> array(static_cast<py::ssize_t>(size), data, owner);
    array.attr("setflags")(py::arg("write") = false);
    return array;
}

// uint64 (B,): of each block of `block_bytes` bytes of uint8 (N,); the last may be shorter.
py::array_t<std::uint64_t> block_checksums(const py::array& bytes, std::size_t block_bytes) {
    const std::uint8_t* const data = input<std::uint8_t>(bytes, "bytes");
    const auto size = static_cast<std::size_t>(bytes.size());
    if (block_bytes == 0) throw py::value_error("block_bytes must be at least 1");
    const std::size_t count = size / block_bytes + (size % block_bytes != 0);
    py::array_t<std::uint64_t> result(static_cast<py::ssize_t>(count));
    std::uint64_t* const sums = result.mutable_data();
    const py::gil_scoped_release unlocked;
    runtime::block_checksums(data, size, block_bytes, sums);
    return result;
}

// Of an array (M, ...) of any dtype, which must live as long.
std::unique_ptr<runtime::CheckedBlocks> checked_blocks(const py::array& rows,
                                                       std::size_t rows_per_block,
                                                       const py::array& checksums) {
    require_contiguous(rows, "rows");
    if (rows.ndim() == 0 || rows.size() == 0) throw py::value_error("rows is empty");
    const std::uint64_t* const sums = input<std::uint64_t>(checksums, "checksums");
    const auto size = static_cast<std::size_t>(rows.nbytes());
    return std::make_unique<runtime::CheckedBlocks>(
        static_cast<const std::uint8_t*>(rows.data()), size,
        size / static_cast<std::size_t>(rows.shape(0)), rows_per_block,
        std::vector<std::uint64_t>(sums, sums + checksums.size()));
}

template <class Index>
bool sound(runtime::CheckedBlocks& blocks, const py::array& rows) {
    const Index* const chosen = input<Index>(rows, "rows");
    const auto count = static_cast<std::size_t>(rows.size());
    const py::gil_scoped_release unlocked;
    for (std::size_t i = 0; i < count; ++i)
        if (chosen[i] < 0 || static_cast<std::size_t>(chosen[i]) >= blocks.rows())
            throw std::invalid_argument("row " + std::to_string(chosen[i]) + " of " +
                                        std::to_string(blocks.rows()));
    return blocks.sound(chosen, count);
}

bool rows_are_sound(runtime::CheckedBlocks& blocks, const py::array& rows) {
    return rows.itemsize() == 4 ? sound<std::int32_t>(blocks, rows)
                                : sound<std::int64_t>(blocks, rows);
}

}  // namespace

void register_files(py::module_& m) {
    using py::arg;
    m.def("map_file", &map_file, arg("path"), arg("size"));
    m.def("block_checksums", &block_checksums, arg("bytes"), arg("block_bytes"));
    py::class_<runtime::CheckedBlocks>(m, "CheckedBlocks")
        .def(py::init(&checked_blocks), arg("rows"), arg("rows_per_block"), arg("checksums"),
             py::keep_alive<1, 2>())
        .def("sound", &rows_are_sound, arg("rows"));
}

}  // namespace nncore::bindings
