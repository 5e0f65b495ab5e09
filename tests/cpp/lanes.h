// The vector operations and functions of one instruction set, over arrays: see lanes.cpp.
#pragma once

#include <cstddef>

struct Lanes {
    const char* isa;
    // Any count; y may not overlap an input.
    void (*exp)(std::ptrdiff_t count, const float* x, float* y);
    void (*log)(std::ptrdiff_t count, const float* x, float* y);
    void (*fma)(std::ptrdiff_t count, const float* a, const float* b, const float* c, float* y);
    void (*max)(std::ptrdiff_t count, const float* a, const float* b, float* y);
    void (*min)(std::ptrdiff_t count, const float* a, const float* b, float* y);
    void (*broadcast)(std::ptrdiff_t count, const float* x, float* y);
};
