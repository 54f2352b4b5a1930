// gemm.cu - linear layers: y = epilogue(x W^T). See gemm.h for the layout of W and the order of sums, epilogue.h for what
// follows; package ops chooses the kernel, the number of parts and the grid.
#include "gemm_wide.h"

// 16-bit weights and activations
extern "C" __global__ void __launch_bounds__(256, 2) gemm_bf16_n8(GEMM_PARAMETERS) { gemm<Product16<TypeBF16>, 1>(GEMM); }
KERNEL(gemm_bf16_n8);
extern "C" __global__ void __launch_bounds__(256, 2) gemm_bf16_n16(GEMM_PARAMETERS) { gemm<Product16<TypeBF16>, 2>(GEMM); }
KERNEL(gemm_bf16_n16);
extern "C" __global__ void __launch_bounds__(256, 2) gemm_bf16_n32(GEMM_PARAMETERS) { gemm<Product16<TypeBF16>, 4>(GEMM); }
KERNEL(gemm_bf16_n32);
extern "C" __global__ void __launch_bounds__(256, 1) gemm_bf16_n64(GEMM_PARAMETERS) { gemm<Product16<TypeBF16>, 8>(GEMM); }
KERNEL(gemm_bf16_n64);

extern "C" __global__ void __launch_bounds__(256, 2) gemm_f16_n8(GEMM_PARAMETERS) { gemm<Product16<TypeF16>, 1>(GEMM); }
KERNEL(gemm_f16_n8);
extern "C" __global__ void __launch_bounds__(256, 2) gemm_f16_n16(GEMM_PARAMETERS) { gemm<Product16<TypeF16>, 2>(GEMM); }
KERNEL(gemm_f16_n16);
extern "C" __global__ void __launch_bounds__(256, 2) gemm_f16_n32(GEMM_PARAMETERS) { gemm<Product16<TypeF16>, 4>(GEMM); }
KERNEL(gemm_f16_n32);
extern "C" __global__ void __launch_bounds__(256, 1) gemm_f16_n64(GEMM_PARAMETERS) { gemm<Product16<TypeF16>, 8>(GEMM); }
KERNEL(gemm_f16_n64);

// int8 weights, 16-bit activations
extern "C" __global__ void __launch_bounds__(256, 2) gemm_w8_bf16_n8(GEMM_PARAMETERS) { gemm<ProductW8<TypeBF16, false>, 1>(GEMM); }
KERNEL(gemm_w8_bf16_n8);
extern "C" __global__ void __launch_bounds__(256, 2) gemm_w8_bf16_n16(GEMM_PARAMETERS) { gemm<ProductW8<TypeBF16, false>, 2>(GEMM); }
KERNEL(gemm_w8_bf16_n16);
extern "C" __global__ void __launch_bounds__(256, 2) gemm_w8_bf16_n32(GEMM_PARAMETERS) { gemm<ProductW8<TypeBF16, false>, 4>(GEMM); }
KERNEL(gemm_w8_bf16_n32);
extern "C" __global__ void __launch_bounds__(256, 1) gemm_w8_bf16_n64(GEMM_PARAMETERS) { gemm<ProductW8<TypeBF16, false>, 8>(GEMM); }
KERNEL(gemm_w8_bf16_n64);
extern "C" __global__ void __launch_bounds__(256, 2) gemm_w8_f16_n8(GEMM_PARAMETERS) { gemm<ProductW8<TypeF16, false>, 1>(GEMM); }
KERNEL(gemm_w8_f16_n8);
extern "C" __global__ void __launch_bounds__(256, 2) gemm_w8_f16_n16(GEMM_PARAMETERS) { gemm<ProductW8<TypeF16, false>, 2>(GEMM); }
KERNEL(gemm_w8_f16_n16);
extern "C" __global__ void __launch_bounds__(256, 2) gemm_w8_f16_n32(GEMM_PARAMETERS) { gemm<ProductW8<TypeF16, false>, 4>(GEMM); }
KERNEL(gemm_w8_f16_n32);
extern "C" __global__ void __launch_bounds__(256, 1) gemm_w8_f16_n64(GEMM_PARAMETERS) { gemm<ProductW8<TypeF16, false>, 8>(GEMM); }
KERNEL(gemm_w8_f16_n64);

