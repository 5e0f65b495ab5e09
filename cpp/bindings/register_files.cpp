// Files of nncore's own that are mapped into memory, and the checksums by which damage is found.
// The GIL is released where bytes are read: they may have to come from the disk.
#include <cerrno>
#include <system_error>

#include "../runtime/checksum.h"
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
        errno = error.code().value();
        PyErr_SetFromErrnoWithFilenameObject(PyExc_OSError, path.ptr());
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

// uint64 (B,): of those blocks of `block_bytes` bytes of uint8 (N,) that are asked for; the last
// block may be shorter.
py::array_t<std::uint64_t> checksums(const py::array& bytes, std::size_t block_bytes,
                                     const py::array& blocks) {
    const std::uint8_t* const data = input<std::uint8_t>(bytes, "bytes");
    const std::int64_t* const chosen = input<std::int64_t>(blocks, "blocks");
    const auto size = static_cast<std::size_t>(bytes.size());
    const py::ssize_t count = blocks.size();
    if (block_bytes == 0) throw py::value_error("block_bytes must be at least 1");
    const auto available = static_cast<std::int64_t>((size + block_bytes - 1) / block_bytes);
    for (py::ssize_t i = 0; i < count; ++i)
        if (chosen[i] < 0 || chosen[i] >= available)
            throw py::value_error("block " + std::to_string(chosen[i]) + " of " +
                                  std::to_string(available));
    py::array_t<std::uint64_t> result(count);
    std::uint64_t* const sums = result.mutable_data();
    const py::gil_scoped_release unlocked;
    for (py::ssize_t i = 0; i < count; ++i) {
        const std::size_t first = static_cast<std::size_t>(chosen[i]) * block_bytes;
        sums[i] = runtime::checksum(data + first, std::min(block_bytes, size - first));
    }
    return result;
}

}  // namespace

void register_files(py::module_& m) {
    using py::arg;
    m.def("map_file", &map_file, arg("path"), arg("size"));
    m.def("checksums", &checksums, arg("bytes"), arg("block_bytes"), arg("blocks"));
    m.def(
        "lost_pages", [](const py::array& array) { return runtime::lost_pages_at(array.data()); },
        arg("array"));
}

}  // namespace nncore::bindings
