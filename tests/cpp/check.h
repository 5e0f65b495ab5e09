// The whole test framework: named tests, checks that go on after a failure, exit code 1.
//
//   TEST(name) { CHECK(condition); CHECK_EQUAL(expected, actual); ... }
//
// main() stands in check.cpp. A test that checks nothing counts as failed, and so does a program
// without tests. Checks may be made from several threads at once.
#pragma once

#include <bit>
#include <cstdint>
#include <cstdio>
#include <sstream>
#include <string>
#include <type_traits>

namespace check {

struct Registration {
    Registration(const char* name, void (*body)());
};

void count() noexcept;
void fail(const char* file, int line, const std::string& message);

// A value as a reader of a failure wants it: floats with all their digits and their bits.
template <class T>
std::string show(const T& value) {
    if constexpr (std::is_same_v<T, float>) {
        char text[64];
        std::snprintf(text, sizeof text, "%.9g [%08x]", static_cast<double>(value),
                      std::bit_cast<std::uint32_t>(value));
        return text;
    } else if constexpr (std::is_same_v<T, double>) {
        char text[64];
        std::snprintf(text, sizeof text, "%.17g", value);
        return text;
    } else {
        std::ostringstream text;
        if constexpr (std::is_integral_v<T> && sizeof(T) == 1 && !std::is_same_v<T, bool>) {
            text << static_cast<int>(value);  // a number, not a character
        } else {
            text << std::boolalpha << value;
        }
        return text.str();
    }
}

}  // namespace check

#define TEST(name)                                                            \
    static void test_##name();                                                \
    static const check::Registration registration_##name(#name, test_##name); \
    static void test_##name()

// The message is a chain of << operands, put together only after a failure.
#define CHECK_THAT(condition, message)                         \
    do {                                                       \
        check::count();                                        \
        if (!(condition)) {                                    \
            std::ostringstream check_text;                     \
            check_text << #condition << ": " << message;       \
            check::fail(__FILE__, __LINE__, check_text.str()); \
        }                                                      \
    } while (false)

#define CHECK(condition) CHECK_THAT(condition, "is false")

#define CHECK_EQUAL(expected, actual)                                               \
    do {                                                                            \
        const auto& check_expected = (expected);                                    \
        const auto& check_actual = (actual);                                        \
        check::count();                                                             \
        if (!(check_expected == check_actual))                                      \
            check::fail(__FILE__, __LINE__,                                         \
                        std::string(#actual) + " is " + check::show(check_actual) + \
                            ", expected " + check::show(check_expected));           \
    } while (false)

// The expression must throw this very type, with `text` in its message.
#define CHECK_THROWS(Type, text, expression)                                                      \
    do {                                                                                          \
        check::count();                                                                           \
        std::string check_problem = "nothing was thrown";                                         \
        try {                                                                                     \
            static_cast<void>(expression);                                                        \
        } catch (const std::exception& error) {                                                   \
            const std::string check_what = error.what();                                          \
            if (typeid(error) != typeid(Type)) {                                                  \
                check_problem = std::string("the wrong type was thrown: ") + check_what;          \
            } else if (check_what.find(text) == std::string::npos) {                              \
                check_problem = "the message lacks \"" + std::string(text) + "\": " + check_what; \
            } else {                                                                              \
                check_problem.clear();                                                            \
            }                                                                                     \
        }                                                                                         \
        if (!check_problem.empty())                                                               \
            check::fail(__FILE__, __LINE__, std::string(#expression) + ": " + check_problem);     \
    } while (false)
