// tensorcore.h - cp.async, ldmatrix and mma on the CPU, with the fragment layouts of the PTX ISA.  kernels/cuda/
// tensorcore_device.h says what each macro means.
#pragma once
#include "block.h"

namespace emulated {

// asynchronous copies: they happen as late as they may, when their group is waited for
void async_copy16(void *to, const void *from, bool ok, const char *where);
void async_commit();
void async_wait(size_t pending);

// m16n8k16, A row-major, B column-major, f16 or bf16 in, f32 out; sums in the order k = 0..15 in fp32
void mma_f16(float *d, const uint32_t *a, const uint32_t *b, const float *c, const char *where);
void mma_bf16(float *d, const uint32_t *a, const uint32_t *b, const float *c, const char *where);
// m16n8k32, int8 in, int32 out
void mma_s8(int *d, const uint32_t *a, const uint32_t *b, const int *c, const char *where);

void ldmatrix_x4(uint32_t *r, const void *row, const char *where);
void ldmatrix_x2(uint32_t *r, const void *row, const char *where);
void ldmatrix_x2_t(uint32_t *r, const void *row, const char *where);
}  // namespace emulated

#define ASYNC_COPY16(to, from, ok) emulated::async_copy16((to), (from), (ok), HERE)
#define ASYNC_COMMIT() emulated::async_commit()
#define ASYNC_WAIT(n) emulated::async_wait(n)
#define LDMATRIX_X4(r, p) emulated::ldmatrix_x4((r), (p), HERE)
#define LDMATRIX_X2(r, p) emulated::ldmatrix_x2((r), (p), HERE)
#define LDMATRIX_X2_T(r, p) emulated::ldmatrix_x2_t((r), (p), HERE)
#define MMA_F16(d, a, b, c) emulated::mma_f16((d), (a), (b), (c), HERE)
#define MMA_BF16(d, a, b, c) emulated::mma_bf16((d), (a), (b), (c), HERE)
#define MMA_S8(d, a, b, c) emulated::mma_s8((d), (a), (b), (c), HERE)
