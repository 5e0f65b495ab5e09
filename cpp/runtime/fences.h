// Places of one stretch of memory that AddressSanitizer is to tell apart: it knows what is
// allocated and not what that is cut into. In other builds there is nothing between them.
#pragma once

#include <cstddef>

#if defined(__SANITIZE_ADDRESS__)
#define NNCORE_FENCES 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define NNCORE_FENCES 1
#endif
#endif
#ifdef NNCORE_FENCES
#include <sanitizer/asan_interface.h>
#endif

namespace nncore::runtime {

#ifdef NNCORE_FENCES
inline constexpr std::ptrdiff_t kFence = 64;  // floats behind each place
inline void fence(float* end) { __asan_poison_memory_region(end, kFence * sizeof(float)); }
#else
inline constexpr std::ptrdiff_t kFence = 0;
inline void fence(float*) {}
#endif

}  // namespace nncore::runtime
