#include "read_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace nncore::runtime {

bool read_small_file(const char* path, std::size_t largest, std::vector<std::uint8_t>& content) {
    struct stat status;
    // Asked before opening: opening a pipe would wait for its writer for ever.
    if (::stat(path, &status) != 0 || !S_ISREG(status.st_mode)) return false;
    if (status.st_size < 0 || static_cast<std::size_t>(status.st_size) > largest) return false;
    const auto size = static_cast<std::size_t>(status.st_size);
    const int descriptor = ::open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) return false;
    content.resize(size + 1);  // one more, to see that it has not grown
    const ::ssize_t got = ::read(descriptor, content.data(), size + 1);
    ::close(descriptor);
    content.resize(size);
    return got >= 0 && static_cast<std::size_t>(got) == size;
}

}  // namespace nncore::runtime
