// One random call of one kernel: its sizes, gaps and places in memory, and the comparison of every
// instruction set with the reference, bit for bit. A file of this folder holds the calls of one
// kind of kernels; kernels.h lists them.
#pragma once

#include <cstdint>
#include <string>
#include <tuple>
#include <vector>

#include "../check.h"
#include "../guarded.h"
#include "../random.h"
#include "../tables.h"

namespace boundary {

using Floats = GuardedArray<float>;
using nncore::kernels::kBlock;
using nncore::kernels::Kernels;

class Call {
 public:
    Call(const char* kernel, std::uint64_t seed, long number);
    Call(const Call&) = delete;
    Call& operator=(const Call&) = delete;
    ~Call();

    Random random;

    // In [1, most], every other time within one of a multiple of some vector's width.
    ptrdiff_t size(ptrdiff_t most);
    // Between the rows or pixels of an array: none every other time.
    ptrdiff_t gap() { return maybe() ? 0 : 1 + random.below(5); }
    bool maybe() { return random.below(2) == 0; }
    template <class Kind>
    Kind kind(ptrdiff_t count) {
        return static_cast<Kind>(random.below(count));
    }
    nncore::kernels::Activation activation() { return kind<nncore::kernels::Activation>(7); }

    // Arrays that end where their memory does or begin at any distance from a boundary of 64 bytes.
    Floats floats(ptrdiff_t count, float low = -1.0f, float high = 1.0f) {
        return random_floats(random, count, place(), low, high);
    }
    Floats zeros(ptrdiff_t count) { return Floats(count, place()); }
    Floats untouched(ptrdiff_t count) { return ::untouched(count, place()); }
    // As after relu: half of them are zero.
    Floats rectified(ptrdiff_t count);
    template <class T>
    GuardedArray<T> integers(ptrdiff_t count, ptrdiff_t limit) {
        GuardedArray<T> array(count, place());
        for (T& value : array) value = static_cast<T>(random.below(limit));
        return array;
    }
    // The result's memory: what `input` holds, for a call in place, or nothing.
    Floats result(const Floats& input, bool in_place) {
        return in_place ? Floats(input) : untouched(input.size());
    }

    // body(table, results...) on copies of the results, for the reference and for each instruction
    // set; all must hold the same bits then, gaps included, and nothing else may have changed.
    template <class Body, class... Arrays>
    void compare(Body body, const Arrays&... starts) {
        std::tuple<Arrays...> expected(starts...);
        run(reference(), body, expected);
        for (const Kernels* table : fast()) {
            std::tuple<Arrays...> actual(starts...);
            run(*table, body, actual);
            check(expected, actual, std::index_sequence_for<Arrays...>());
        }
    }
    // body(scratch) with so many floats of scratch, aligned to 64 bytes.
    template <class Body>
    void with_scratch(ptrdiff_t count, Body body) {
        Floats scratch(nncore::kernels::padded(count), kAtFence);
        body(scratch.data());
        CHECK_INTACT(scratch, describe());
    }

 private:
    static const Kernels& reference();
    static const std::vector<const Kernels*>& fast();
    ptrdiff_t place() { return maybe() ? kAtFence : random.below(16); }
    void now(const char* isa);  // what a crash would be told of
    const char* describe() const;

    template <class Body, class Arrays>
    void run(const Kernels& table, Body& body, Arrays& arrays) {
        now(table.isa);
        std::apply([&](auto&... results) { body(table, results...); }, arrays);
        std::apply([&](auto&... results) { (intact(results), ...); }, arrays);
    }
    template <class T>
    void intact(const GuardedArray<T>& array) {
        CHECK_INTACT(array, describe());
    }
    template <class Arrays, std::size_t... I>
    void check(const Arrays& expected, const Arrays& actual, std::index_sequence<I...>) {
        (equal(std::get<I>(expected), std::get<I>(actual), I), ...);
    }
    template <class T>
    void equal(const GuardedArray<T>& expected, const GuardedArray<T>& actual, std::size_t which) {
        CHECK_SAME(expected, actual, describe() << ", result " << which);
    }

    const char* kernel_;
    long number_;
    std::string sizes_;
};

// The floats that `rows` rows of `columns` floats need, `row` apart.
inline ptrdiff_t extent(ptrdiff_t rows, ptrdiff_t row, ptrdiff_t columns) {
    return (rows - 1) * row + columns;
}

}  // namespace boundary
