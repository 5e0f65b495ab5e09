// Coefficients of the project's own exp, log, tanh and normal distribution, shared by the vector
// form (isa/math.h) and the scalar reference (reference.cpp), which are written separately.
//
// Source of exp, log and tanh: the single-precision routines of S. L. Moshier's Cephes library
// (expf.c, logf.c, tanhf.c), evaluated with fused multiply-adds. Measured errors over all floats,
// in units in the last place: exp 1.3, log 0.9, tanh 1.4, sigmoid 3.2, gelu 6.3 (3 for x > -3),
// silu 3.1 (tests/cpp/test_math.cpp checks the bounds).
#pragma once

namespace nncore::kernels::constants {

// exp: x = n ln 2 + r, |r| <= ln 2 / 2; ln 2 in two parts (Cody and Waite).
constexpr float exp_low = -104.0f;  // exp rounds to 0 below
constexpr float exp_high = 89.0f;   // exp is infinite above
constexpr float log2_e = 1.44269504088896341f;
constexpr float round_magic = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer
constexpr float ln2_high = 0.693359375f;
constexpr float ln2_low = -2.12194440e-4f;
constexpr float exp_c0 = 1.9875691500e-4f;
constexpr float exp_c1 = 1.3981999507e-3f;
constexpr float exp_c2 = 8.3334519073e-3f;
constexpr float exp_c3 = 4.1665795894e-2f;
constexpr float exp_c4 = 1.6666665459e-1f;
constexpr float exp_c5 = 5.0000001201e-1f;

// log: x = 2^e m, sqrt(1/2) <= m < sqrt(2), polynomial in m - 1.
constexpr float sqrt_half = 0.707106781186547524f;
constexpr float log_c0 = 7.0376836292e-2f;
constexpr float log_c1 = -1.1514610310e-1f;
constexpr float log_c2 = 1.1676998740e-1f;
constexpr float log_c3 = -1.2420140846e-1f;
constexpr float log_c4 = 1.4249322787e-1f;
constexpr float log_c5 = -1.6668057665e-1f;
constexpr float log_c6 = 2.0000714765e-1f;
constexpr float log_c7 = -2.4999993993e-1f;
constexpr float log_c8 = 3.3333331174e-1f;

// tanh: odd polynomial below the threshold, 1 - 2 / (exp(2x) + 1) above.
constexpr float tanh_threshold = 0.625f;
constexpr float tanh_c0 = -5.70498872745e-3f;
constexpr float tanh_c1 = 2.06390887954e-2f;
constexpr float tanh_c2 = -5.37397155531e-2f;
constexpr float tanh_c3 = 1.33314422036e-1f;
constexpr float tanh_c4 = -3.33332819422e-1f;

// The standard normal distribution function Phi. For |x| < 1: 1/2 + x * polynomial(x^2). At -t for
// 1 <= t <= normal_end (beyond, floats end): exp(-t^2 / 2) * u * polynomial(u) with
// u = 1 / (1 + normal_scale t), the way in which erfc is commonly expanded. Coefficients: relative
// minimax fits of this project's, off by 2e-10 and 4e-9.
constexpr float normal_end = 16.0f;
constexpr float normal_scale = 0.296875f;
constexpr float normal_c0 = 1.184417009e-1f;
constexpr float normal_c1 = 1.182856411e-1f;
constexpr float normal_c2 = 1.097104326e-1f;
constexpr float normal_c3 = 7.601418346e-2f;
constexpr float normal_c4 = 1.038472280e-1f;
constexpr float normal_c5 = -9.268303961e-2f;
constexpr float normal_c6 = 2.111157328e-1f;
constexpr float normal_c7 = -2.372476012e-1f;
constexpr float normal_c8 = 1.125198305e-1f;
constexpr float normal_c9 = -2.000411227e-2f;
constexpr float normal_middle_c0 = 3.989422917e-1f;
constexpr float normal_middle_c1 = -6.649033725e-2f;
constexpr float normal_middle_c2 = 9.973204695e-3f;
constexpr float normal_middle_c3 = -1.186060370e-3f;
constexpr float normal_middle_c4 = 1.132175312e-4f;
constexpr float normal_middle_c5 = -7.556692253e-6f;
constexpr float normal_peak = 3.98942280401432678e-1f;  // 1 / sqrt(2 pi)

}  // namespace nncore::kernels::constants
