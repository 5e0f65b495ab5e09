// Random numbers and dropout's kernels: which numbers are drawn, and the product, on every
// instruction set.
#include <cmath>
#include <limits>
#include <string>

#include "check.h"
#include "guarded.h"
#include "random.h"
#include "runtime/philox.h"
#include "tables.h"

using namespace nncore;
using namespace nncore::kernels;

namespace {

// The 16 random bits of element e, from the definition in kernels.h.
std::uint32_t bits_of(const RandomKey& key, ptrdiff_t e) {
    const ptrdiff_t g = e / 128, r = e % 128;
    const auto block = runtime::philox(
        {static_cast<std::uint32_t>(16 * g + r % 16), key.sample, key.stream, key.purpose},
        {key.seed_low, key.seed_high});
    const auto half = static_cast<std::size_t>(r / 16);
    return (block[half / 2] >> (half % 2 == 0 ? 0 : 16)) & 0xffffu;
}

TEST(dropout_mask) {
    Random random(1);
    for (const ptrdiff_t count : {0, 1, 3, 4, 5, 8, 9, 15, 16, 17, 31, 33, 100, 127, 128, 129, 300})
        for (const std::uint32_t threshold : {0u, 1u, 19661u, 32768u, 65535u, 65536u})
            for (const ptrdiff_t offset : {0, 1, 3}) {
                const auto word = [&] { return static_cast<std::uint32_t>(random.bits() >> 32); };
                const RandomKey key{word(), word(), word(), word(), word()};
                const float scale = random.uniform(1.0f, 3.0f);
                GuardedArray<float> mask(count, offset);
                for (ptrdiff_t e = 0; e < count; ++e)
                    mask[e] = bits_of(key, e) < threshold ? 0.0f : scale;
                for (const std::string& isa : available_isas()) {
                    auto actual = untouched(count, offset);
                    table_named(isa).dropout_mask(count, key, threshold, scale, actual.data());
                    CHECK_SAME(mask, actual, isa << " mask of " << count);
                }
            }
}

TEST(random_words) {
    const RandomKey key{1, 2, 3, 4, 5};
    for (const ptrdiff_t count : {0, 1, 7, 16, 17, 64}) {
        GuardedArray<std::uint32_t> words0(count, 1), words1(count, 3);
        for (ptrdiff_t i = 0; i < count; ++i) {
            const auto block =
                0xfffffff0u + static_cast<std::uint32_t>(i);  // 0 comes after the last
            const auto words = runtime::philox({block, 3, 4, 5}, {1, 2});
            words0[i] = words[0];
            words1[i] = words[1];
        }
        for (const std::string& isa : available_isas()) {
            GuardedArray<std::uint32_t> actual0(count, 1), actual1(count, 3);
            table_named(isa).random_words(key, 0xfffffff0u, count, actual0.data(), actual1.data());
            CHECK_SAME(words0, actual0, isa << " first words of " << count);
            CHECK_SAME(words1, actual1, isa << " second words of " << count);
        }
    }
}

TEST(multiply) {
    Random random(2);
    const float specials[] = {0.0f, -0.0f, std::numeric_limits<float>::infinity(), std::nanf(""),
                              1e-45f};
    for (const ptrdiff_t count : {0, 1, 3, 4, 5, 8, 9, 15, 16, 17, 31, 33, 100})
        for (const ptrdiff_t offset : {0, 1, 2, 3}) {
            auto x = random_floats(random, count, offset);
            for (float& value : x)
                if (random.below(4) == 0) value = specials[random.below(5)];
            const auto factors = random_floats(random, count, 3 - offset);
            GuardedArray<float> expected(count, (offset + 1) % 4);
            for (ptrdiff_t i = 0; i < count; ++i) expected[i] = x[i] * factors[i];
            for (const std::string& isa : available_isas()) {
                auto actual = untouched(count, (offset + 1) % 4);
                table_named(isa).multiply(count, x.data(), factors.data(), actual.data());
                CHECK_SAME(expected, actual, isa << " " << count);
                GuardedArray<float> in_place = x;
                table_named(isa).multiply(count, in_place.data(), factors.data(), in_place.data());
                CHECK_SAME(expected, in_place, isa << " in place, " << count);
            }
        }
}

}  // namespace
