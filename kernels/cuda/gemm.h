// gemm.h - the skinny product y[m, n] = sum_k x[m, k] w[n, k], for few tokens and many weights, on tensor cores.
//
// Weights are the 16-row operand of mma, tokens the 8-column one. They lie as package layout puts them: panels of 16 rows,
// a panel in tiles of 32 columns, one after the other; what lacks is 0. Lane 4g+t of a warp holds the columns 8t to 8t+7
// of the tile's rows g and g+8, so that each lane reads whole 16-byte words, the warp without a gap:
//
//   16-bit weights  1024 bytes: row r, column c at 64 r + 2 c (two words: row g, row g+8)
//   int8 weights     512 bytes: row r, column c at 64 (r mod 8) + 16 (c / 8) + 8 (r / 8) + c mod 8 (one word: row g, row g+8)
//
// What mma calls column k is another column of the tile, the same for both operands, and a sum does not care.
//
// A block takes 4 panels, 8 NT tokens and a part of the columns: the tiles from blockIdx.y * split on. Of its 8 warps
// four have a panel each, and four the same panels again: the two share the tiles by turns. Partial sums are added in the
// order warps, then parts, whichever block ends last; so the sum for one token is a fixed sequence of operations whatever
// the other tokens, NT and the order of blocks. gemm_wide.h has the same sequence for many tokens.
#pragma once
#include "epilogue.h"

constexpr int kPanelsOfBlock = 4, kTurns = 2, kGemmThreads = 32 * kPanelsOfBlock * kTurns;
constexpr int kWindowBytes = 512;  // of x, for each token, in shared memory at a time; two such windows
constexpr int kRowsOfBlock = 16 * kPanelsOfBlock, kSumPitch = kRowsOfBlock + 4;

struct Gemm {
  const void *x;  // [M, ldx]: 16-bit numbers or codes
  int ldx, M, K;
  const void *w;  // tiles
  int panels, tiles, split;
  int outputs;        // columns of y
  const void *scale;  // int8 weights: [groups, 16 panels]
  int scale_type, group;   // tiles that share a scale
  const float *x_scale;    // int8 activations: [M]
  void *part;              // [gridDim.y, gridDim.z, gridDim.x, 8 NT, 64] words, where gridDim.y > 1
  unsigned *done;          // [gridDim.z, gridDim.x], zero before and after
  Epilogue epilogue;
};

#define GEMM_PARAMETERS                                                                                                   \
  const void *x, int ldx, int M, int K, const void *w, int panels, int tiles, int split, int outputs, const void *scale, \
      int scale_type, int group, const float *x_scale, void *part, unsigned *done, EPILOGUE_PARAMETERS
#define GEMM \
  Gemm { x, ldx, M, K, w, panels, tiles, split, outputs, scale, scale_type, group, x_scale, part, done, EPILOGUE }

DEVICE_FN void multiply_add(TypeBF16, float *d, const unsigned *a, const unsigned *b) { MMA_BF16(d, a, b, d); }
DEVICE_FN void multiply_add(TypeF16, float *d, const unsigned *a, const unsigned *b) { MMA_F16(d, a, b, d); }

// The kinds of products. kWords: the words of a tile that a lane holds; fragments makes mma's first operand of them, and
// multiply adds its products with a token's X, the lane's 8 columns of it.

// 16-bit weights and activations.
template <class T> struct Product16 {
  typedef float Sum;
  typedef uint4 X;
  static constexpr int kWords = 2, kFragments = 8, kXBytes = 2, kPitch = kWindowBytes + 64;
  static constexpr bool kGroups = false, kScaled = false;
  static __device__ __forceinline__ void fragments(const uint4 *w, unsigned *a) {
    a[0] = w[0].x, a[1] = w[1].x, a[2] = w[0].y, a[3] = w[1].y;
    a[4] = w[0].z, a[5] = w[1].z, a[6] = w[0].w, a[7] = w[1].w;
  }
  static __device__ __forceinline__ void multiply(Sum *sum, const unsigned *a, X x) {
    unsigned b0[2] = {x.x, x.y}, b1[2] = {x.z, x.w};
    multiply_add(T{}, sum, a, b0);
    multiply_add(T{}, sum, a + 4, b1);
  }
};

