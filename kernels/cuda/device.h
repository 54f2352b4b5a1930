// device.h - what a kernel may use, the same for the three compilers:
//   g++ with kernels/emulated/emulate.h (CUDA threads are fibers on the CPU),
//   clang to PTX with clang_device.h (no CUDA header, no libdevice),
//   nvcc or NVRTC with CUDA's own headers.
//
// Rules for kernels
//   extern "C" __global__ void __launch_bounds__(N) name(parameters), followed by KERNEL(name);
//   N is a literal; parameters are pointers, int, unsigned, long long, unsigned long long or float: nothing over
//   8 bytes.  Dynamic shared memory by DYNAMIC_SHARED(T, name), once in a kernel.
//   A family may share parameters as a macro NAME_PARAMETERS on one logical line (see macros.go).
//   cp.async, ldmatrix and mma by the macros below.  No system header, no function of libm but fmaf, fmaxf, fminf,
//   fabsf, sqrtf, rsqrtf, floorf, rintf and the approximations exp2_approx, log2_approx, __expf, __logf, __fdividef.
//   No build contracts a*b+c: write fmaf where fusion is wanted, and nowhere else, so that CPU and GPU agree but for
//   the approximations and the order of summation inside mma.
#pragma once

#if defined(CUDA_EMULATED)
#include "emulate.h"
#else

#define KERNEL(name) static_assert(true, "")
#if defined(__clang__) && !defined(__NVCC__) && !defined(__CUDACC_RTC__)
#include "clang_device.h"
#else
#include <cuda_bf16.h>
#include <cuda_fp16.h>
static __device__ __forceinline__ float exp2_approx(float x) { float r; asm("ex2.approx.f32 %0, %1;" : "=f"(r) : "f"(x)); return r; }
static __device__ __forceinline__ float log2_approx(float x) { float r; asm("lg2.approx.f32 %0, %1;" : "=f"(r) : "f"(x)); return r; }
#endif
#define DEVICE_FN static __device__ __forceinline__
#include "tensorcore_device.h"
#endif

// UNROLL and ROLLED before a loop: write out all of its rounds, or none.
#if defined(__clang__) || !defined(CUDA_EMULATED)
#define UNROLL _Pragma("unroll")
#define ROLLED _Pragma("unroll 1")
#else
#define UNROLL
#define ROLLED
#endif
