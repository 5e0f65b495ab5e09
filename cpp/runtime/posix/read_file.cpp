#include "../read_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace nncore::runtime {

bool read_small_file(const char* path, std::size_t largest, std::vector<std::uint8_t>& content) {
    // Without waiting: a pipe would wait for its writer for ever. What is asked is the open file
    // and never the path again, which may lead elsewhere by then.
    const int descriptor = ::open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (descriptor < 0) return false;
    struct stat status;
    if (::fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode) || status.st_size < 0 ||
        static_cast<std::size_t>(status.st_size) > largest) {
        ::close(descriptor);
        return false;
    }
    const auto size = static_cast<std::size_t>(status.st_size);
    content.resize(size + 1);  // one more, to see that it has not grown
    const ::ssize_t got = ::read(descriptor, content.data(), size + 1);
    ::close(descriptor);
    content.resize(size);
    return got >= 0 && static_cast<std::size_t>(got) == size;
}

}  // namespace nncore::runtime
