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

// Rows are moved in runs of 8 elements: a thread has those from 8 threadIdx.x on, and so on.
constexpr int kRun = 8;

DEVICE_FN int bytes_of(int type) { return type == kBF16 || type == kF16 ? 2 : 4; }

// Do rows that are `stride` elements apart, and runs in them, start at multiples of 16 bytes?
DEVICE_FN bool in_words(const void *p, int type, int stride) { return ((size_t)p & 15) == 0 && stride * bytes_of(type) % 16 == 0; }

// One of the two 16-bit elements of a word, widened.
DEVICE_FN float word_as(unsigned word, int type, int half) {
  if (type == kBF16) return __uint_as_float(half ? word & 0xffff0000u : word << 16);
  return __half2float(__ushort_as_half((unsigned short)(half ? word >> 16 : word)));
}

// The elements i to i+7 of p, n of which are there, by 16 bytes at a time if they lie so.
DEVICE_FN void load_run(float v[kRun], const void *p, int type, size_t i, int n, bool words) {
  if (words && n >= kRun) {
    const uint4 *from = (const uint4 *)((const char *)p + i * bytes_of(type));
    uint4 a = from[0];
    unsigned low[4] = {a.x, a.y, a.z, a.w};
    if (type == kBF16 || type == kF16) {
      UNROLL
      for (int k = 0; k < kRun; k++) v[k] = word_as(low[k / 2], type, k % 2);
      return;
    }
    uint4 b = from[1];
    unsigned high[4] = {b.x, b.y, b.z, b.w};
    UNROLL
    for (int k = 0; k < 4; k++) v[k] = __uint_as_float(low[k]), v[k + 4] = __uint_as_float(high[k]);
    return;
  }
  UNROLL
  for (int k = 0; k < kRun; k++) v[k] = k < n ? load(p, type, i + k) : 0.f;
}

DEVICE_FN unsigned pair_as(float low, float high, int type);

// Rounds n of the numbers v and stores them from element i on.
DEVICE_FN void store_run(const float v[kRun], void *p, int type, size_t i, int n, bool words) {
  if (words && n >= kRun) {
    uint4 *to = (uint4 *)((char *)p + i * bytes_of(type));
    if (type == kBF16 || type == kF16) to[0] = make_uint4(pair_as(v[0], v[1], type), pair_as(v[2], v[3], type), pair_as(v[4], v[5], type), pair_as(v[6], v[7], type));
    else {
      to[0] = make_uint4(__float_as_uint(v[0]), __float_as_uint(v[1]), __float_as_uint(v[2]), __float_as_uint(v[3]));
      to[1] = make_uint4(__float_as_uint(v[4]), __float_as_uint(v[5]), __float_as_uint(v[6]), __float_as_uint(v[7]));
    }
    return;
  }
  UNROLL
  for (int k = 0; k < kRun; k++)
    if (k < n) store(p, type, i + k, v[k]);
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

DEVICE_FN unsigned pair_as(float low, float high, int type) { return type == kBF16 ? TypeBF16::pack(low, high) : TypeF16::pack(low, high); }

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
