// A zeroed, 64-byte aligned array of floats that owns its memory.
#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <new>

namespace nncore::runtime {

class AlignedBuffer {
 public:
    static constexpr std::size_t kAlignment = 64;

    AlignedBuffer() = default;
    explicit AlignedBuffer(std::size_t count)
        : size_(count),
          data_(static_cast<float*>(::operator new(bytes(count), std::align_val_t{kAlignment}))) {
        std::memset(data_.get(), 0, bytes(count));
    }

    float* data() { return data_.get(); }
    const float* data() const { return data_.get(); }
    std::size_t size() const { return size_; }

 private:
    struct Release {
        void operator()(float* p) const { ::operator delete(p, std::align_val_t{kAlignment}); }
    };
    static std::size_t bytes(std::size_t count) { return (count + 16) / 16 * 16 * sizeof(float); }

    std::size_t size_ = 0;
    std::unique_ptr<float, Release> data_;
};

}  // namespace nncore::runtime
