// Arrays between guard words and before a page that cannot be touched, for kernels that must read
// and write what they should and nothing else.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <type_traits>

#include "check.h"
#include "random.h"
#include "system.h"

#if defined(__SANITIZE_ADDRESS__)
#define NNCORE_TEST_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define NNCORE_TEST_ASAN 1
#endif
#endif
#ifdef NNCORE_TEST_ASAN
#include <sanitizer/asan_interface.h>
#endif

// Memory before a page without access: whatever reads or writes behind it ends the test.
class FencedMemory {
 public:
    explicit FencedMemory(std::size_t size) {
        const std::size_t page = page_size();
        size_ = (size + page - 1) / page * page;
        mapped_ = size_ + page;
        begin_ = static_cast<unsigned char*>(map_pages(mapped_));
        if (begin_ == nullptr || !close_pages(end(), page)) throw std::bad_alloc();
    }
    FencedMemory(const FencedMemory&) = delete;
    FencedMemory& operator=(const FencedMemory&) = delete;
    ~FencedMemory() { unmap_pages(begin_, mapped_); }

    unsigned char* begin() const { return begin_; }
    unsigned char* end() const { return begin_ + size_; }
    std::size_t size() const { return size_; }

 private:
    unsigned char* begin_;
    std::size_t size_, mapped_;
};

// Instead of an offset: the array ends where its memory ends, wherever it begins.
inline constexpr std::ptrdiff_t kAtFence = -1;

// `count` elements that start `offset` elements past a 64-byte boundary; none if count is negative,
// as (rows - 1) * stride + columns may be without rows. They lie as near to the end of their memory
// as that boundary allows. The guards on both sides are filled with 0xff (NaN as a float): a stray
// write is found by CHECK_INTACT, a stray read spoils the result or, at the fence, ends the test,
// and AddressSanitizer stops at either.
template <class T>
class GuardedArray {
 public:
    explicit GuardedArray(std::ptrdiff_t count, std::ptrdiff_t offset = 0)
        : size_(std::max<std::ptrdiff_t>(count, 0)),
          offset_(offset),
          storage_(bytes(size_ + std::max<std::ptrdiff_t>(offset, 0)) + kGuard + 64) {
        std::memset(storage_.begin(), 0xff, storage_.size());
        auto* last = reinterpret_cast<T*>(storage_.end()) - size_;
        if (offset != kAtFence) {
            const auto address = reinterpret_cast<std::uintptr_t>(last - offset);
            last = reinterpret_cast<T*>(address / 64 * 64) + offset;
        }
        data_ = last;
        std::fill(begin(), end(), T{});
        poison(true);
    }
    GuardedArray(const GuardedArray& other) : GuardedArray(other.size_, other.offset_) {
        std::copy(other.begin(), other.end(), begin());
    }
    GuardedArray& operator=(const GuardedArray&) = delete;
    ~GuardedArray() { poison(false); }

    T* data() { return data_; }
    const T* data() const { return data_; }
    std::ptrdiff_t size() const { return size_; }
    T& operator[](std::ptrdiff_t i) { return data_[i]; }
    const T& operator[](std::ptrdiff_t i) const { return data_[i]; }
    T* begin() { return data_; }
    T* end() { return data_ + size_; }
    const T* begin() const { return data_; }
    const T* end() const { return data_ + size_; }

    bool intact() const {
        poison(false);
        bool untouched = true;
        const auto* first = reinterpret_cast<const unsigned char*>(data_);
        const auto* last = first + bytes(size_);
        for (const unsigned char* p = storage_.begin(); p < first; ++p) untouched &= *p == 0xff;
        for (const unsigned char* p = last; p < storage_.end(); ++p) untouched &= *p == 0xff;
        poison(true);
        return untouched;
    }

 private:
    static constexpr std::size_t kGuard = 256;  // bytes
    static std::size_t bytes(std::ptrdiff_t count) {
        return static_cast<std::size_t>(count) * sizeof(T);
    }
    void poison([[maybe_unused]] bool on) const {
#ifdef NNCORE_TEST_ASAN
        const auto* first = reinterpret_cast<const unsigned char*>(data_);
        const auto* last = first + bytes(size_);
        const auto before = static_cast<std::size_t>(first - storage_.begin());
        const auto after = static_cast<std::size_t>(storage_.end() - last);
        if (on) {
            __asan_poison_memory_region(storage_.begin(), before);
            __asan_poison_memory_region(last, after);
        } else {
            __asan_unpoison_memory_region(storage_.begin(), storage_.size());
        }
#endif
    }

    std::ptrdiff_t size_, offset_;
    FencedMemory storage_;
    T* data_;
};

// What outputs hold before a kernel runs, so that gaps between rows are seen to stay as they were.
inline constexpr float kUntouched = -1.5e30f;

inline GuardedArray<float> untouched(std::ptrdiff_t count, std::ptrdiff_t offset = 0) {
    GuardedArray<float> array(count, offset);
    for (float& x : array) x = kUntouched;
    return array;
}

inline GuardedArray<float> random_floats(Random& random, std::ptrdiff_t count,
                                         std::ptrdiff_t offset = 0, float low = -1.0f,
                                         float high = 1.0f) {
    GuardedArray<float> array(count, offset);
    for (float& x : array) x = random.uniform(low, high);
    return array;
}

// The same bits; all NaNs count as one, for their payload depends on the order of operands.
inline bool same(float a, float b) {
    return std::bit_cast<std::uint32_t>(a) == std::bit_cast<std::uint32_t>(b) || (a != a && b != b);
}
template <class Integer>
    requires std::is_integral_v<Integer>
bool same(Integer a, Integer b) {
    return a == b;
}

// The first index at which two arrays differ, -1 if there is none.
template <class T>
std::ptrdiff_t first_difference(const GuardedArray<T>& a, const GuardedArray<T>& b) {
    if (a.size() != b.size()) return 0;
    if (a.size() == 0 ||
        std::memcmp(a.data(), b.data(), sizeof(T) * static_cast<std::size_t>(a.size())) == 0)
        return -1;
    for (std::ptrdiff_t i = 0; i < a.size(); ++i)
        if (!same(a[i], b[i])) return i;
    return -1;
}

// Equal bit for bit, the gaps between rows included, and nothing written outside.
#define CHECK_SAME(expected, actual, message)                                                    \
    do {                                                                                         \
        const std::ptrdiff_t difference = first_difference(expected, actual);                    \
        CHECK_THAT(difference < 0, message << ": element " << difference << " of "               \
                                           << (actual).size() << " is "                          \
                                           << check::show((actual)[difference]) << ", expected " \
                                           << check::show((expected)[difference]));              \
        CHECK_INTACT(actual, message);                                                           \
    } while (false)

#define CHECK_INTACT(array, message) \
    CHECK_THAT((array).intact(), message << ": something was written outside " #array)
