// Pixels of picture files, and facts about many files. The GIL is released: a large picture takes
// milliseconds, and so do the facts of thousands of files.
#include <pybind11/stl.h>

#include "../images/plain_jpeg.h"
#include "../images/plain_png.h"
#include "../runtime/file_status.h"
#include "../runtime/parallel.h"
#include "../runtime/plain_files.h"
#include "../runtime/read_file.h"
#include "arrays.h"

namespace nncore::bindings {
namespace {

constexpr std::ptrdiff_t kFilesWorthATeam = 1024;  // a millisecond of work

images::Bytes bytes_of(const py::bytes& data) {
    char* start = nullptr;
    py::ssize_t size = 0;
    if (PyBytes_AsStringAndSize(data.ptr(), &start, &size) != 0) throw py::error_already_set();
    return {reinterpret_cast<const std::uint8_t*>(start), static_cast<std::size_t>(size)};
}

// The names of files as the system takes them, for as long as this lives.
class EncodedNames {
 public:
    explicit EncodedNames(const py::sequence& paths) {
        objects_.reserve(paths.size());
        names_.reserve(paths.size());
        for (const py::handle path : paths) {
            PyObject* bytes = nullptr;
            if (PyUnicode_FSConverter(path.ptr(), &bytes) == 0) throw py::error_already_set();
            objects_.push_back(py::reinterpret_steal<py::object>(bytes));
            names_.push_back(PyBytes_AS_STRING(bytes));
        }
    }
    std::ptrdiff_t size() const { return static_cast<std::ptrdiff_t>(names_.size()); }
    const char* operator[](std::ptrdiff_t i) const { return names_[static_cast<std::size_t>(i)]; }

