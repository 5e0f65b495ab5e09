#include "../file_status.h"

#include <sys/stat.h>

namespace nncore::runtime {
namespace {

std::int64_t nanoseconds(const timespec& time) noexcept {
    return static_cast<std::int64_t>(time.tv_sec) * 1'000'000'000 +
           static_cast<std::int64_t>(time.tv_nsec);
}

}  // namespace

FileStatus file_status(const char* path) noexcept {
    struct stat status;
    if (::stat(path, &status) != 0) return {-1, -1, -1, -1};
#ifdef __APPLE__
    const timespec modified = status.st_mtimespec, changed = status.st_ctimespec;
#else
    const timespec modified = status.st_mtim, changed = status.st_ctim;
#endif
    return {static_cast<std::int64_t>(status.st_size), nanoseconds(modified), nanoseconds(changed),
            static_cast<std::int64_t>(status.st_ino)};
}

}  // namespace nncore::runtime
