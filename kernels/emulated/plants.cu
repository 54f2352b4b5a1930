// plants.cu - wrong kernels, each with one mistake that must be caught; never shipped to a device.
#include "device.h"

// matmul_tiled with the second barrier left out
extern "C" __global__ void __launch_bounds__(1024) bad_race(float *C, const float *A, const float *B, int M, int N, int K) {
  DYNAMIC_SHARED(float, sm);
  float *As = sm, *Bs = sm + 16 * 17;
  int tx = threadIdx.x, ty = threadIdx.y, row = blockIdx.y * 16 + ty, col = blockIdx.x * 16 + tx;
  float acc = 0.f;
  for (int k0 = 0; k0 < K; k0 += 16) {
    As[ty * 17 + tx] = A[(size_t)row * K + k0 + tx];
    Bs[ty * 17 + tx] = B[(size_t)(k0 + ty) * N + col];
    __syncthreads();
    for (int k = 0; k < 16; k++) acc = fmaf(As[ty * 17 + k], Bs[k * 17 + tx], acc);
  }
  C[(size_t)row * N + col] = acc;
}
KERNEL(bad_race);
// every thread writes its own place and reads its neighbour's, without a barrier; the result is right in forward
// order nearly always, so only the race checker sees it
extern "C" __global__ void __launch_bounds__(1024) bad_race_quiet(int *out) {
  __shared__ int s[256];
  s[threadIdx.x] = threadIdx.x;
  out[threadIdx.x] = threadIdx.x ? s[threadIdx.x - 1] : 0;
}
KERNEL(bad_race_quiet);
// a barrier under a condition that not all threads meet
extern "C" __global__ void __launch_bounds__(1024) bad_barrier(int *out) {
  if (threadIdx.x < 100) __syncthreads();
  else if (threadIdx.x < 120) __shfl_xor_sync(0xffffffffu, 1, 1);
  out[threadIdx.x] = 1;
}
KERNEL(bad_barrier);
extern "C" __global__ void __launch_bounds__(1024) bad_index(int *out, int at) { if (threadIdx.x == 5) out[at] = 1; else out[0] = 1; }
KERNEL(bad_index);
extern "C" __global__ void __launch_bounds__(1024) bad_read(int *out, const int *in, int at) { out[threadIdx.x] = in[at]; }
KERNEL(bad_read);
extern "C" __global__ void __launch_bounds__(1024) bad_dyn(int *out, int at) { DYNAMIC_SHARED(int, s); s[at] = 1; out[0] = 0; }
KERNEL(bad_dyn);
extern "C" __global__ void __launch_bounds__(1024) bad_uninit(float *out) { __shared__ float s[64]; if (threadIdx.x == 3) s[3] = 1.f; __syncthreads(); out[blockIdx.x * 64 + threadIdx.x] = s[threadIdx.x]; }
KERNEL(bad_uninit);
extern "C" __global__ void __launch_bounds__(1024) bad_align(int4 *out, const int *in) { out[threadIdx.x] = *(const int4 *)(in + 1); }
KERNEL(bad_align);
extern "C" __global__ void __launch_bounds__(1024) bad_static(int *out, int at) { __shared__ int s[32]; s[at] = 1; out[threadIdx.x] = s[threadIdx.x & 31]; }
KERNEL(bad_static);
extern "C" __global__ void __launch_bounds__(1024) bad_stack(int *out, int n) { volatile char big[200 << 10]; big[n] = 1; out[0] = big[n]; }
KERNEL(bad_stack);
extern "C" __global__ void __launch_bounds__(1024) many_syncs(int *out, int n) {
  for (int i = 0; i < n; i++) __syncthreads();
  if (threadIdx.x == 0) out[blockIdx.x] = n;
}
KERNEL(many_syncs);
extern "C" __global__ void __launch_bounds__(1024) many_shfl(int *out, int n) {
  int v = threadIdx.x;
  for (int i = 0; i < n; i++) v = __shfl_xor_sync(0xffffffffu, v, 1 + (i & 15));
  out[blockIdx.x * blockDim.x + threadIdx.x] = v;
}
KERNEL(many_shfl);
// blocks from `from` on write far outside
extern "C" __global__ void __launch_bounds__(32) bad_from(int *out, int from) {
  out[blockIdx.x >= (unsigned)from ? 4096 : (int)threadIdx.x] = 1;
}
KERNEL(bad_from);
