#include "../plain_files.h"

#include <dirent.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

namespace nncore::runtime {
namespace {

struct Close {
    void operator()(DIR* folder) const noexcept { ::closedir(folder); }
};

bool is_plain(const dirent& entry) {
    if (entry.d_type != DT_REG || entry.d_name[0] == '.') return false;
    if (std::strcmp(entry.d_name, "__MACOSX") == 0)
        return false;  // hidden, as zip archives have it
    for (const char* c = entry.d_name; *c != '\0'; ++c)
        if ((static_cast<unsigned char>(*c) & 0x80U) != 0) return false;
    return true;
}

bool is_self_or_parent(const char* name) {
    return std::strcmp(name, ".") == 0 || std::strcmp(name, "..") == 0;
}

}  // namespace

std::optional<std::vector<std::string>> plain_files(const char* folder) {
    const std::unique_ptr<DIR, Close> open(::opendir(folder));
    if (!open) return std::nullopt;
    std::vector<std::string> names;
    errno = 0;  // by which readdir tells an error from the end
    while (const dirent* const entry = ::readdir(open.get())) {
        if (is_self_or_parent(entry->d_name)) continue;
        if (!is_plain(*entry)) return std::nullopt;
        names.emplace_back(entry->d_name);
        errno = 0;
    }
    if (errno != 0) return std::nullopt;
    std::sort(names.begin(), names.end());
    return names;
}

}  // namespace nncore::runtime
