// tensorcore.cpp - no build may contract a*b+c: the sums inside mma are part of the result.
#if defined(__clang__)
#pragma clang fp contract(off)
#else
#pragma GCC optimize("fp-contract=off")
#endif
#include "tensorcore.h"

#include <type_traits>

#include "halves.h"

namespace emulated {

void async_copy16(void *to, const void *from, bool ok, const char *where) {
  constexpr uint32_t bytes = 16;
  uint32_t valid = ok ? bytes : 0;
  if (((uintptr_t)to | (uintptr_t)from) & (bytes - 1)) fail("cp.async at %s: an address is not 16-byte aligned", where);
  mark_write(to, bytes);
  mark_read(from, valid);
  Quiet quiet;
  self->copies.push_back({to, from, bytes, valid});
}

void async_commit() {
  Quiet quiet;
  self->group_ends.push_back(self->copies.size());
}

void async_wait(size_t pending) {
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

namespace {

// Row and column of the elements that lane l holds. A: registers 0..3 of `Per` elements, element h of register r.
template <int Per> inline int a_row(int l, int r) { return (l >> 2) + (r & 1 ? 8 : 0); }
template <int Per> inline int a_column(int l, int r, int h) { return (l & 3) * Per + h + (r & 2 ? 4 * Per : 0); }
template <int Per> inline int b_row(int l, int r, int h) { return (l & 3) * Per + h + 4 * Per * r; }
inline int d_row(int l, int r) { return (l >> 2) + (r & 2 ? 8 : 0); }
inline int d_column(int l, int r) { return (l & 3) * 2 + (r & 1); }

template <class D> struct Operands {
  D *d;
  const uint32_t *a, *b;
  const D *c;
};

// D[16,8] += A[16,8 Per] B[8 Per,8]; Widen takes element h out of a register.
template <class D, int Per, D (*Widen)(uint32_t bits, int h)> void multiply(Slot *s) {
  constexpr int K = 8 * Per;
  D a[16][K], b[K][8], d[16][8];
  auto operands = [&](int l) { return (Operands<D> *)(uintptr_t)s->value[l]; };
  for (int l = 0; l < 32; l++) {
    Operands<D> *o = operands(l);
    for (int r = 0; r < 4; r++)
      for (int h = 0; h < Per; h++) a[a_row<Per>(l, r)][a_column<Per>(l, r, h)] = Widen(o->a[r], h);
    for (int r = 0; r < 2; r++)
      for (int h = 0; h < Per; h++) b[b_row<Per>(l, r, h)][l >> 2] = Widen(o->b[r], h);
    for (int r = 0; r < 4; r++) d[d_row(l, r)][d_column(l, r)] = o->c[r];
  }
  for (int i = 0; i < 16; i++)
    for (int k = 0; k < K; k++)
      for (int j = 0; j < 8; j++) d[i][j] += a[i][k] * b[k][j];
  for (int l = 0; l < 32; l++)
    for (int r = 0; r < 4; r++) operands(l)->d[r] = d[d_row(l, r)][d_column(l, r)];
}

float widen_f16(uint32_t bits, int h) { return half_to_float(bits >> 16 * h & 0xffff); }
float widen_bf16(uint32_t bits, int h) { return bfloat_to_float(bits >> 16 * h & 0xffff); }
int widen_s8(uint32_t bits, int h) { return (int8_t)(bits >> 8 * h); }

template <class D> void together(const Operands<D> &mine, const char *where, void (*last)(Slot *)) {
  Quiet quiet;
  leave(arrive(0xffffffffu, (uint64_t)(uintptr_t)&mine, where, "mma.sync", false, last));
}

struct MatrixRow {
  uint32_t *r;
  const void *row;
};

template <int Matrices, bool Transposed> void load_matrices(Slot *s) {
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
}

template <int Matrices, bool Transposed> void ldmatrix(uint32_t *r, const void *row, const char *where) {
  if ((uintptr_t)row & 15) fail("ldmatrix at %s: a row's address is not 16-byte aligned", where);
  if (lane() < Matrices * 8) mark_read(row, 16);  // the addresses of the other lanes are not used
  Quiet quiet;
  MatrixRow mine{r, row};
  leave(arrive(0xffffffffu, (uint64_t)(uintptr_t)&mine, where, "ldmatrix", false, load_matrices<Matrices, Transposed>));
}
}  // namespace

void mma_f16(float *d, const uint32_t *a, const uint32_t *b, const float *c, const char *where) {
  together<float>({d, a, b, c}, where, multiply<float, 2, widen_f16>);
}
void mma_bf16(float *d, const uint32_t *a, const uint32_t *b, const float *c, const char *where) {
  together<float>({d, a, b, c}, where, multiply<float, 2, widen_bf16>);
}
void mma_s8(int *d, const uint32_t *a, const uint32_t *b, const int *c, const char *where) {
  together<int>({d, a, b, c}, where, multiply<int, 4, widen_s8>);
}
void ldmatrix_x4(uint32_t *r, const void *row, const char *where) { ldmatrix<4, false>(r, row, where); }
void ldmatrix_x2(uint32_t *r, const void *row, const char *where) { ldmatrix<2, false>(r, row, where); }
void ldmatrix_x2_t(uint32_t *r, const void *row, const char *where) { ldmatrix<2, true>(r, row, where); }
}  // namespace emulated
