// Facts by which a file is taken for the one that was read before.
#pragma once

#include <cstdint>

namespace nncore::runtime {

struct FileStatus {
    std::int64_t size;
    std::int64_t modified;  // time of the last change of the content, nanoseconds
    std::int64_t changed;   // time of the last change of content or status, nanoseconds
    std::int64_t inode;
};

// Of the file that `path` leads to; all fields are -1 where there is none.
FileStatus file_status(const char* path) noexcept;

}  // namespace nncore::runtime
