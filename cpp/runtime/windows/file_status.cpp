#include "../file_status.h"

#include "system.h"

namespace nncore::runtime {
namespace {

// From 100 nanoseconds since 1601 to nanoseconds since 1970, as Python has it.
std::int64_t nanoseconds(std::int64_t ticks) noexcept {
    return (ticks - 116'444'736'000'000'000) * 100;
}

}  // namespace

FileStatus file_status(const char* path) noexcept {
    // With this flag folders can be opened, too.
    const windows::Handle file(
        windows::open_existing(path, FILE_READ_ATTRIBUTES, FILE_FLAG_BACKUP_SEMANTICS));
    BY_HANDLE_FILE_INFORMATION facts;
    FILE_BASIC_INFO times;
    if (!file || !::GetFileInformationByHandle(file.get(), &facts) ||
        !::GetFileInformationByHandleEx(file.get(), FileBasicInfo, &times, sizeof times))
        return {-1, -1, -1, -1};
    const auto joined = [](DWORD high, DWORD low) {
        return static_cast<std::int64_t>(std::uint64_t{high} << 32 | low);
    };
    return {joined(facts.nFileSizeHigh, facts.nFileSizeLow),
            nanoseconds(times.LastWriteTime.QuadPart), nanoseconds(times.ChangeTime.QuadPart),
            joined(facts.nFileIndexHigh, facts.nFileIndexLow)};
}

}  // namespace nncore::runtime
