// A zeroed, aligned array of floats that owns its memory.
#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <new>
#include <utility>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace nncore::runtime {

class AlignedBuffer {
 public:
    static constexpr std::size_t kAlignment = 64;

    AlignedBuffer() = default;
    explicit AlignedBuffer(std::size_t count)
        : size_(count), data_(allocate(bytes(count)), Release{alignment(bytes(count))}) {
        std::memset(data_.get(), 0, bytes(count));
    }

    AlignedBuffer(AlignedBuffer&& other) noexcept
        : size_(std::exchange(other.size_, 0)), data_(std::move(other.data_)) {}
    AlignedBuffer& operator=(AlignedBuffer&& other) noexcept {
        size_ = std::exchange(other.size_, 0);
        data_ = std::move(other.data_);
        return *this;
    }

    float* data() { return data_.get(); }
    const float* data() const { return data_.get(); }
    std::size_t size() const { return size_; }

 private:
    // The kernels walk dozens of rows at once, which are pages apart: with pages of 4 KiB the
    // processor's table of pages is too small for them. Larger buffers therefore ask for huge
    // pages.
    static constexpr std::size_t kHugePage = std::size_t{2} << 20;
#ifdef MADV_HUGEPAGE
    static constexpr std::size_t kWorthHugePages = kHugePage / 4;
#else  // nobody gives them for the asking
    static constexpr std::size_t kWorthHugePages = ~std::size_t{0};
#endif

    class Release {
     public:
        Release() : alignment_(kAlignment) {}
        explicit Release(std::size_t alignment) : alignment_(alignment) {}
        void operator()(float* p) const { ::operator delete(p, std::align_val_t{alignment_}); }

     private:
        std::size_t alignment_;
    };

    static std::size_t alignment(std::size_t bytes) {
        return bytes >= kWorthHugePages ? kHugePage : kAlignment;
    }
    static std::size_t bytes(std::size_t count) {
        const std::size_t bytes = (count + 16) / 16 * 16 * sizeof(float);
        return bytes >= kWorthHugePages ? (bytes + kHugePage - 1) / kHugePage * kHugePage : bytes;
    }
    static float* allocate(std::size_t bytes) {
        void* const memory = ::operator new(bytes, std::align_val_t{alignment(bytes)});
#ifdef MADV_HUGEPAGE
        // Before the first touch. A kernel without huge pages refuses, and nothing is lost.
        if (bytes >= kWorthHugePages) (void)madvise(memory, bytes, MADV_HUGEPAGE);
#endif
        return static_cast<float*>(memory);
    }

    std::size_t size_ = 0;
    std::unique_ptr<float, Release> data_;
};

}  // namespace nncore::runtime
