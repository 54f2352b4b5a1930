// plants.cu - wrong kernels, each with one mistake that must be caught; never shipped to a device.
#include "device.h"

// C = A B with the second barrier left out: a tile is overwritten while others still read it
extern "C" __global__ void __launch_bounds__(256) bad_race(float *C, const float *A, const float *B, int M, int N, int K) {
  DYNAMIC_SHARED(float, tile);
  float *As = tile, *Bs = tile + 16 * 17;
  int tx = threadIdx.x, ty = threadIdx.y, row = blockIdx.y * 16 + ty, col = blockIdx.x * 16 + tx;
  float acc = 0.f;
  for (int k0 = 0; k0 < K; k0 += 16) {
    As[ty * 17 + tx] = A[(size_t)row * K + k0 + tx];
    Bs[ty * 17 + tx] = B[(size_t)(k0 + ty) * N + col];
    __syncthreads();
    for (int k = 0; k < 16; k++) acc = fmaf(As[ty * 17 + k], Bs[k * 17 + tx], acc);
  }
  if (row < M && col < N) C[(size_t)row * N + col] = acc;
}
KERNEL(bad_race);

// every thread writes its own place and reads its neighbour's, without a barrier: right in forward order, so only the
// race checker sees it
extern "C" __global__ void __launch_bounds__(256) bad_race_quiet(int *out) {
  __shared__ int s[256];
  s[threadIdx.x] = threadIdx.x;
  out[threadIdx.x] = threadIdx.x ? s[threadIdx.x - 1] : 0;
}
KERNEL(bad_race_quiet);

// two blocks write one place
extern "C" __global__ void __launch_bounds__(32) bad_race_blocks(int *out) {
  if (threadIdx.x == 0) out[0] = 7;
}
KERNEL(bad_race_blocks);

// a __syncwarp is missing between the write of a lane and the read of its neighbour
extern "C" __global__ void __launch_bounds__(32) bad_race_warp(int *out) {
  __shared__ int s[32];
  s[threadIdx.x] = threadIdx.x;
  __shfl_xor_sync(0xffffffffu, 0, 1);  // orders nothing
  out[threadIdx.x] = s[31 - threadIdx.x];
}
KERNEL(bad_race_warp);

// a barrier under a condition that not all threads meet
extern "C" __global__ void __launch_bounds__(128) bad_barrier(int *out) {
  if (threadIdx.x < 100) __syncthreads();
  else if (threadIdx.x < 120) __shfl_xor_sync(0xffffffffu, 1, 1);
  out[threadIdx.x] = 1;
}
KERNEL(bad_barrier);

// two barriers in different places meet
extern "C" __global__ void __launch_bounds__(64) bad_barrier_place(int *out) {
  if (threadIdx.x < 32)
    __syncthreads();
  else
    __syncthreads();
  out[threadIdx.x] = 1;
}
KERNEL(bad_barrier_place);

// a lane that is not in its own mask
extern "C" __global__ void __launch_bounds__(32) bad_mask(int *out) { out[threadIdx.x] = __shfl_sync(0xffffu, 1, 0); }
KERNEL(bad_mask);

extern "C" __global__ void __launch_bounds__(32) bad_index(int *out, int at) {
  if (threadIdx.x == 5) out[at] = 1;
}
KERNEL(bad_index);

// reads 16 bytes from an address that is no multiple of 16
extern "C" __global__ void __launch_bounds__(32) bad_align(int4 *out, const int *in) { out[threadIdx.x] = *(const int4 *)(in + 1); }
KERNEL(bad_align);

// an asynchronous copy to a misaligned address
extern "C" __global__ void __launch_bounds__(32) bad_copy(const char *in) {
  DYNAMIC_SHARED(char, tile);
  ASYNC_COPY16(tile + 8, in, true);
  ASYNC_COMMIT();
  ASYNC_WAIT(0);
}
KERNEL(bad_copy);

// blocks from `from` on write far outside
extern "C" __global__ void __launch_bounds__(32) bad_from(int *out, int from) {
  if (threadIdx.x == 0 && blockIdx.x >= (unsigned)from) out[4096 + blockIdx.x] = 1;
}
KERNEL(bad_from);

extern "C" __global__ void __launch_bounds__(32) bad_dynamic(int *out, int at) {
  DYNAMIC_SHARED(int, s);
  if (threadIdx.x == 0) s[at] = 1;
  out[threadIdx.x] = 0;
}
KERNEL(bad_dynamic);

extern "C" __global__ void __launch_bounds__(32) bad_static(int *out, int at) {
  __shared__ int s[32];
  if (threadIdx.x == 0) s[at] = 1;
  __syncthreads();
  out[threadIdx.x] = s[threadIdx.x & 31];
}
KERNEL(bad_static);

// reads shared memory that only thread 3 wrote
extern "C" __global__ void __launch_bounds__(64) bad_uninitialised(float *out) {
  __shared__ float s[64];
  if (threadIdx.x == 3) s[3] = 1.f;
  __syncthreads();
  out[blockIdx.x * 64 + threadIdx.x] = s[threadIdx.x];
}
KERNEL(bad_uninitialised);

// decides by shared memory that only thread 3 wrote
extern "C" __global__ void __launch_bounds__(64) bad_decision(float *out) {
  __shared__ float s[64];
  if (threadIdx.x == 3) s[3] = 1.f;
  __syncthreads();
  if (s[threadIdx.x] > 0.f) out[blockIdx.x * 64 + threadIdx.x] = 1.f;
}
KERNEL(bad_decision);

extern "C" __global__ void __launch_bounds__(32) bad_stack(int *out, int n) {
  volatile char big[200 << 10];
  big[n] = 1;
  out[threadIdx.x] = big[n];
}
KERNEL(bad_stack);

extern "C" __global__ void __launch_bounds__(32) bad_trap(int *out) {
  if (threadIdx.x == 4) __trap();
  out[threadIdx.x] = 1;
}
KERNEL(bad_trap);

// these two only take time
extern "C" __global__ void __launch_bounds__(256) many_barriers(int *out, int n) {
  for (int i = 0; i < n; i++) __syncthreads();
  if (threadIdx.x == 0) out[blockIdx.x] = n;
}
KERNEL(many_barriers);

extern "C" __global__ void __launch_bounds__(256) many_shuffles(int *out, int n) {
  int v = threadIdx.x;
  for (int i = 0; i < n; i++) v = __shfl_xor_sync(0xffffffffu, v, 1 + (i & 15));
  out[blockIdx.x * blockDim.x + threadIdx.x] = v;
}
KERNEL(many_shuffles);
