// What tests ask of the system, which each does in its own way: variables of the environment, the
// time of the processor, forked children.
#pragma once

#include <cstdint>
#include <cstdlib>

#ifdef _WIN32
#ifndef NOMINMAX
#define NOMINMAX
#endif
#include <windows.h>
#else
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <ctime>
#endif

// An empty value is one, too, except on Windows, where it removes the variable.
inline void set_variable(const char* name, const char* value) {
#ifdef _WIN32
    ::_putenv_s(name, value);
#else
    ::setenv(name, value, 1);
#endif
}

// That all threads of this process have spent computing.
inline double processor_seconds() {
#ifdef _WIN32  // whose std::clock is a clock on the wall
    FILETIME created, ended, kernel, user;
    ::GetProcessTimes(::GetCurrentProcess(), &created, &ended, &kernel, &user);
    const auto ticks = [](const FILETIME& time) {
        return static_cast<double>(std::uint64_t{time.dwHighDateTime} << 32 | time.dwLowDateTime);
    };
    return (ticks(kernel) + ticks(user)) * 1e-7;
#else
    return static_cast<double>(std::clock()) / CLOCKS_PER_SEC;
#endif
}

#ifndef _WIN32
// Whether body() is true in a forked child.
template <class Body>
bool holds_in_a_child(const Body& body) {
    std::fflush(stdout);
    const pid_t child = ::fork();
    if (child == 0) ::_exit(body() ? 0 : 1);
    int status = -1;
    return child > 0 && ::waitpid(child, &status, 0) == child && WIFEXITED(status) &&
           WEXITSTATUS(status) == 0;
}
#endif
