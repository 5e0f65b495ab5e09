#include "../read_file.h"

#include "system.h"

namespace nncore::runtime {

bool read_small_file(const char* path, std::size_t largest, std::vector<std::uint8_t>& content) {
    const windows::Handle file(windows::open_existing(path, GENERIC_READ));
    if (!file) return false;
    const std::int64_t found = windows::size_of_regular(file);
    if (found < 0 || static_cast<std::size_t>(found) > largest || found >= MAXDWORD) return false;
    const auto size = static_cast<std::size_t>(found);
    content.resize(size + 1);  // one more, to see that it has not grown
    DWORD got = 0;
    const BOOL read =
        ::ReadFile(file.get(), content.data(), static_cast<DWORD>(size + 1), &got, nullptr);
    content.resize(size);
    return read && got == size;
}

}  // namespace nncore::runtime
