// quantise.h - activations as codes of 8 bits, one scale a row: the codec of package quantize/int8, bit for bit.
#pragma once
#include "reduce.h"

// The scale of a row whose largest magnitude is peak: peak/127; the next larger where a subnormal scale is so imprecise
// that peak would need a code beyond 127; at most the largest with 127 scale finite.
DEVICE_FN float scale_of(float peak) {
  const float largest = 3.40282347e38f / 127.f;
  float scale = fminf(peak / 127.f, largest);
  if (peak / scale >= 127.5f && scale < largest) scale = __uint_as_float(__float_as_uint(scale) + 1);
  return scale;
}

// Codes of row, cols floats in shared memory from a multiple of 16 bytes on, whoever has written them. A row with NaN or
// infinity has no codes: they are 0, its scale is NaN, and so is what is computed with it.
DEVICE_FN void quantise_row(signed char *q, int ldq, float *scale, const float *row, int cols, unsigned *scratch) {
  unsigned peak = 0;
  __syncthreads();
  for (int i = threadIdx.x; i < cols; i += blockDim.x) {
    unsigned magnitude = __float_as_uint(row[i]) & 0x7fffffffu;
    peak = peak > magnitude ? peak : magnitude;
  }
  peak = block_max(peak, scratch);
  bool finite = peak < 0x7f800000u;
  float s = finite && peak ? scale_of(__uint_as_float(peak)) : 0.f;
  auto code = [&](float v) { return finite && peak ? __float2int_rn(fminf(fmaxf(v / s, -127.f), 127.f)) : 0; };
  int words = ((size_t)q & 3) == 0 ? cols / 4 : 0;  // four codes at a time, and what remains one by one
  for (int i = threadIdx.x; i < words; i += blockDim.x) {
    float4 v = ((const float4 *)row)[i];
    unsigned low = (code(v.x) & 0xff) | (code(v.y) & 0xff) << 8, high = (code(v.z) & 0xff) | (code(v.w) & 0xff) << 8;
    ((unsigned *)q)[i] = low | high << 16;
  }
  for (int i = 4 * words + threadIdx.x; i < ldq; i += blockDim.x) q[i] = (signed char)(i < cols ? code(row[i]) : 0);
  if (threadIdx.x == 0) *scale = finite ? s : __uint_as_float(0x7fffffffu);
}