// Codes as two pairs of 16-bit numbers, exactly: {0, 1} and {2, 3} of the four codes in a word. A float whose bits are
// 0x4b0000uu is 2^23 + uu, a half whose bits are 0x64uu is 1024 + uu; uu is the code + 128.
DEVICE_FN void widen_codes(TypeBF16, unsigned codes, unsigned *low, unsigned *high) {
  unsigned u = codes ^ 0x80808080u, f[4];
  UNROLL
  for (int i = 0; i < 4; i++) f[i] = __float_as_uint(__uint_as_float(select_bytes(u, 0x4b000000u, 0x7540u + i)) - 8388736.f);
  *low = select_bytes(f[0], f[1], 0x7632u);
  *high = select_bytes(f[2], f[3], 0x7632u);
}
DEVICE_FN void widen_codes(TypeF16, unsigned codes, unsigned *low, unsigned *high) {
  unsigned u = codes ^ 0x80808080u;
  *low = subtract_f16x2(select_bytes(u, 0x64646464u, 0x4140u), 0x64806480u);
  *high = subtract_f16x2(select_bytes(u, 0x64646464u, 0x4342u), 0x64806480u);
}

// int8 weights, 16-bit activations: exact products of codes, summed in fp32. GROUPS: sums for each group of columns, scaled
// and added; else one sum for all, scaled at the end.
template <class T, bool GROUPS> struct ProductW8 : Product16<T> {
  static constexpr int kWords = 1;
  static constexpr bool kGroups = GROUPS, kScaled = !GROUPS;
  static __device__ __forceinline__ void fragments(const uint4 *w, unsigned *a) {
    widen_codes(T{}, w->x, a + 0, a + 2);
    widen_codes(T{}, w->z, a + 1, a + 3);
    widen_codes(T{}, w->y, a + 4, a + 6);
    widen_codes(T{}, w->w, a + 5, a + 7);
  }
};

// int8 weights and activations. GROUPS: integer sums for each group of columns, scaled and added in fp32; else one
// integer sum for all, which is exact.
template <bool GROUPS> struct ProductS8 {
  typedef int Sum;
  typedef uint2 X;
  static constexpr int kWords = 1, kFragments = 4, kXBytes = 1, kPitch = kWindowBytes + 32;
  static constexpr bool kGroups = GROUPS, kScaled = !GROUPS;
  static __device__ __forceinline__ void fragments(const uint4 *w, unsigned *a) { a[0] = w->x, a[1] = w->z, a[2] = w->y, a[3] = w->w; }
  static __device__ __forceinline__ void multiply(Sum *sum, const unsigned *a, X x) {
    unsigned b[2] = {x.x, x.y};
    MMA_S8(sum, a, b, sum);
  }
};

// Can rows of x be copied in 16-byte pieces?
template <class P> DEVICE_FN bool aligned(const Gemm &g) {
  constexpr int kElements = 16 / P::kXBytes;
  return ((size_t)g.x & 15) == 0 && g.ldx % kElements == 0 && g.K % kElements == 0;
}

// Copies the 16 bytes of token m from column k on to shared memory; what lacks is 0.
template <class P> DEVICE_FN void copy_piece(const Gemm &g, char *to, int m, int k, bool aligned) {
  constexpr int kElements = 16 / P::kXBytes;
  const char *from = (const char *)g.x + ((size_t)m * g.ldx + k) * P::kXBytes;
  bool inside = m < g.M && k < g.K;
  if (aligned) {
    ASYNC_COPY16(to, inside ? (const void *)from : g.x, inside);
    return;
  }
  ROLLED
  for (int e = 0; e < kElements; e++) {
    bool there = inside && k + e < g.K;
    if (P::kXBytes == 2) ((unsigned short *)to)[e] = there ? ((const unsigned short *)from)[e] : 0;
    else to[e] = there ? from[e] : 0;
  }
}

