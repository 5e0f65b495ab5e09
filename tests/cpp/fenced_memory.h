// Memory before a page without access: whatever reads or writes behind it ends the test.
#pragma once

#ifdef _WIN32
#ifndef NOMINMAX
#define NOMINMAX
#endif
#include <windows.h>
#else
#include <sys/mman.h>
#include <unistd.h>
#endif

#include <cstddef>
#include <new>

class FencedMemory {
 public:
    explicit FencedMemory(std::size_t size) {
        const std::size_t page = page_size();
        size_ = (size + page - 1) / page * page;
        begin_ = static_cast<unsigned char*>(map(size_ + page));
        if (begin_ == nullptr) throw std::bad_alloc();
        if (!close(end(), page)) throw std::bad_alloc();
    }
    FencedMemory(const FencedMemory&) = delete;
    FencedMemory& operator=(const FencedMemory&) = delete;
    ~FencedMemory() { unmap(begin_, size_ + page_size()); }

    unsigned char* begin() const { return begin_; }
    unsigned char* end() const { return begin_ + size_; }
    std::size_t size() const { return size_; }

 private:
#ifdef _WIN32
    static std::size_t page_size() {
        SYSTEM_INFO info;
        ::GetSystemInfo(&info);
        return info.dwPageSize;
    }
    static void* map(std::size_t size) {
        return ::VirtualAlloc(nullptr, size, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
    }
    static bool close(void* page, std::size_t size) {
        DWORD before;
        return ::VirtualProtect(page, size, PAGE_NOACCESS, &before) != 0;
    }
    static void unmap(void* memory, std::size_t) { ::VirtualFree(memory, 0, MEM_RELEASE); }
#else
    static std::size_t page_size() { return static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)); }
    static void* map(std::size_t size) {
        void* const memory =
            ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        return memory == MAP_FAILED ? nullptr : memory;
    }
    static bool close(void* page, std::size_t size) {
        return ::mprotect(page, size, PROT_NONE) == 0;
    }
    static void unmap(void* memory, std::size_t size) { ::munmap(memory, size); }
#endif

    unsigned char* begin_;
    std::size_t size_;
};
