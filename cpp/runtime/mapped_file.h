// Files mapped into memory, whose pages may vanish: another program that shortens a mapped file
// makes the next access a signal, which would end the process. Windows lets nobody shorten it, nor
// remove it or put another one in its place.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace nncore::runtime {

// A whole regular file, to be read. A page that is there no more reads as zeros from then on.
class MappedFile {
 public:
    // std::system_error if the file cannot be mapped, is no regular file or has not `size` bytes.
    MappedFile(const std::string& path, std::size_t size);
    MappedFile(const MappedFile&) = delete;
    MappedFile& operator=(const MappedFile&) = delete;
    ~MappedFile();

    const std::uint8_t* data() const noexcept { return data_; }
    std::size_t size() const noexcept { return size_; }

 private:
    const std::uint8_t* data_ = nullptr;
    std::size_t size_ = 0;
    [[maybe_unused]] int place_ = -1;  // in the table of what is mapped, if the system needs one
};

// Pages of mapped files that have vanished so far, in this process.
std::uint64_t lost_pages() noexcept;

// Of the file mapped at this address; 0 if none is.
std::uint64_t lost_pages_at(const void* address) noexcept;

}  // namespace nncore::runtime
