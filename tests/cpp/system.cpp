#include "system.h"

#include <cstdlib>

#ifdef _WIN32
#ifndef NOMINMAX
#define NOMINMAX
#endif
#include <windows.h>

#include <cstdint>
#else
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <ctime>
#endif

#ifdef _WIN32

void set_variable(const char* name, const char* value) { ::_putenv_s(name, value); }

double processor_seconds() {  // std::clock is a clock on the wall here
    FILETIME created, ended, kernel, user;
    ::GetProcessTimes(::GetCurrentProcess(), &created, &ended, &kernel, &user);
    const auto ticks = [](const FILETIME& time) {
        return static_cast<double>(std::uint64_t{time.dwHighDateTime} << 32 | time.dwLowDateTime);
    };
    return (ticks(kernel) + ticks(user)) * 1e-7;
}

std::size_t page_size() {
    SYSTEM_INFO info;
    ::GetSystemInfo(&info);
    return info.dwPageSize;
}

void* map_pages(std::size_t size) {
    return ::VirtualAlloc(nullptr, size, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
}

void unmap_pages(void* memory, std::size_t) { ::VirtualFree(memory, 0, MEM_RELEASE); }

bool close_pages(void* memory, std::size_t size) {
    DWORD before;
    return ::VirtualProtect(memory, size, PAGE_NOACCESS, &before) != 0;
}

#else

void set_variable(const char* name, const char* value) { ::setenv(name, value, 1); }

double processor_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

std::size_t page_size() { return static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)); }

void* map_pages(std::size_t size) {
    void* const memory =
        ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return memory == MAP_FAILED ? nullptr : memory;
}

void unmap_pages(void* memory, std::size_t size) { ::munmap(memory, size); }

bool close_pages(void* memory, std::size_t size) {
    return ::mprotect(memory, size, PROT_NONE) == 0;
}

bool holds_in_a_child(bool (*body)()) {
    std::fflush(stdout);
    const pid_t child = ::fork();
    if (child == 0) ::_exit(body() ? 0 : 1);
    int status = -1;
    return child > 0 && ::waitpid(child, &status, 0) == child && WIFEXITED(status) &&
           WEXITSTATUS(status) == 0;
}

#endif
