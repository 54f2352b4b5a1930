// halves.h - half and bfloat16 as 16-bit structs with explicit conversions, round to nearest even.
#pragma once
#include <cstdint>
#include <cstring>

#include "vector_types.h"
#if defined(__F16C__)
#include <immintrin.h>
#endif

namespace emulated {
#if defined(__F16C__)
static inline float half_to_float(uint16_t h) { return _cvtsh_ss(h); }
static inline uint16_t float_to_half(float f) { return _cvtss_sh(f, 0); }
#else
static inline float half_to_float(uint16_t h) {
  uint32_t sign = (uint32_t)(h & 0x8000) << 16, magnitude = h & 0x7fff, u;
  float f;
  if (magnitude >= 0x7c00) {
    u = sign | 0x7f800000 | (magnitude & 0x3ff) << 13;
    if (magnitude & 0x3ff) u |= 0x400000;
    memcpy(&f, &u, 4);
    return f;
  }
  u = magnitude << 13;
  memcpy(&f, &u, 4);
  f *= 5.192296858534828e33f;  // 2^112, the difference of the biases
  memcpy(&u, &f, 4);
  u |= sign;
  memcpy(&f, &u, 4);
  return f;
}
static inline uint16_t float_to_half(float f) {
  uint32_t u;
  memcpy(&u, &f, 4);
  uint32_t sign = u >> 16 & 0x8000;
  u &= 0x7fffffff;
  if (u >= 0x7f800000) return sign | 0x7c00 | (u > 0x7f800000 ? 0x200 | (u >> 13 & 0x3ff) : 0);
  if (u >= 0x477ff000) return sign | 0x7c00;  // rounds past 65504
  if (u < 0x38800000) {                       // subnormal: one unit in the last place of 0.5 is 2^-24
    float a;
    memcpy(&a, &u, 4);
    a += 0.5f;
    memcpy(&u, &a, 4);
    return sign | (u - 0x3f000000);
  }
  u += 0xfff + (u >> 13 & 1);
  return sign | ((u - 0x38000000) >> 13);
}
#endif
static inline uint16_t float_to_bfloat(float f) {
  uint32_t u;
  memcpy(&u, &f, 4);
  if ((u & 0x7fffffff) > 0x7f800000) return 0x7fff;
  return (u + 0x7fff + (u >> 16 & 1)) >> 16;
}
static inline float bfloat_to_float(uint16_t h) {
  uint32_t u = (uint32_t)h << 16;
  float f;
  memcpy(&f, &u, 4);
  return f;
}
}  // namespace emulated

struct __half {
  uint16_t x;
  __half() = default;
  explicit __half(float f) : x(emulated::float_to_half(f)) {}
  operator float() const { return emulated::half_to_float(x); }
};
struct alignas(4) __half2 { __half x, y; };
struct __nv_bfloat16 {
  uint16_t x;
  __nv_bfloat16() = default;
  explicit __nv_bfloat16(float f) : x(emulated::float_to_bfloat(f)) {}
  operator float() const { return emulated::bfloat_to_float(x); }
};
struct alignas(4) __nv_bfloat162 { __nv_bfloat16 x, y; };
typedef __half half;
typedef __half2 half2;

static inline float __half2float(__half h) { return emulated::half_to_float(h.x); }
static inline __half __ushort_as_half(unsigned short bits) { __half h; h.x = bits; return h; }
static inline __half __float2half_rn(float f) { return __half(f); }
static inline __half __float2half(float f) { return __half(f); }
static inline float2 __half22float2(__half2 h) { return {__half2float(h.x), __half2float(h.y)}; }
static inline __half2 __floats2half2_rn(float a, float b) { return {__half(a), __half(b)}; }
static inline float __bfloat162float(__nv_bfloat16 b) { return emulated::bfloat_to_float(b.x); }
static inline __nv_bfloat16 __float2bfloat16(float f) { return __nv_bfloat16(f); }
static inline __nv_bfloat16 __float2bfloat16_rn(float f) { return __nv_bfloat16(f); }
static inline float2 __bfloat1622float2(__nv_bfloat162 h) { return {__bfloat162float(h.x), __bfloat162float(h.y)}; }
static inline __nv_bfloat162 __floats2bfloat162_rn(float a, float b) { return {__nv_bfloat16(a), __nv_bfloat16(b)}; }
