// probe.cu - kernels by which an implementation of a device is tested, on the CPU and on a GPU: every feature that the
// model's kernels use occurs here in its smallest form.
#include "device.h"

// y[i] = a * x[i] + y[i] (one rounding), i < n
extern "C" __global__ void __launch_bounds__(256) probe_axpy(float *y, const float *x, float a, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) y[i] = fmaf(a, x[i], y[i]);
}
KERNEL(probe_axpy);

// out[at] = value, by thread 0 of every block: a fault where `at` is outside
extern "C" __global__ void __launch_bounds__(32) probe_store(int *out, long long at, int value) {
  if (threadIdx.x == 0) out[at] = value;
}
KERNEL(probe_store);

// C[M,N] = A[M,K] B[K,N], fp32, 16x16 threads, sizes multiples of 16: barriers and dynamic shared memory
extern "C" __global__ void __launch_bounds__(256) probe_matmul(float *C, const float *A, const float *B, int M, int N, int K) {
  DYNAMIC_SHARED(float, tile);
  float *As = tile, *Bs = tile + 16 * 17;
  int tx = threadIdx.x, ty = threadIdx.y, row = blockIdx.y * 16 + ty, col = blockIdx.x * 16 + tx;
  float acc = 0.f;
  for (int k0 = 0; k0 < K; k0 += 16) {
    As[ty * 17 + tx] = A[(size_t)row * K + k0 + tx];
    Bs[ty * 17 + tx] = B[(size_t)(k0 + ty) * N + col];
    __syncthreads();
    UNROLL
    for (int k = 0; k < 16; k++) acc = fmaf(As[ty * 17 + k], Bs[k * 17 + tx], acc);
    __syncthreads();
  }
  if (row < M && col < N) C[(size_t)row * N + col] = acc;
}
KERNEL(probe_matmul);

// out[0] = sum of x in a fixed order: every block leaves a partial sum, the last one to finish adds them up.
// count starts as 0 and is 0 again afterwards; 256 threads.
extern "C" __global__ void __launch_bounds__(256) probe_sum(float *out, float *part, unsigned *count, const float *x, int n) {
  __shared__ float warps[8];
  __shared__ int last;
  float s = 0.f;
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) s += x[i];
  for (int o = 16; o; o >>= 1) s += __shfl_down_sync(0xffffffffu, s, o);
  if ((threadIdx.x & 31) == 0) warps[threadIdx.x >> 5] = s;
  __syncthreads();
  if (threadIdx.x == 0) {
    s = 0.f;
    for (int i = 0; i < (int)blockDim.x / 32; i++) s += warps[i];
    part[blockIdx.x] = s;
    __threadfence();
    last = atomicInc(count, gridDim.x - 1) == gridDim.x - 1;
  }
  __syncthreads();
  if (last && threadIdx.x == 0) {
    __threadfence();
    s = 0.f;
    for (int i = 0; i < (int)gridDim.x; i++) s += part[i];
    out[0] = s;
  }
}
KERNEL(probe_sum);

// C[16,8] = A[16,K] W[8,K]^T with one warp: asynchronous copies, ldmatrix, mma.  Rows are K*size bytes, a multiple of
// 32; type 0: f16 in, f32 out; 1: bf16 in, f32 out; 2: s8 in, s32 out.
extern "C" __global__ void __launch_bounds__(32) probe_mma(void *C, const void *A, const void *W, int row_bytes, int type) {
  DYNAMIC_SHARED(char, tile);  // 16 + 8 rows of 48 bytes
  int lane = threadIdx.x;
  float f[4] = {0.f, 0.f, 0.f, 0.f};
  int s[4] = {0, 0, 0, 0};
  for (int k = 0; k < row_bytes; k += 32) {
    ASYNC_COPY16(tile + (lane >> 1) * 48 + (lane & 1) * 16, (const char *)A + (lane >> 1) * row_bytes + k + (lane & 1) * 16, true);
    if (lane < 16) ASYNC_COPY16(tile + (16 + (lane >> 1)) * 48 + (lane & 1) * 16, (const char *)W + (lane >> 1) * row_bytes + k + (lane & 1) * 16, true);
    ASYNC_COMMIT();
    ASYNC_WAIT(0);
    __syncwarp();
    unsigned a[4], b[2];
    LDMATRIX_X4(a, tile + (lane & 15) * 48 + (lane >> 4) * 16);
    LDMATRIX_X2(b, tile + (16 + (lane & 7)) * 48 + (lane >> 3 & 1) * 16);
    if (type == 0) MMA_F16(f, a, b, f);
    if (type == 1) MMA_BF16(f, a, b, f);
    if (type == 2) MMA_S8(s, a, b, s);
    __syncwarp();
  }
  for (int r = 0; r < 4; r++) {
    int m = (lane >> 2) + (r & 2 ? 8 : 0), n = (lane & 3) * 2 + (r & 1);
    if (type == 2) ((int *)C)[m * 8 + n] = s[r];
    else ((float *)C)[m * 8 + n] = f[r];
  }
}
KERNEL(probe_mma);
