// windows.h without what nobody here needs, and what the files of this folder share.
#pragma once

#ifndef WIN32_LEAN_AND_MEAN
#define WIN32_LEAN_AND_MEAN
#endif
#ifndef NOMINMAX
#define NOMINMAX
#endif
#include <windows.h>

#include <cstdint>
#include <string>

namespace nncore::runtime::windows {

// A path as the system takes it, of UTF-8, which is what Python gives. Empty if it is no UTF-8.
std::wstring wide(const char* path);

// Closes what it holds.
class Handle {
 public:
    explicit Handle(HANDLE handle) noexcept : handle_(handle) {}
    Handle(const Handle&) = delete;
    Handle& operator=(const Handle&) = delete;
    ~Handle() {
        if (*this) ::CloseHandle(handle_);
    }
    // CreateFile and CreateFileMapping fail in different ways.
    explicit operator bool() const noexcept {
        return handle_ != INVALID_HANDLE_VALUE && handle_ != nullptr;
    }
    HANDLE get() const noexcept { return handle_; }

 private:
    HANDLE handle_;
};

// What `path` leads to, opened so that others may still write, rename and remove it, as on other
// systems. `access` as CreateFile has it.
HANDLE open_existing(const char* path, DWORD access, DWORD flags = FILE_ATTRIBUTE_NORMAL) noexcept;

// Of a regular file; -1 for devices, pipes, folders and what has no size.
std::int64_t size_of_regular(const Handle& file) noexcept;

}  // namespace nncore::runtime::windows
