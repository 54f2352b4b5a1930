// element.h - the types of elements and what rounds where.
//
// Kernels whose time is a launch take the types of their operands as numbers (package ops has the same); those that move
// weights are made once for each type.
#pragma once
#include "device.h"

enum Element { kF32 = 0, kBF16 = 1, kF16 = 2, kI8 = 3 };

// Element i of p, widened.
DEVICE_FN float load(const void *p, int type, size_t i) {
  if (type == kBF16) return __bfloat162float(((const __nv_bfloat16 *)p)[i]);
  if (type == kF16) return __half2float(((const __half *)p)[i]);
  return ((const float *)p)[i];
}

// Rounds v to the nearest element of the type, ties to even, and stores it as element i.
DEVICE_FN void store(void *p, int type, size_t i, float v) {
  if (type == kBF16) ((__nv_bfloat16 *)p)[i] = __float2bfloat16_rn(v);
  else if (type == kF16) ((__half *)p)[i] = __float2half_rn(v);
  else ((float *)p)[i] = v;
}

// The element of the type that is nearest to v.
DEVICE_FN float round_to(float v, int type) {
  if (type == kBF16) return __bfloat162float(__float2bfloat16_rn(v));
  if (type == kF16) return __half2float(__float2half_rn(v));
  return v;
}

// Is v NaN or infinite?
DEVICE_FN bool not_finite(float v) { return !(v - v == 0.f); }

// The type of a result of operands of two types.
DEVICE_FN int wider(int a, int b) { return a == b ? a : (int)kF32; }

// The 16-bit types by name.
struct TypeBF16 {
  static constexpr int kType = kBF16;
  static __device__ __forceinline__ unsigned pack(float low, float high) {
    __nv_bfloat162 v = __floats2bfloat162_rn(low, high);
    return (unsigned)*(const unsigned short *)&v.x | (unsigned)*(const unsigned short *)&v.y << 16;
  }
};
struct TypeF16 {
  static constexpr int kType = kF16;
  static __device__ __forceinline__ unsigned pack(float low, float high) {
    __half2 v = __floats2half2_rn(low, high);
    return (unsigned)*(const unsigned short *)&v.x | (unsigned)*(const unsigned short *)&v.y << 16;
  }
};

// Bytes of {a, b}, a's being 0 to 3 and b's 4 to 7, by the four lowest hexadecimal digits of the selector.
DEVICE_FN unsigned select_bytes(unsigned a, unsigned b, unsigned selector) {
#if defined(CUDA_EMULATED)
  unsigned long long both = (unsigned long long)b << 32 | a;
  unsigned r = 0;
  for (int i = 0; i < 4; i++) r |= (unsigned)(both >> 8 * (selector >> 4 * i & 7) & 0xff) << 8 * i;
  return r;
#else
  unsigned r;
  asm("prmt.b32 %0, %1, %2, %3;" : "=r"(r) : "r"(a), "r"(b), "r"(selector));
  return r;
#endif
}

// Differences of two pairs of halves.
DEVICE_FN unsigned subtract_f16x2(unsigned a, unsigned b) {
#if defined(CUDA_EMULATED)
  unsigned r = 0;
  for (int i = 0; i < 2; i++) {
    float x = emulated::half_to_float(a >> 16 * i & 0xffff), y = emulated::half_to_float(b >> 16 * i & 0xffff);
    r |= (unsigned)emulated::float_to_half(x - y) << 16 * i;
  }
  return r;
#else
  unsigned r;
  asm("sub.rn.f16x2 %0, %1, %2;" : "=r"(r) : "r"(a), "r"(b));
  return r;
#endif
}