// the same with scales for groups of columns
extern "C" __global__ void __launch_bounds__(256, 2) gemm_w8_groups_bf16_n8(GEMM_PARAMETERS) { gemm<ProductW8<TypeBF16, true>, 1>(GEMM); }
KERNEL(gemm_w8_groups_bf16_n8);
extern "C" __global__ void __launch_bounds__(256, 2) gemm_w8_groups_bf16_n16(GEMM_PARAMETERS) { gemm<ProductW8<TypeBF16, true>, 2>(GEMM); }
KERNEL(gemm_w8_groups_bf16_n16);
extern "C" __global__ void __launch_bounds__(256, 2) gemm_w8_groups_bf16_n32(GEMM_PARAMETERS) { gemm<ProductW8<TypeBF16, true>, 4>(GEMM); }
KERNEL(gemm_w8_groups_bf16_n32);
extern "C" __global__ void __launch_bounds__(256, 1) gemm_w8_groups_bf16_n64(GEMM_PARAMETERS) { gemm<ProductW8<TypeBF16, true>, 8>(GEMM); }
KERNEL(gemm_w8_groups_bf16_n64);
extern "C" __global__ void __launch_bounds__(256, 2) gemm_w8_groups_f16_n8(GEMM_PARAMETERS) { gemm<ProductW8<TypeF16, true>, 1>(GEMM); }
KERNEL(gemm_w8_groups_f16_n8);
extern "C" __global__ void __launch_bounds__(256, 2) gemm_w8_groups_f16_n16(GEMM_PARAMETERS) { gemm<ProductW8<TypeF16, true>, 2>(GEMM); }
KERNEL(gemm_w8_groups_f16_n16);
extern "C" __global__ void __launch_bounds__(256, 2) gemm_w8_groups_f16_n32(GEMM_PARAMETERS) { gemm<ProductW8<TypeF16, true>, 4>(GEMM); }
KERNEL(gemm_w8_groups_f16_n32);
extern "C" __global__ void __launch_bounds__(256, 1) gemm_w8_groups_f16_n64(GEMM_PARAMETERS) { gemm<ProductW8<TypeF16, true>, 8>(GEMM); }
KERNEL(gemm_w8_groups_f16_n64);

// int8 weights and activations, one scale for each row of W
extern "C" __global__ void __launch_bounds__(256, 2) gemm_s8_n8(GEMM_PARAMETERS) { gemm<ProductS8<false>, 1>(GEMM); }
KERNEL(gemm_s8_n8);
extern "C" __global__ void __launch_bounds__(256, 2) gemm_s8_n16(GEMM_PARAMETERS) { gemm<ProductS8<false>, 2>(GEMM); }
KERNEL(gemm_s8_n16);
extern "C" __global__ void __launch_bounds__(256, 2) gemm_s8_n32(GEMM_PARAMETERS) { gemm<ProductS8<false>, 4>(GEMM); }
KERNEL(gemm_s8_n32);
extern "C" __global__ void __launch_bounds__(256, 1) gemm_s8_n64(GEMM_PARAMETERS) { gemm<ProductS8<false>, 8>(GEMM); }
KERNEL(gemm_s8_n64);

