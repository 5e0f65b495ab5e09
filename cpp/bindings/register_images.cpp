// Pixels of picture files, and facts about many files. The GIL is released: a large picture takes
// milliseconds, and so do the facts of thousands of files.
#include <pybind11/stl.h>

#include "../images/png_filters.h"
#include "../runtime/file_status.h"
#include "../runtime/parallel.h"
#include "../runtime/plain_files.h"
#include "arrays.h"

namespace nncore::bindings {
namespace {

constexpr py::ssize_t kLongestSide = py::ssize_t{1} << 31;  // PNG has no longer one
constexpr std::ptrdiff_t kFilesWorthATeam = 1024;           // a millisecond of work

py::array_t<std::uint8_t> png_pixels(const py::bytes& lines, py::ssize_t height, py::ssize_t width,
                                     py::ssize_t channels) {
    if (height < 1 || width < 1 || height > kLongestSide || width > kLongestSide)
        throw py::value_error("height and width must be from 1 to 2^31, got " +
                              std::to_string(height) + " and " + std::to_string(width));
    if (channels != 1 && channels != 3)
        throw py::value_error("channels must be 1 or 3, got " + std::to_string(channels));
    char* data = nullptr;
    py::ssize_t size = 0;
    if (PyBytes_AsStringAndSize(lines.ptr(), &data, &size) != 0) throw py::error_already_set();
    const py::ssize_t line_bytes = width * channels;
    // A division, since the product may not fit.
    if (size % height != 0 || size / height != line_bytes + 1)
        throw py::value_error("lines must hold " + std::to_string(height) + " lines of 1 + " +
                              std::to_string(line_bytes) + " bytes, got " + std::to_string(size) +
                              " bytes");
    py::array_t<std::uint8_t> pixels({height, width, channels});
    std::uint8_t* const out = pixels.mutable_data();
    const auto* const in = reinterpret_cast<const std::uint8_t*>(data);
    const py::gil_scoped_release unlocked;
    images::undo_png_filters(in, height, line_bytes, channels, out);
    return pixels;
}

// Sorted names, or None: see runtime/plain_files.h.
py::object plain_files(const py::object& folder) {
    PyObject* bytes = nullptr;
    if (PyUnicode_FSConverter(folder.ptr(), &bytes) == 0) throw py::error_already_set();
    const auto encoded = py::reinterpret_steal<py::bytes>(bytes);
    const char* const name = PyBytes_AS_STRING(bytes);
    std::optional<std::vector<std::string>> found;
    {
        const py::gil_scoped_release unlocked;
        found = runtime::plain_files(name);
    }
    return py::cast(found);
}

// int64 (N, 4): size, both times, inode. Asked from Python, a file takes five times as long.
py::array_t<std::int64_t> file_status(const py::list& paths) {
    std::vector<py::object> encoded;  // owns the bytes of the names
    std::vector<const char*> names;
    encoded.reserve(paths.size());
    names.reserve(paths.size());
    for (const py::handle path : paths) {
        PyObject* bytes = nullptr;
        if (PyUnicode_FSConverter(path.ptr(), &bytes) == 0) throw py::error_already_set();
        encoded.push_back(py::reinterpret_steal<py::object>(bytes));
        names.push_back(PyBytes_AS_STRING(bytes));
    }
    py::array_t<std::int64_t> result({static_cast<py::ssize_t>(names.size()), py::ssize_t{4}});
    std::int64_t* const rows = result.mutable_data();
    const auto count = static_cast<std::ptrdiff_t>(names.size());
    const int threads = count < kFilesWorthATeam ? 1 : runtime::thread_limit();
    const py::gil_scoped_release unlocked;
    runtime::run_team(threads, [&](const runtime::Member& member) {
        const auto share = member.share(count);
        for (std::ptrdiff_t i = share.first; i < share.last; ++i) {
            const runtime::FileStatus status =
                runtime::file_status(names[static_cast<std::size_t>(i)]);
            std::int64_t* const row = rows + 4 * i;
            row[0] = status.size;
            row[1] = status.modified;
            row[2] = status.changed;
            row[3] = status.inode;
        }
    });
    return result;
}

}  // namespace

void register_images(py::module_& m) {
    using py::arg;
    m.def("png_pixels", &png_pixels, arg("lines"), arg("height"), arg("width"), arg("channels"));
    m.def("plain_files", &plain_files, arg("folder"));
    m.def("file_status", &file_status, arg("paths"));
}

}  // namespace nncore::bindings
