// tensorcore.h - cp.async, ldmatrix and mma on the CPU, with the fragment layouts of the PTX ISA.  kernels/cuda/
// tensorcore_device.h says what each macro means.
#pragma once

namespace emulated {

// asynchronous copies: they happen as late as they may, when their group is waited for
inline void async_copy16(void *to, const void *from, bool ok, const char *where) {
  constexpr uint32_t bytes = 16;
  uint32_t valid = ok ? bytes : 0;
  if (((uintptr_t)to | (uintptr_t)from) & (bytes - 1)) fail("cp.async at %s: an address is not 16-byte aligned", where);
  mark_write(to, bytes);
  mark_read(from, valid);
  Quiet quiet;
  self->copies.push_back({to, from, bytes, valid});
}
inline void async_commit() {
  Quiet quiet;
  self->group_ends.push_back(self->copies.size());
}
inline void async_wait(size_t pending) {
  Thread *t = self;
  size_t groups, count;
  {
    Quiet quiet;
    groups = t->group_ends.size() > pending ? t->group_ends.size() - pending : 0;
    count = groups ? t->group_ends[groups - 1] : 0;
  }
  for (size_t i = 0; i < count; i++) {
    const AsyncCopy &c = t->copies[i];
    memcpy(c.to, c.from, c.valid);
    memset((char *)c.to + c.valid, 0, c.bytes - c.valid);
  }
  Quiet quiet;
  t->copies.erase(t->copies.begin(), t->copies.begin() + count);
  t->group_ends.erase(t->group_ends.begin(), t->group_ends.begin() + groups);
  for (size_t &end : t->group_ends) end -= count;
}

template <class D> struct Operands {
  D *d;
  const uint32_t *a, *b;
  const D *c;
};

// m16n8k16, A row-major, B column-major, f16 or bf16 in, f32 out; sums in the order k = 0..15 in fp32
template <float (*Widen)(uint16_t)> inline void mma_m16n8k16(float *d, const uint32_t *a, const uint32_t *b, const float *c, const char *where) {
  Quiet quiet;
  Operands<float> mine{d, a, b, c};
  leave(arrive(0xffffffffu, (uint64_t)(uintptr_t)&mine, where, "mma.sync", false, [](Slot *s) {
    float A[16][16], B[16][8], D[16][8];
    for (int l = 0; l < 32; l++) {
      auto *o = (Operands<float> *)(uintptr_t)s->value[l];
      int g = l >> 2, t = l & 3;
      for (int r = 0; r < 4; r++)
        for (int h = 0; h < 2; h++) A[g + (r & 1 ? 8 : 0)][t * 2 + h + (r & 2 ? 8 : 0)] = Widen(o->a[r] >> 16 * h & 0xffff);
      for (int r = 0; r < 2; r++)
        for (int h = 0; h < 2; h++) B[t * 2 + h + 8 * r][g] = Widen(o->b[r] >> 16 * h & 0xffff);
      for (int r = 0; r < 4; r++) D[g + (r & 2 ? 8 : 0)][t * 2 + (r & 1)] = o->c[r];
    }
    for (int i = 0; i < 16; i++)
      for (int k = 0; k < 16; k++)
        for (int j = 0; j < 8; j++) D[i][j] += A[i][k] * B[k][j];
    for (int l = 0; l < 32; l++) {
      auto *o = (Operands<float> *)(uintptr_t)s->value[l];
      for (int r = 0; r < 4; r++) o->d[r] = D[(l >> 2) + (r & 2 ? 8 : 0)][(l & 3) * 2 + (r & 1)];
    }
  }));
}

// m16n8k32, int8 in, int32 out
inline void mma_m16n8k32_s8(int *d, const uint32_t *a, const uint32_t *b, const int *c, const char *where) {
  Quiet quiet;
  Operands<int> mine{d, a, b, c};
  leave(arrive(0xffffffffu, (uint64_t)(uintptr_t)&mine, where, "mma.sync", false, [](Slot *s) {
    int A[16][32], B[32][8], D[16][8];
    for (int l = 0; l < 32; l++) {
      auto *o = (Operands<int> *)(uintptr_t)s->value[l];
      int g = l >> 2, t = l & 3;
      for (int r = 0; r < 4; r++)
        for (int h = 0; h < 4; h++) A[g + (r & 1 ? 8 : 0)][t * 4 + h + (r & 2 ? 16 : 0)] = (int8_t)(o->a[r] >> 8 * h);
      for (int r = 0; r < 2; r++)
        for (int h = 0; h < 4; h++) B[t * 4 + h + 16 * r][g] = (int8_t)(o->b[r] >> 8 * h);
      for (int r = 0; r < 4; r++) D[g + (r & 2 ? 8 : 0)][t * 2 + (r & 1)] = o->c[r];
    }
    for (int i = 0; i < 16; i++)
      for (int k = 0; k < 32; k++)
        for (int j = 0; j < 8; j++) D[i][j] += A[i][k] * B[k][j];
    for (int l = 0; l < 32; l++) {
      auto *o = (Operands<int> *)(uintptr_t)s->value[l];
      for (int r = 0; r < 4; r++) o->d[r] = D[(l >> 2) + (r & 2 ? 8 : 0)][(l & 3) * 2 + (r & 1)];
    }
  }));
}

struct MatrixRow {
  uint32_t *r;
  const void *row;
};
template <int Matrices, bool Transposed> inline void ldmatrix(uint32_t *r, const void *row, const char *where) {
  if ((uintptr_t)row & 15) fail("ldmatrix at %s: a row's address is not 16-byte aligned", where);
  if (lane() < Matrices * 8) mark_read(row, 16);  // the addresses of the other lanes are not used
  Quiet quiet;
  MatrixRow mine{r, row};
  leave(arrive(0xffffffffu, (uint64_t)(uintptr_t)&mine, where, "ldmatrix", false, [](Slot *s) {
    auto entry = [&](int l) { return (MatrixRow *)(uintptr_t)s->value[l]; };
    for (int l = 0; l < 32; l++)
      for (int q = 0; q < Matrices; q++) {
        uint16_t e[2];
        for (int h = 0; h < 2; h++) {
          int i = Transposed ? (l & 3) * 2 + h : l >> 2, j = Transposed ? l >> 2 : (l & 3) * 2 + h;
          e[h] = ((const uint16_t *)entry(q * 8 + i)->row)[j];
        }
        entry(l)->r[q] = e[0] | (uint32_t)e[1] << 16;
      }
  }));
}
}  // namespace emulated

#define ASYNC_COPY16(to, from, ok) emulated::async_copy16((to), (from), (ok), HERE)
#define ASYNC_COMMIT() emulated::async_commit()
#define ASYNC_WAIT(n) emulated::async_wait(n)
#define LDMATRIX_X4(r, p) emulated::ldmatrix<4, false>((r), (p), HERE)
#define LDMATRIX_X2(r, p) emulated::ldmatrix<2, false>((r), (p), HERE)
#define LDMATRIX_X2_T(r, p) emulated::ldmatrix<2, true>((r), (p), HERE)
#define MMA_F16(d, a, b, c) emulated::mma_m16n8k16<emulated::half_to_float>((d), (a), (b), (c), HERE)
#define MMA_BF16(d, a, b, c) emulated::mma_m16n8k16<emulated::bfloat_to_float>((d), (a), (b), (c), HERE)
#define MMA_S8(d, a, b, c) emulated::mma_m16n8k32_s8((d), (a), (b), (c), HERE)
