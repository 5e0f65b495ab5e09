#include "check.h"

#include <atomic>
#include <cstring>
#include <exception>
#include <mutex>
#include <vector>

namespace check {
namespace {

constexpr long kPrintedFailures = 10;  // per test: the first ones tell the story

struct Test {
    const char* name;
    void (*body)();
};

std::vector<Test>& tests() {
    static std::vector<Test> all;
    return all;
}

std::atomic<long> checks{0};
std::atomic<long> failures{0};
std::mutex print_mutex;

bool run(const Test& test) {
    checks = 0;
    failures = 0;
    try {
        test.body();
    } catch (const std::exception& error) {
        fail(__FILE__, __LINE__, std::string("exception left the test: ") + error.what());
    }
    if (checks == 0) fail(__FILE__, __LINE__, "the test checked nothing");
    const long failed = failures;
    if (failed > kPrintedFailures)
        std::printf("  ... and %ld more failures\n", failed - kPrintedFailures);
    std::printf("%s %s (%ld checks)\n", failed == 0 ? "ok  " : "FAIL", test.name, checks.load());
    std::fflush(stdout);
    return failed == 0;
}

}  // namespace

Registration::Registration(const char* name, void (*body)()) { tests().push_back({name, body}); }

void count() noexcept { checks.fetch_add(1, std::memory_order_relaxed); }

void fail(const char* file, int line, const std::string& message) {
    if (failures.fetch_add(1) >= kPrintedFailures) return;
    const std::lock_guard lock(print_mutex);
    std::printf("%s:%d: %s\n", file, line, message.c_str());
}

}  // namespace check

// Runs every test, or those whose names are given.
int main(int argc, char** argv) {
    int ran = 0, failed = 0;
    for (const auto& test : check::tests()) {
        bool wanted = argc < 2;
        for (int i = 1; i < argc; ++i) wanted = wanted || std::strcmp(argv[i], test.name) == 0;
        if (!wanted) continue;
        ++ran;
        failed += check::run(test) ? 0 : 1;
    }
    std::printf("%d of %d tests passed\n", ran - failed, ran);
    if (ran == 0) std::printf("no such test\n");
    return ran == 0 || failed > 0 ? 1 : 0;
}