// Copies a window of x, columns from `column` on, of 8 NT tokens from m0 on to shared memory; what lacks is 0.
template <class P, int NT> DEVICE_FN void load_window(const Gemm &g, char *xs, int m0, int column) {
  bool whole = aligned<P>(g);
  ROLLED
  for (int i = 0; i < NT; i++) {
    int piece = threadIdx.x + i * kGemmThreads, m = piece >> 5, at = (piece & 31) * 16;
    copy_piece<P>(g, xs + m * P::kPitch + at, m0 + m, column + at / P::kXBytes, whole);
  }
}

// Adds the integer or unscaled sums of a group to the totals and clears them.
template <class P, int NT> DEVICE_FN void scale_group(const Gemm &g, float total[NT][4], typename P::Sum sum[NT][4], int group, int row) {
  size_t at = (size_t)group * g.panels * 16 + row;
  float low = load(g.scale, g.scale_type, at), high = load(g.scale, g.scale_type, at + 8);
  UNROLL
  for (int j = 0; j < NT; j++) UNROLL for (int r = 0; r < 4; r++) {
      total[j][r] += (r < 2 ? low : high) * (float)sum[j][r];
      sum[j][r] = 0;
    }
}

// One word of the sum over warps. Words are of type Word: float or int.
template <class Word> DEVICE_FN Word sum_of_turns(const Word *sums, int tokens, int m, int n) {
  Word v = sums[m * kSumPitch + n];
  for (int turn = 1; turn < kTurns; turn++) v += sums[(turn * tokens + m) * kSumPitch + n];
  return v;
}

// Leaves this block's sums with the others' and reports whether it is the last; then sums[m, n] hold the total.
template <class Word> DEVICE_FN bool combine_parts(const Gemm &g, Word *sums, int tokens) {
  int count = tokens * kRowsOfBlock;
  size_t tile = (size_t)blockIdx.z * gridDim.x + blockIdx.x, tiles = (size_t)gridDim.z * gridDim.x;
  Word *part = (Word *)g.part;
  ROLLED
  for (int e = threadIdx.x; e < count; e += kGemmThreads)
    part[(blockIdx.y * tiles + tile) * count + e] = sum_of_turns(sums, tokens, e / kRowsOfBlock, e % kRowsOfBlock);
  __threadfence();
  __syncthreads();
  int *last = (int *)(sums + kTurns * tokens * kSumPitch);
  if (threadIdx.x == 0) *last = atomicInc(g.done + tile, gridDim.y - 1) == gridDim.y - 1;
  __syncthreads();
  if (!*last) return false;
  __threadfence();
  ROLLED
  for (int e = threadIdx.x; e < count; e += kGemmThreads) {
    Word v = ((const volatile Word *)part)[tile * count + e];
    ROLLED
    for (unsigned p = 1; p < gridDim.y; p++) v += ((const volatile Word *)part)[(p * tiles + tile) * count + e];
    sums[e / kRowsOfBlock * kSumPitch + e % kRowsOfBlock] = v;
  }
  __syncthreads();
  return true;
}

// The sum of products as a number: sums of codes are scaled by the row of w, those of coded activations by the token.
template <class P, class Word> DEVICE_FN float scaled(const Gemm &g, Word v, int n, int m) {
  float f = (float)v;
  if (P::kScaled) f *= load(g.scale, g.scale_type, n);
  if (P::kXBytes == 1) f *= g.x_scale[m];
  return f;
}

// Ends the outputs of a block: ROWS rows of w from `first` on and the tokens from m0 on. sum(m, row) is the total.
template <class P, int ROWS, class F> DEVICE_FN void finish_block(const Gemm &g, int first, int m0, int tokens, F sum) {
  bool swiglu = g.epilogue.activation == kSwiGLU;
  int width = swiglu ? ROWS / 2 : ROWS;
  ROLLED
  for (int e = threadIdx.x; e < tokens * width; e += kGemmThreads) {
    int m = e / width, column = e % width, n = first / ROWS * width + column;
    if (m0 + m >= g.M || n >= g.outputs) continue;
    int at = swiglu ? column / 8 * 16 + column % 8 : column;
    float a = scaled<P>(g, sum(m, at), first + at, m0 + m);
    if (!swiglu) finish(g.epilogue, a, first + at, m0 + m, n);
    else finish_swiglu(g.epilogue, a, scaled<P>(g, sum(m, at + 8), first + at + 8, m0 + m), first + at, first + at + 8, m0 + m, n);
  }
}

