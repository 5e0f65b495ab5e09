#include "system.h"

namespace nncore::runtime::windows {

std::wstring wide(const char* path) {
    const int length = ::MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, path, -1, nullptr, 0);
    if (length <= 0) return {};
    std::wstring text(static_cast<std::size_t>(length), L'\0');
    ::MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, path, -1, text.data(), length);
    text.pop_back();  // the zero at the end
    return text;
}

HANDLE open_existing(const char* path, DWORD access, DWORD flags) noexcept {
    const std::wstring name = wide(path);
    if (name.empty()) {
        ::SetLastError(ERROR_PATH_NOT_FOUND);
        return INVALID_HANDLE_VALUE;
    }
    return ::CreateFileW(name.c_str(), access,
                         FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, nullptr,
                         OPEN_EXISTING, flags, nullptr);
}

std::int64_t size_of_regular(const Handle& file) noexcept {
    LARGE_INTEGER size;
    BY_HANDLE_FILE_INFORMATION facts;
    if (::GetFileType(file.get()) != FILE_TYPE_DISK ||
        !::GetFileInformationByHandle(file.get(), &facts) ||
        (facts.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY) != 0 ||
        !::GetFileSizeEx(file.get(), &size))
        return -1;
    return size.QuadPart;
}

}  // namespace nncore::runtime::windows
