// reduce.h - sums and maxima over the threads of a block, in an order that depends on the number of threads alone.
// Every thread has to call them, gets the result, and may reuse scratch (32 elements of shared memory) at once.
#pragma once
#include "device.h"

struct Best {  // a value and its index
  float value;
  int id;
};

template <class T> DEVICE_FN T shuffle_xor(T v, int o) { return __shfl_xor_sync(0xffffffffu, v, o); }
DEVICE_FN Best shuffle_xor(Best v, int o) { return Best{__shfl_xor_sync(0xffffffffu, v.value, o), __shfl_xor_sync(0xffffffffu, v.id, o)}; }
DEVICE_FN double shuffle_xor(double v, int o) {
  unsigned half[2];
  __builtin_memcpy(half, &v, 8);
  half[0] = __shfl_xor_sync(0xffffffffu, half[0], o);
  half[1] = __shfl_xor_sync(0xffffffffu, half[1], o);
  __builtin_memcpy(&v, half, 8);
  return v;
}

// join is commutative to the last bit.
template <class T, class F> DEVICE_FN T warp_reduce(T v, F join) {
  for (int o = 16; o; o >>= 1) v = join(v, shuffle_xor(v, o));
  return v;
}

template <class T, class F> DEVICE_FN T block_reduce(T v, T *scratch, F join) {
  v = warp_reduce(v, join);
  if ((threadIdx.x & 31) == 0) scratch[threadIdx.x >> 5] = v;
  __syncthreads();
  v = scratch[0];
  for (int i = 1; i < (int)(blockDim.x >> 5); i++) v = join(v, scratch[i]);
  __syncthreads();
  return v;
}

struct Sum {
  template <class T> __device__ __forceinline__ T operator()(T a, T b) const { return a + b; }
};
struct Larger {
  template <class T> __device__ __forceinline__ T operator()(T a, T b) const { return a > b ? a : b; }
};
struct Better {  // the larger value, the lower index of equals
  __device__ __forceinline__ Best operator()(Best a, Best b) const { return b.value > a.value || (b.value == a.value && b.id < a.id) ? b : a; }
};

DEVICE_FN float warp_sum(float v) { return warp_reduce(v, Sum{}); }
template <class T> DEVICE_FN T block_sum(T v, T *scratch) { return block_reduce(v, scratch, Sum{}); }
template <class T> DEVICE_FN T block_max(T v, T *scratch) { return block_reduce(v, scratch, Larger{}); }