// grid (ceil(panels / 4), parts, ceil(M / 8 NT)), block 256, dynamic shared memory: 2 * 8 NT * 576 bytes
template <class P, int NT> DEVICE_FN void gemm(const Gemm &g) {
  constexpr int kTokens = 8 * NT, kWindow = kWindowBytes / P::kXBytes / 32, kOwn = kWindow / kTurns;
  typedef typename P::Sum Sum;
  DYNAMIC_SHARED(char, xs);
  int warp = threadIdx.x >> 5, lane = threadIdx.x & 31, turn = warp / kPanelsOfBlock;
  int panel = blockIdx.x * kPanelsOfBlock + warp % kPanelsOfBlock, m0 = blockIdx.z * kTokens;
  int first = blockIdx.y * g.split, end = first + g.split < g.tiles ? first + g.split : g.tiles, windows = (end - first + kWindow - 1) / kWindow;
  const uint4 *w = (const uint4 *)g.w + (size_t)panel * g.tiles * 32 * P::kWords + lane;
  bool active = panel < g.panels;

  unsigned long long policy = STREAM_POLICY(gridDim.z == 1);  // weights are read once; sums and activations again
  uint4 words[kOwn][P::kWords];
  auto load_words = [&](uint4 *to, int tile) {
    UNROLL
    for (int i = 0; i < P::kWords; i++) to[i] = LOAD_STREAM16(w + ((size_t)tile * P::kWords + i) * 32, policy);
  };
  UNROLL
  for (int i = 0; i < kOwn; i++)
    if (active && first + i * kTurns + turn < end) load_words(words[i], first + i * kTurns + turn);
  load_window<P, NT>(g, xs, m0, first * 32);
  ASYNC_COMMIT();

  Sum sum[NT][4] = {};
  float total[NT][4] = {};
  for (int win = 0; win < windows; win++) {
    if (win + 1 < windows) load_window<P, NT>(g, xs + ((win + 1) & 1) * kTokens * P::kPitch, m0, (first + (win + 1) * kWindow) * 32);
    ASYNC_COMMIT();
    ASYNC_WAIT(1);
    __syncthreads();
    const char *window = xs + (win & 1) * kTokens * P::kPitch + (lane >> 2) * P::kPitch + (lane & 3) * 8 * P::kXBytes;
    UNROLL
    for (int i = 0; i < kOwn; i++) {
      int tile = first + win * kWindow + i * kTurns + turn;
      if (!active || tile >= end) continue;
      unsigned w_tile[P::kFragments];
      P::fragments(words[i], w_tile);
      UNROLL
      for (int j = 0; j < NT; j++)
        P::multiply(sum[j], w_tile, *(const typename P::X *)(window + j * 8 * P::kPitch + (i * kTurns + turn) * 32 * P::kXBytes));
      if (P::kGroups) {
        int group = tile / g.group;
        if (tile + kTurns >= end || (tile + kTurns) / g.group != group) scale_group<P, NT>(g, total, sum, group, panel * 16 + (lane >> 2));
      }
      if (tile + kWindow < end) load_words(words[i], tile + kWindow);
    }
    __syncthreads();
  }

  auto leave = [&](auto *sums, auto values) {
    int row = warp % kPanelsOfBlock * 16 + (lane >> 2);
    UNROLL
    for (int j = 0; j < NT; j++) UNROLL for (int r = 0; r < 4; r++)
        sums[(turn * kTokens + 8 * j + 2 * (lane & 3) + (r & 1)) * kSumPitch + row + (r & 2 ? 8 : 0)] = values[j][r];
    __syncthreads();
    if (gridDim.y > 1 && !combine_parts(g, sums, kTokens)) return;
    bool one = gridDim.y > 1;
    finish_block<P, kRowsOfBlock>(g, blockIdx.x * kRowsOfBlock, m0, kTokens,
                                  [&](int m, int row) { return one ? sums[m * kSumPitch + row] : sum_of_turns(sums, kTokens, m, row); });
  };
  if constexpr (P::kGroups) leave((float *)xs, total);
  else leave((Sum *)xs, sum);
}
