#include "call.h"

#include <signal.h>

#ifdef _WIN32
#include <io.h>
#else
#include <unistd.h>
#endif

#include <cstdio>
#include <cstring>

#ifdef NNCORE_TEST_ASAN
#include <sanitizer/common_interface_defs.h>
#endif

namespace boundary {
namespace {

// What runs now. A call that ends the test, at a page without access or under a sanitizer, is named
// by it.
char current[256];

// Of what may be called when a signal has come.
void write_error(const char* text, std::size_t size) {
#ifdef _WIN32
    static_cast<void>(::_write(2, text, static_cast<unsigned>(size)));
#else
    static_cast<void>(::write(STDERR_FILENO, text, size) == 0);
#endif
}

void name_the_call() {
    write_error(current, std::strlen(current));
    write_error("\n", 1);
}

#ifndef NNCORE_TEST_ASAN
void on_fault(int number) {
    name_the_call();
    ::signal(number, SIG_DFL);  // the same access again ends the process
}
#endif

void name_crashes() {
#ifdef NNCORE_TEST_ASAN
    __sanitizer_set_death_callback(name_the_call);
#else
    for (const int number : {SIGSEGV, SIGILL, SIGFPE}) ::signal(number, on_fault);
#ifdef SIGBUS  // not on Windows
    ::signal(SIGBUS, on_fault);
#endif
#endif
}

}  // namespace

Call::Call(const char* kernel, std::uint64_t seed, long number)
    : random(seed * 0x100000001b3u + static_cast<std::uint64_t>(number)),
      kernel_(kernel),
      number_(number) {
    [[maybe_unused]] static const bool once = (name_crashes(), true);
}

Call::~Call() { current[0] = '\0'; }

ptrdiff_t Call::size(ptrdiff_t most) {
    ptrdiff_t n = 1 + random.below(most);
    if (maybe())
        n = (ptrdiff_t{4} << random.below(4)) * (1 + random.below(3)) + random.below(3) - 1;
    if (n > most) n = 1 + random.below(most);
    sizes_ += ' ' + std::to_string(n);
    return n;
}

Floats Call::rectified(ptrdiff_t count) {
    Floats array = floats(count);
    for (float& value : array) value = value > 0 ? value : 0.0f;
    return array;
}

void Call::now(const char* isa) {
    std::snprintf(current, sizeof current, "call %ld, %s on %s, sizes%s", number_, kernel_, isa,
                  sizes_.c_str());
}

const char* Call::describe() const { return current; }

const Kernels& Call::reference() {
    static const Kernels& table = reference_table();
    return table;
}

const std::vector<const Kernels*>& Call::fast() {
    static const std::vector<const Kernels*> tables = fast_tables();
    return tables;
}

}  // namespace boundary