 private:
    std::vector<py::object> objects_;
    std::vector<const char*> names_;
};

// Sorted names, or None: see runtime/plain_files.h.
py::object plain_files(const py::object& folder) {
    const EncodedNames name(py::make_tuple(folder));
    std::optional<std::vector<std::string>> found;
    {
        const py::gil_scoped_release unlocked;
        found = runtime::plain_files(name[0]);
    }
    return py::cast(found);
}

// int64 (N, 4): size, both times, inode. Asked from Python, a file takes five times as long.
py::array_t<std::int64_t> file_status(const py::list& paths) {
    const EncodedNames names(paths);
    const std::ptrdiff_t count = names.size();
    py::array_t<std::int64_t> result({static_cast<py::ssize_t>(count), py::ssize_t{4}});
    std::int64_t* const rows = result.mutable_data();
    const int threads = count < kFilesWorthATeam ? 1 : runtime::thread_limit();
    const py::gil_scoped_release unlocked;
    runtime::run_team(threads, [&](const runtime::Team& team) {
        team.for_each(count, [&](std::ptrdiff_t i, int) {
            const runtime::FileStatus status = runtime::file_status(names[i]);
            std::int64_t* const row = rows + 4 * i;
            row[0] = status.size;
            row[1] = status.modified;
            row[2] = status.changed;
            row[3] = status.inode;
        });
    });
    return result;
}

// An array of these numbers, which it takes over.
py::array_t<std::uint8_t> as_array(std::vector<std::uint8_t>&& values,
                                   const std::vector<py::ssize_t>& shape) {
    auto owner = std::make_unique<std::vector<std::uint8_t>>(std::move(values));
    std::uint8_t* const data = owner->data();
    const py::capsule capsule(
        owner.get(), [](void* held) { delete static_cast<std::vector<std::uint8_t>*>(held); });
    owner.release();
    return py::array_t<std::uint8_t>(shape, data, capsule);
}

py::array_t<std::uint8_t> as_array(images::Pixels&& pixels) {
    return as_array(std::move(pixels.values), {pixels.height, pixels.width, pixels.channels});
}

py::object plain_png(const py::bytes& data, std::int64_t max_pixels) {
    const images::Bytes file = bytes_of(data);
    std::optional<images::Pixels> pixels;
    {
        const py::gil_scoped_release unlocked;
        pixels = images::PngReader().read(file, max_pixels);
    }
    return pixels ? py::object(as_array(std::move(*pixels))) : py::none();
}

// The pixels, and height and width as stored; or None.
py::object plain_jpeg(const py::bytes& data, std::int64_t max_pixels, std::int64_t max_decoded,
                      std::int64_t reduced_side, bool skip_applications) {
    const images::Bytes file = bytes_of(data);
    std::optional<images::Jpeg> jpeg;
    {
        const py::gil_scoped_release unlocked;
        jpeg = images::plain_jpeg(file, {max_pixels, max_decoded, reduced_side, skip_applications});
    }
    if (!jpeg) return py::none();
    return py::make_tuple(as_array(std::move(jpeg->pixels)), jpeg->height, jpeg->width);
}

// Reads and decodes many small files in one call: the content of each, or None where Python must
// read it; int32 (N, 3) heights, widths and channels, 0 where there are no pixels; and all pixels,
// one image after the other. A JPEG larger than `max_jpeg_pixels` is left to Python.
py::tuple read_pictures(const py::list& paths, std::size_t largest, std::int64_t max_pixels,
                        std::int64_t max_jpeg_pixels) {
    const EncodedNames names(paths);
    const std::ptrdiff_t count = names.size();
    py::array_t<std::int32_t> shapes({static_cast<py::ssize_t>(count), py::ssize_t{3}});
    std::int32_t* const rows = shapes.mutable_data();
    std::fill_n(rows, 3 * count, 0);
    std::vector<std::uint8_t> pixels;
    std::vector<std::optional<std::vector<std::uint8_t>>> contents(static_cast<std::size_t>(count));
    {
        const py::gil_scoped_release unlocked;
        images::PngReader png;
        const images::JpegRequest request{max_jpeg_pixels, max_jpeg_pixels, 0, false};
        std::vector<std::uint8_t> content;
        for (std::ptrdiff_t i = 0; i < count; ++i) {
            if (!runtime::read_small_file(names[i], largest, content)) continue;
            auto decoded = png.read(content, max_pixels);
            if (!decoded) {
                if (auto jpeg = images::plain_jpeg(content, request))
                    decoded = std::move(jpeg->pixels);
            }
            if (decoded) {
                rows[3 * i] = static_cast<std::int32_t>(decoded->height);
                rows[3 * i + 1] = static_cast<std::int32_t>(decoded->width);
                rows[3 * i + 2] = static_cast<std::int32_t>(decoded->channels);
                pixels.insert(pixels.end(), decoded->values.begin(), decoded->values.end());
            }
            contents[static_cast<std::size_t>(i)] = content;
        }
    }
    py::list files(static_cast<std::size_t>(count));
    for (std::size_t i = 0; i < contents.size(); ++i) {
        if (contents[i])
            files[i] =
                py::bytes(reinterpret_cast<const char*>(contents[i]->data()), contents[i]->size());
        else
            files[i] = py::none();
    }
    const auto size = static_cast<py::ssize_t>(pixels.size());
    return py::make_tuple(files, shapes, as_array(std::move(pixels), {size}));
}

}  // namespace

void register_images(py::module_& m) {
    using py::arg;
    m.def("plain_png", &plain_png, arg("data"), arg("max_pixels"));
    m.def("plain_jpeg", &plain_jpeg, arg("data"), arg("max_pixels"), arg("max_decoded"),
          arg("reduced_side"), arg("skip_applications"));
    m.def("read_pictures", &read_pictures, arg("paths"), arg("largest"), arg("max_pixels"),
          arg("max_jpeg_pixels"));
    m.def("plain_files", &plain_files, arg("folder"));
    m.def("file_status", &file_status, arg("paths"));
}

}  // namespace nncore::bindings
