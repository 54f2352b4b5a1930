// approximate.h - the device's arithmetic functions.  They use nothing of libm whose last bit depends on the processor
// or the version: every host gives the same bits.  A GPU's approximations differ from them by some units in the last place.
#pragma once

// 2^x, by a Taylor polynomial of degree 10 on [-1/2, 1/2] in double; rounded once.
static inline float exp2_approx(float x) {
  if (!(x < 128.f)) return x != x ? x : INFINITY;
  if (x < -150.f) return 0.f;
  double n = floor((double)x + 0.5), t = ((double)x - n) * 0.6931471805599453, p = 1, term = 1;
  for (int i = 1; i <= 10; i++) {
    term *= t / i;
    p += term;
  }
  uint64_t bits = (uint64_t)((int64_t)n + 1023) << 52;
  double scale;
  memcpy(&scale, &bits, 8);
  return (float)(p * scale);
}

// log2(x) = e + 2/ln 2 (s + s^3/3 + s^5/5 ...), s = (m-1)/(m+1), x = m 2^e, m in [sqrt 1/2, sqrt 2)
static inline float log2_approx(float x) {
  if (x == 0.f) return -INFINITY;
  if (!(x > 0.f)) return NAN;
  if (x == INFINITY) return x;
  int e;
  double m = frexp((double)x, &e);
  if (m < 0.7071067811865476) m *= 2, e--;
  double s = (m - 1) / (m + 1), square = s * s, power = s, sum = 0;
  for (int i = 1; i <= 17; i += 2) {
    sum += power / i;
    power *= square;
  }
  return (float)(e + sum * 2.885390081777927);
}

static inline float rsqrtf(float x) { return 1.0f / sqrtf(x); }
static inline float __fmaf_rn(float a, float b, float c) { return fmaf(a, b, c); }
static inline float __frcp_rn(float x) { return 1.0f / x; }
static inline int __float2int_rn(float x) { return (int)rintf(x); }
static inline unsigned __float_as_uint(float f) { unsigned u; memcpy(&u, &f, 4); return u; }
static inline float __uint_as_float(unsigned u) { float f; memcpy(&f, &u, 4); return f; }
static inline int __float_as_int(float f) { int u; memcpy(&u, &f, 4); return u; }
static inline float __int_as_float(int u) { float f; memcpy(&f, &u, 4); return f; }
static inline int __dp4a(int a, int b, int c) {
  for (int i = 0; i < 4; i++) c += (int)(int8_t)(a >> 8 * i) * (int)(int8_t)(b >> 8 * i);
  return c;
}
