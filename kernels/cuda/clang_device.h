// clang_device.h - just enough device language for clang's NVPTX target with no CUDA header and no libdevice.
// Functions of libm (expf, sinf, ...) do not exist here: write them with the approx instructions below.
#pragma once
#define __global__ __attribute__((global))
#define __device__ __attribute__((device))
#define __host__ __attribute__((host))
#define __shared__ __attribute__((shared))
#define __constant__ __attribute__((constant))
#define __forceinline__ inline __attribute__((always_inline))
#define __noinline__ __attribute__((noinline))
#define __align__(n) __attribute__((aligned(n)))
#define __launch_bounds__(...) __attribute__((launch_bounds(__VA_ARGS__)))
#define __restrict__ __restrict
#define DEVICE_FN static __device__ __forceinline__
typedef __SIZE_TYPE__ size_t;
struct dim3 { unsigned x, y, z; };
struct __attribute__((aligned(8))) float2 { float x, y; };
struct __attribute__((aligned(16))) float4 { float x, y, z, w; };
struct __attribute__((aligned(8))) int2 { int x, y; };
struct __attribute__((aligned(16))) int4 { int x, y, z, w; };
struct __attribute__((aligned(8))) uint2 { unsigned x, y; };
struct __attribute__((aligned(16))) uint4 { unsigned x, y, z, w; };
DEVICE_FN float2 make_float2(float a, float b) { return {a, b}; }
DEVICE_FN float4 make_float4(float a, float b, float c, float d) { return {a, b, c, d}; }
DEVICE_FN int4 make_int4(int a, int b, int c, int d) { return {a, b, c, d}; }
DEVICE_FN uint4 make_uint4(unsigned a, unsigned b, unsigned c, unsigned d) { return {a, b, c, d}; }
#define DEVICE_SREG(n, b) struct n##_t { struct X { __device__ operator unsigned() const { return __nvvm_read_ptx_sreg_##b##_x(); } }; struct Y { __device__ operator unsigned() const { return __nvvm_read_ptx_sreg_##b##_y(); } }; struct Z { __device__ operator unsigned() const { return __nvvm_read_ptx_sreg_##b##_z(); } }; X x; Y y; Z z; };
DEVICE_SREG(tid, tid) DEVICE_SREG(ctaid, ctaid) DEVICE_SREG(ntid, ntid) DEVICE_SREG(nctaid, nctaid)
#define threadIdx (tid_t{})
#define blockIdx (ctaid_t{})
#define blockDim (ntid_t{})
#define gridDim (nctaid_t{})
#define warpSize 32
// __syncthreads is a clang builtin
DEVICE_FN void __syncwarp(unsigned m = 0xffffffffu) { __nvvm_bar_warp_sync(m); }
DEVICE_FN void __threadfence() { __nvvm_membar_gl(); }
DEVICE_FN void __threadfence_block() { __nvvm_membar_cta(); }
DEVICE_FN void __trap() { asm volatile("trap;"); }
// the third argument of the instruction: 31 and, above bit 8, the segment mask 32 - width; "up" clamps at 0
#define DEVICE_SHFL(name, op, clamp) \
  DEVICE_FN int name(unsigned m, int v, int x, int w = 32) { return __nvvm_shfl_sync_##op##_i32(m, v, x, ((32 - w) << 8) | clamp); } \
  DEVICE_FN unsigned name(unsigned m, unsigned v, int x, int w = 32) { return __nvvm_shfl_sync_##op##_i32(m, v, x, ((32 - w) << 8) | clamp); } \
  DEVICE_FN float name(unsigned m, float v, int x, int w = 32) { return __nvvm_shfl_sync_##op##_f32(m, v, x, ((32 - w) << 8) | clamp); }
DEVICE_SHFL(__shfl_xor_sync, bfly, 31) DEVICE_SHFL(__shfl_sync, idx, 31) DEVICE_SHFL(__shfl_down_sync, down, 31) DEVICE_SHFL(__shfl_up_sync, up, 0)
DEVICE_FN unsigned __ballot_sync(unsigned m, int p) { return __nvvm_vote_ballot_sync(m, p); }
DEVICE_FN int __any_sync(unsigned m, int p) { return __nvvm_vote_any_sync(m, p); }
DEVICE_FN int __all_sync(unsigned m, int p) { return __nvvm_vote_all_sync(m, p); }
DEVICE_FN int atomicAdd(int *p, int v) { return __nvvm_atom_add_gen_i(p, v); }
DEVICE_FN unsigned atomicAdd(unsigned *p, unsigned v) { return (unsigned)__nvvm_atom_add_gen_i((int *)p, (int)v); }
DEVICE_FN float atomicAdd(float *p, float v) { return __nvvm_atom_add_gen_f(p, v); }
DEVICE_FN int atomicMax(int *p, int v) { return __nvvm_atom_max_gen_i(p, v); }
DEVICE_FN unsigned atomicInc(unsigned *p, unsigned v) { return __nvvm_atom_inc_gen_ui(p, v); }
DEVICE_FN int __ldg(const int *p) { return __nvvm_ldg_i(p); }
DEVICE_FN float __ldg(const float *p) { return __nvvm_ldg_f(p); }
#define DEVICE_LDG4(T, E, t, c) DEVICE_FN T __ldg(const T *p) { T r; asm("ld.global.nc.v4." t " {%0,%1,%2,%3}, [%4];" : "=" c(r.x), "=" c(r.y), "=" c(r.z), "=" c(r.w) : "l"(p)); return r; }
DEVICE_LDG4(int4, int, "s32", "r") DEVICE_LDG4(uint4, unsigned, "u32", "r") DEVICE_LDG4(float4, float, "f32", "f")
DEVICE_FN float fmaf(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
DEVICE_FN float fmaxf(float a, float b) { return __builtin_fmaxf(a, b); }
DEVICE_FN float fminf(float a, float b) { return __builtin_fminf(a, b); }
DEVICE_FN float fabsf(float a) { return __builtin_fabsf(a); }
DEVICE_FN float sqrtf(float x) { return __nvvm_sqrt_rn_f(x); }
DEVICE_FN float rsqrtf(float x) { float r; asm("rsqrt.approx.f32 %0, %1;" : "=f"(r) : "f"(x)); return r; }
DEVICE_FN float exp2_approx(float x) { float r; asm("ex2.approx.f32 %0, %1;" : "=f"(r) : "f"(x)); return r; }
DEVICE_FN float log2_approx(float x) { float r; asm("lg2.approx.f32 %0, %1;" : "=f"(r) : "f"(x)); return r; }
DEVICE_FN float __expf(float x) { return exp2_approx(x * 1.4426950408889634f); }
DEVICE_FN float __logf(float x) { return log2_approx(x) * 0.6931471805599453f; }
DEVICE_FN float __fdividef(float a, float b) { float r; asm("div.approx.f32 %0, %1, %2;" : "=f"(r) : "f"(a), "f"(b)); return r; }
DEVICE_FN int __float2int_rn(float x) { int r; asm("cvt.rni.s32.f32 %0, %1;" : "=r"(r) : "f"(x)); return r; }
DEVICE_FN unsigned __float_as_uint(float x) { return __builtin_bit_cast(unsigned, x); }
DEVICE_FN float __uint_as_float(unsigned x) { return __builtin_bit_cast(float, x); }
DEVICE_FN int __dp4a(int a, int b, int c) { int r; asm("dp4a.s32.s32 %0, %1, %2, %3;" : "=r"(r) : "r"(a), "r"(b), "r"(c)); return r; }
struct __attribute__((aligned(2))) __half { unsigned short x; };
struct __attribute__((aligned(4))) __half2 { __half x, y; };
DEVICE_FN float __half2float(__half h) { float f; asm("cvt.f32.f16 %0, %1;" : "=f"(f) : "h"(h.x)); return f; }
DEVICE_FN __half __ushort_as_half(unsigned short bits) { return {bits}; }
DEVICE_FN __half __float2half_rn(float f) { __half h; asm("cvt.rn.f16.f32 %0, %1;" : "=h"(h.x) : "f"(f)); return h; }
DEVICE_FN float2 __half22float2(__half2 h) { return {__half2float(h.x), __half2float(h.y)}; }
DEVICE_FN __half2 __floats2half2_rn(float a, float b) { return {__float2half_rn(a), __float2half_rn(b)}; }
struct __attribute__((aligned(2))) __nv_bfloat16 { unsigned short x; };
struct __attribute__((aligned(4))) __nv_bfloat162 { __nv_bfloat16 x, y; };
DEVICE_FN float __bfloat162float(__nv_bfloat16 h) { return __uint_as_float((unsigned)h.x << 16); }
DEVICE_FN __nv_bfloat16 __float2bfloat16_rn(float f) { __nv_bfloat16 h; asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(h.x) : "f"(f)); return h; }
DEVICE_FN float2 __bfloat1622float2(__nv_bfloat162 h) { return {__bfloat162float(h.x), __bfloat162float(h.y)}; }
DEVICE_FN __nv_bfloat162 __floats2bfloat162_rn(float a, float b) { return {__float2bfloat16_rn(a), __float2bfloat16_rn(b)}; }
DEVICE_FN float floorf(float x) { return __builtin_floorf(x); }
DEVICE_FN float rintf(float x) { return __builtin_rintf(x); }
typedef __half half;
typedef __half2 half2;