// int8 weights and activations, scales for groups of columns
extern "C" __global__ void __launch_bounds__(256, 2) gemm_s8_groups_n8(GEMM_PARAMETERS) { gemm<ProductS8<true>, 1>(GEMM); }
KERNEL(gemm_s8_groups_n8);
extern "C" __global__ void __launch_bounds__(256, 2) gemm_s8_groups_n16(GEMM_PARAMETERS) { gemm<ProductS8<true>, 2>(GEMM); }
KERNEL(gemm_s8_groups_n16);
extern "C" __global__ void __launch_bounds__(256, 2) gemm_s8_groups_n32(GEMM_PARAMETERS) { gemm<ProductS8<true>, 4>(GEMM); }
KERNEL(gemm_s8_groups_n32);
extern "C" __global__ void __launch_bounds__(256, 1) gemm_s8_groups_n64(GEMM_PARAMETERS) { gemm<ProductS8<true>, 8>(GEMM); }
KERNEL(gemm_s8_groups_n64);

// y = epilogue(x W^T) in fp32, W [N, K] row by row, both of any type: sums in the order of k, one fused operation each.
//
//   grid (ceil(N / 16), ceil(M / 16)), block (16, 16)
extern "C" __global__ void __launch_bounds__(256) gemm_f32(
    const void *x, int x_type, int ldx, const void *w, int w_type, int M, int N, int K, EPILOGUE_PARAMETERS) {
  __shared__ float xs[16][17];
  __shared__ float ws[16][17];
  int tx = threadIdx.x, ty = threadIdx.y, m = blockIdx.y * 16 + ty, n = blockIdx.x * 16 + tx, row = blockIdx.x * 16 + ty;
  float sum = 0.f;
  for (int k0 = 0; k0 < K; k0 += 16) {
    int k = k0 + tx;
    xs[ty][tx] = m < M && k < K ? load(x, x_type, (size_t)m * ldx + k) : 0.f;
    ws[ty][tx] = row < N && k < K ? load(w, w_type, (size_t)row * K + k) : 0.f;
    __syncthreads();
    UNROLL
    for (int i = 0; i < 16; i++) sum = fmaf(xs[ty][i], ws[tx][i], sum);
    __syncthreads();
  }
  Epilogue e = EPILOGUE;
  if (m < M && n < N) finish(e, sum, n, m, n);
}
KERNEL(gemm_f32);

// Many tokens: the same bits, see gemm_wide.h.
extern "C" __global__ void __launch_bounds__(256, 1) gemm_bf16_n128(GEMM_PARAMETERS) { gemm_wide<Product16<TypeBF16>>(GEMM); }
KERNEL(gemm_bf16_n128);
extern "C" __global__ void __launch_bounds__(256, 1) gemm_f16_n128(GEMM_PARAMETERS) { gemm_wide<Product16<TypeF16>>(GEMM); }
KERNEL(gemm_f16_n128);
extern "C" __global__ void __launch_bounds__(256, 1) gemm_w8_bf16_n128(GEMM_PARAMETERS) { gemm_wide<ProductW8<TypeBF16, false>>(GEMM); }
KERNEL(gemm_w8_bf16_n128);
extern "C" __global__ void __launch_bounds__(256, 1) gemm_w8_f16_n128(GEMM_PARAMETERS) { gemm_wide<ProductW8<TypeF16, false>>(GEMM); }
KERNEL(gemm_w8_f16_n128);
extern "C" __global__ void __launch_bounds__(256, 1) gemm_w8_groups_bf16_n128(GEMM_PARAMETERS) { gemm_wide<ProductW8<TypeBF16, true>>(GEMM); }
KERNEL(gemm_w8_groups_bf16_n128);
extern "C" __global__ void __launch_bounds__(256, 1) gemm_w8_groups_f16_n128(GEMM_PARAMETERS) { gemm_wide<ProductW8<TypeF16, true>>(GEMM); }
KERNEL(gemm_w8_groups_f16_n128);
extern "C" __global__ void __launch_bounds__(256, 1) gemm_s8_n128(GEMM_PARAMETERS) { gemm_wide<ProductS8<false>>(GEMM); }
KERNEL(gemm_s8_n128);
extern "C" __global__ void __launch_bounds__(256, 1) gemm_s8_groups_n128(GEMM_PARAMETERS) { gemm_wide<ProductS8<true>>(GEMM); }
KERNEL(gemm_s8_groups_n128);
