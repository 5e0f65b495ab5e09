// MinGW's own fmaf rounds twice, in double and then to float: other bits than everywhere else. This
// one stands before it wherever the core is linked, so that std::fma is what it says.
#include <bit>
#include <cstdint>

extern "C" float fmaf(float a, float b, float c);

// The product is exact in double. The sum is rounded to odd (Boldo and Melquiond, "Emulation of FMA
// and correctly rounded sums", IEEE TC 57(4), 2008), so that the rounding to float does no harm.
extern "C" float fmaf(float a, float b, float c) {
    const double product = static_cast<double>(a) * static_cast<double>(b);
    const double addend = static_cast<double>(c);
    const double sum = product + addend;
    const double virtual_addend = sum - product;
    const double error = (product - (sum - virtual_addend)) + (addend - virtual_addend);
    auto bits = std::bit_cast<std::int64_t>(sum);
    // Comparisons with NaN, of an infinite operand, are false and leave the sum alone.
    if ((bits & 1) == 0 && (error > 0.0 || error < 0.0))
        bits += (error > 0.0) == (bits >= 0) ? 1 : -1;
    return static_cast<float>(std::bit_cast<double>(bits));
}
