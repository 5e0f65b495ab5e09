// Coefficients of the project's own exp, log, tanh and normal distribution, shared by the vector
// form (isa/math.h) and the scalar reference (reference/math.h), which are written separately.
//
// Source of exp, log and tanh: the single-precision routines of S. L. Moshier's Cephes library
// (expf.c, logf.c, tanhf.c), evaluated with fused multiply-adds. Measured errors over all floats,
// in units in the last place: exp 1.3, log 0.9, tanh 1.4, sigmoid 3.2, gelu 6.3 (3 for x > -3),
// silu 3.1 (tests/cpp/test_math.cpp checks the bounds).
#pragma once

namespace nncore::kernels::constants {

// exp: x = n ln 2 + r, |r| <= ln 2 / 2; ln 2 in two parts (Cody and Waite).
constexpr float kExpLow = -104.0f;  // exp rounds to 0 below
constexpr float kExpHigh = 89.0f;   // exp is infinite above
constexpr float kLog2E = 1.44269504088896341f;
constexpr float kRoundMagic = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer
constexpr float kLn2High = 0.693359375f;
constexpr float kLn2Low = -2.12194440e-4f;
constexpr float kExpC0 = 1.9875691500e-4f;
constexpr float kExpC1 = 1.3981999507e-3f;
constexpr float kExpC2 = 8.3334519073e-3f;
constexpr float kExpC3 = 4.1665795894e-2f;
constexpr float kExpC4 = 1.6666665459e-1f;
constexpr float kExpC5 = 5.0000001201e-1f;

// log: x = 2^e m, sqrt(1/2) <= m < sqrt(2), polynomial in m - 1.
constexpr float kSqrtHalf = 0.707106781186547524f;
constexpr float kLogC0 = 7.0376836292e-2f;
constexpr float kLogC1 = -1.1514610310e-1f;
constexpr float kLogC2 = 1.1676998740e-1f;
constexpr float kLogC3 = -1.2420140846e-1f;
constexpr float kLogC4 = 1.4249322787e-1f;
constexpr float kLogC5 = -1.6668057665e-1f;
constexpr float kLogC6 = 2.0000714765e-1f;
constexpr float kLogC7 = -2.4999993993e-1f;
constexpr float kLogC8 = 3.3333331174e-1f;

// tanh: odd polynomial below the threshold, 1 - 2 / (exp(2x) + 1) above.
constexpr float kTanhThreshold = 0.625f;
constexpr float kTanhC0 = -5.70498872745e-3f;
constexpr float kTanhC1 = 2.06390887954e-2f;
constexpr float kTanhC2 = -5.37397155531e-2f;
constexpr float kTanhC3 = 1.33314422036e-1f;
constexpr float kTanhC4 = -3.33332819422e-1f;

// The standard normal distribution function Phi. For |x| < 1: 1/2 + x * polynomial(x^2). At -t for
// 1 <= t <= kNormalEnd (beyond, floats end): exp(-t^2 / 2) * u * polynomial(u) with
// u = 1 / (1 + kNormalScale t), the way in which erfc is commonly expanded. Coefficients: relative
// minimax fits of this project's, off by 2e-10 and 4e-9.
constexpr float kNormalEnd = 16.0f;
constexpr float kNormalScale = 0.296875f;
constexpr float kNormalC0 = 1.184417009e-1f;
constexpr float kNormalC1 = 1.182856411e-1f;
constexpr float kNormalC2 = 1.097104326e-1f;
constexpr float kNormalC3 = 7.601418346e-2f;
constexpr float kNormalC4 = 1.038472280e-1f;
constexpr float kNormalC5 = -9.268303961e-2f;
constexpr float kNormalC6 = 2.111157328e-1f;
constexpr float kNormalC7 = -2.372476012e-1f;
constexpr float kNormalC8 = 1.125198305e-1f;
constexpr float kNormalC9 = -2.000411227e-2f;
constexpr float kNormalMiddleC0 = 3.989422917e-1f;
constexpr float kNormalMiddleC1 = -6.649033725e-2f;
constexpr float kNormalMiddleC2 = 9.973204695e-3f;
constexpr float kNormalMiddleC3 = -1.186060370e-3f;
constexpr float kNormalMiddleC4 = 1.132175312e-4f;
constexpr float kNormalMiddleC5 = -7.556692253e-6f;
constexpr float kNormalPeak = 3.98942280401432678e-1f;  // 1 / sqrt(2 pi)

}  // namespace nncore::kernels::constants
