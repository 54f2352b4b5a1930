// arithmetic.h - functions of numbers, written with correctly rounded operations only: the same bits on every device
// and on the CPU.
#pragma once
#include "element.h"

// 2^n for -126 <= n <= 127
DEVICE_FN float power_of_two(int n) { return __uint_as_float((unsigned)(n + 127) << 23); }

// e^x within 1.5 units in the last place: x = n ln 2 + r, e^r by the polynomial of Cephes' expf.
DEVICE_FN float exponential(float x) {
  if (x > 88.8f) return __uint_as_float(0x7f800000u);
  if (x < -104.f) return 0.f;
  if (x != x) return x;
  int n = __float2int_rn(x * 1.44269504f);
  float r = fmaf((float)n, -0.693359375f, x);
  r = fmaf((float)n, 2.12194440e-4f, r);
  float p = 1.9875691500e-4f;
  p = fmaf(p, r, 1.3981999507e-3f);
  p = fmaf(p, r, 8.3334519073e-3f);
  p = fmaf(p, r, 4.1665795894e-2f);
  p = fmaf(p, r, 1.6666665459e-1f);
  p = fmaf(p, r, 5.0000001201e-1f);
  p = fmaf(p, r * r, r) + 1.f;
  return p * power_of_two(n / 2) * power_of_two(n - n / 2);
}

// x/(1 + e^-x)
DEVICE_FN float silu_of(float x) { return x / (1.f + exponential(-x)); }

// x/2 (1 + tanh u) = x/(1 + e^-2u), u = sqrt(2/pi) (x + 0.044715 x^3)
DEVICE_FN float gelu_tanh_of(float x) {
  float u = 0.7978845608f * (x + 0.044715f * (x * x * x));
  return x / (1.f + exponential(-2.f * u));
}

// erfc(|z|) within 1.2e-7 of itself: Chebyshev fit of Numerical Recipes, erfcc
DEVICE_FN float erfc_of_magnitude(float z) {
  float t = 1.f / (1.f + 0.5f * z);
  float p = 0.17087277f;
  p = fmaf(p, t, -0.82215223f);
  p = fmaf(p, t, 1.48851587f);
  p = fmaf(p, t, -1.13520398f);
  p = fmaf(p, t, 0.27886807f);
  p = fmaf(p, t, -0.18628806f);
  p = fmaf(p, t, 0.09678418f);
  p = fmaf(p, t, 0.37409196f);
  p = fmaf(p, t, 1.00002368f);
  p = fmaf(p, t, -1.26551223f);
  return t * exponential(fmaf(-z, z, p));
}

// x Phi(x) = x/2 erfc(-x/sqrt 2)
DEVICE_FN float gelu_of(float x) {
  float tail = 0.5f * erfc_of_magnitude(fabsf(x) * 0.70710678f);
  return x * (x < 0.f ? tail : 1.f - tail);
}

// Activations by number, as package ops numbers them.
enum Activation { kIdentity = 0, kGELUTanh = 1, kGELU = 2, kSiLU = 3, kSwiGLU = 4 };

DEVICE_FN float activate(float x, int activation) {
  if (activation == kGELUTanh) return gelu_tanh_of(x);
  if (activation == kGELU) return gelu_of(x);
  if (activation == kSiLU) return silu_of(x);
  return x;
}

// sin a and cos a for |a| < 2^20, by Taylor series in double after reduction to |r| <= pi/4.
DEVICE_FN void sine_cosine(double a, float *sine, float *cosine) {
  long long n = (long long)(a * 0.6366197723675814 + (a < 0 ? -0.5 : 0.5));
  double r = a - (double)n * 1.5707963267341256;  // the upper 33 bits of pi/2
  r -= (double)n * 6.077100506506192e-11;
  double square = r * r, s = r, c = 1, term = 1;
  for (int i = 2; i <= 16; i += 2) {
    term *= -square / (i * (i - 1));
    c += term;
    s += term * r / (i + 1);
  }
  if (n & 1) {
    double t = s;
    s = c, c = -t;
  }
  if (n & 2) s = -s, c = -c;
  *sine = (float)s;
  *cosine = (float)c;
}
