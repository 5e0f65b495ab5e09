#include "../plain_files.h"

#include <algorithm>
#include <cwchar>

#include "system.h"

namespace nncore::runtime {
namespace {

// Ends a search.
class Search {
 public:
    explicit Search(HANDLE handle) noexcept : handle_(handle) {}
    Search(const Search&) = delete;
    Search& operator=(const Search&) = delete;
    ~Search() {
        if (handle_ != INVALID_HANDLE_VALUE) ::FindClose(handle_);
    }
    HANDLE get() const noexcept { return handle_; }

 private:
    HANDLE handle_;
};

bool is_plain(const WIN32_FIND_DATAW& entry) {
    constexpr DWORD kOthers =
        FILE_ATTRIBUTE_DIRECTORY | FILE_ATTRIBUTE_REPARSE_POINT | FILE_ATTRIBUTE_DEVICE;
    if ((entry.dwFileAttributes & kOthers) != 0 || entry.cFileName[0] == L'.') return false;
    if (std::wcscmp(entry.cFileName, L"__MACOSX") == 0)
        return false;  // hidden, as zip archives have it
    return std::all_of(entry.cFileName, entry.cFileName + std::wcslen(entry.cFileName),
                       [](wchar_t c) { return c < 0x80; });
}

bool is_self_or_parent(const wchar_t* name) {
    return std::wcscmp(name, L".") == 0 || std::wcscmp(name, L"..") == 0;
}

}  // namespace

std::optional<std::vector<std::string>> plain_files(const char* folder) {
    std::wstring pattern = windows::wide(folder);
    // A star or a question mark would be a pattern of its own.
    if (pattern.empty() ||
        pattern.find_first_of(L"*?", pattern.starts_with(L"\\\\?\\") ? 4 : 0) != std::wstring::npos)
        return std::nullopt;
    pattern += L"\\*";
    WIN32_FIND_DATAW entry;
    const Search search(::FindFirstFileExW(pattern.c_str(), FindExInfoBasic, &entry,
                                           FindExSearchNameMatch, nullptr,
                                           FIND_FIRST_EX_LARGE_FETCH));
    if (search.get() == INVALID_HANDLE_VALUE) return std::nullopt;
    std::vector<std::string> names;
    do {
        if (is_self_or_parent(entry.cFileName)) continue;
        if (!is_plain(entry)) return std::nullopt;
        std::string name;
        for (const wchar_t* c = entry.cFileName; *c != L'\0'; ++c) name += static_cast<char>(*c);
        names.push_back(std::move(name));
    } while (::FindNextFileW(search.get(), &entry));
    if (::GetLastError() != ERROR_NO_MORE_FILES) return std::nullopt;
    std::sort(names.begin(), names.end());
    return names;
}

}  // namespace nncore::runtime
