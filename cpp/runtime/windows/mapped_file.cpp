#include "../mapped_file.h"

#include <cerrno>
#include <system_error>

#include "system.h"

namespace nncore::runtime {
namespace {

// The number by which Python knows why.
[[noreturn]] void fail(DWORD error) {
    int number = EIO;
    switch (error) {
        case ERROR_FILE_NOT_FOUND:
        case ERROR_PATH_NOT_FOUND:
        case ERROR_INVALID_NAME:
        case ERROR_BAD_PATHNAME:
            number = ENOENT;
            break;
        case ERROR_ACCESS_DENIED:
        case ERROR_SHARING_VIOLATION:
        case ERROR_LOCK_VIOLATION:
            number = EACCES;
            break;
        case ERROR_NOT_ENOUGH_MEMORY:
        case ERROR_OUTOFMEMORY:
        case ERROR_COMMITMENT_LIMIT:
            number = ENOMEM;
            break;
        case ERROR_TOO_MANY_OPEN_FILES:
            number = EMFILE;
            break;
        case ERROR_INVALID_PARAMETER:
        case ERROR_FILE_INVALID:
            number = EINVAL;
            break;
        default:
            break;
    }
    throw std::system_error(number, std::generic_category());
}

}  // namespace

MappedFile::MappedFile(const std::string& path, std::size_t size) : size_(size) {
    const windows::Handle file(windows::open_existing(path.c_str(), GENERIC_READ));
    if (!file) fail(::GetLastError());
    const std::int64_t found = windows::size_of_regular(file);
    if (found <= 0 || static_cast<std::size_t>(found) != size) fail(ERROR_INVALID_PARAMETER);
    const windows::Handle section(
        ::CreateFileMappingW(file.get(), nullptr, PAGE_READONLY, 0, 0, nullptr));
    if (!section) fail(::GetLastError());
    // The view keeps both open.
    const void* const data = ::MapViewOfFile(section.get(), FILE_MAP_READ, 0, 0, size);
    if (data == nullptr) fail(::GetLastError());
    data_ = static_cast<const std::uint8_t*>(data);
}

MappedFile::~MappedFile() { ::UnmapViewOfFile(data_); }

// The system refuses to shorten a file that is mapped. What a drive that is pulled out or a server
// that is gone no longer gives ends the process: no page of a view can be replaced.
std::uint64_t lost_pages() noexcept { return 0; }

std::uint64_t lost_pages_at(const void*) noexcept { return 0; }

}  // namespace nncore::runtime
