// tensorcore_device.h - the instructions that have no C++ form, for real devices.  kernels/emulated/tensorcore.h has
// the same macros for the CPU; both follow the fragment layouts of the PTX ISA.
//
//   ASYNC_COPY16(dst, src, ok)   16 bytes from global to shared memory; zeros instead if !ok; both 16-byte aligned
//   ASYNC_COMMIT()               closes the group of copies issued since the last one
//   ASYNC_WAIT(n)                waits until at most n groups are still under way; n is a constant
//   LDMATRIX_X4(r, p)            four 8x8 matrices of 16-bit elements; lane l gives the address of row l%8 of matrix l/8
//   LDMATRIX_X2(r, p)            two; lanes 0..15 give addresses
//   LDMATRIX_X2_T(r, p)          two, transposed
//   MMA_F16(d, a, b, c)          d[16,8] = a[16,16] b[16,8] + c, f16 in, f32 out; a: 4 registers, b: 2, c and d: 4
//   MMA_BF16(d, a, b, c)         the same for bf16
//   MMA_S8(d, a, b, c)           d[16,8] = a[16,32] b[32,8] + c, s8 in, s32 out
//   STREAM_POLICY(once)          how L2 keeps what is loaded: first to leave it if it is read once
//   LOAD_STREAM16(p, policy)     16 bytes as uint4, past L1
#pragma once

#define DYNAMIC_SHARED(T, name) T *name = (T *)dynamic_shared_
extern __shared__ __align__(128) unsigned char dynamic_shared_[];


DEVICE_FN unsigned shared_address(const void *p) {
  unsigned a;
  asm("{ .reg .u64 t; cvta.to.shared.u64 t, %1; cvt.u32.u64 %0, t; }" : "=r"(a) : "l"(p));
  return a;
}

DEVICE_FN void async_copy16(void *dst, const void *src, bool ok) {
  int n = ok ? 16 : 0;
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(dst)), "l"(src), "r"(n) : "memory");
}
#define ASYNC_COPY16(dst, src, ok) async_copy16((dst), (src), (ok))
#define ASYNC_COMMIT() asm volatile("cp.async.commit_group;" ::: "memory")
#define ASYNC_WAIT(n) asm volatile("cp.async.wait_group %0;" ::"n"(n) : "memory")

DEVICE_FN void ldmatrix_x4(unsigned *r, const void *p) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(shared_address(p)) : "memory");
}
DEVICE_FN void ldmatrix_x2(unsigned *r, const void *p) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0,%1}, [%2];" : "=r"(r[0]), "=r"(r[1]) : "r"(shared_address(p)) : "memory");
}
DEVICE_FN void ldmatrix_x2_t(unsigned *r, const void *p) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0,%1}, [%2];" : "=r"(r[0]), "=r"(r[1]) : "r"(shared_address(p)) : "memory");
}
#define LDMATRIX_X4(r, p) ldmatrix_x4((r), (p))
#define LDMATRIX_X2(r, p) ldmatrix_x2((r), (p))
#define LDMATRIX_X2_T(r, p) ldmatrix_x2_t((r), (p))

#define DEVICE_MMA(name, shape, D, con)                                                                                  \
  DEVICE_FN void name(D *d, const unsigned *a, const unsigned *b, const D *c) {                                          \
    asm volatile("mma.sync.aligned." shape " {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%10,%11,%12,%13};"                  \
                 : "=" con(d[0]), "=" con(d[1]), "=" con(d[2]), "=" con(d[3])                                            \
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]), con(c[0]), con(c[1]), con(c[2]), con(c[3])); \
  }
DEVICE_MMA(mma_f16, "m16n8k16.row.col.f32.f16.f16.f32", float, "f")
DEVICE_MMA(mma_bf16, "m16n8k16.row.col.f32.bf16.bf16.f32", float, "f")
DEVICE_MMA(mma_s8, "m16n8k32.row.col.s32.s8.s8.s32", int, "r")
#define MMA_F16(d, a, b, c) mma_f16((d), (a), (b), (c))
#define MMA_BF16(d, a, b, c) mma_bf16((d), (a), (b), (c))
#define MMA_S8(d, a, b, c) mma_s8((d), (a), (b), (c))

DEVICE_FN unsigned long long stream_policy(bool once) {
  unsigned long long first, usual;
  asm("createpolicy.fractional.L2::evict_first.b64 %0, 1.0;" : "=l"(first));
  asm("createpolicy.fractional.L2::evict_normal.b64 %0, 1.0;" : "=l"(usual));
  return once ? first : usual;
}
DEVICE_FN uint4 load_stream16(const void *p, unsigned long long policy) {
  uint4 r;
  asm volatile("ld.global.nc.L1::no_allocate.L2::cache_hint.v4.u32 {%0,%1,%2,%3}, [%4], %5;" : "=r"(r.x), "=r"(r.y), "=r"(r.z), "=r"(r.w) : "l"(p), "l"(policy));
  return r;
}
#define STREAM_POLICY(once) stream_policy(once)
#define LOAD_STREAM16(p, policy) load_stream16((p), (policy))
