// attention.h - softmax(q K^T) V of up to 16 queries that see the same keys, by 4 warps, on tensor cores.
//
// Keys and values lie in pages of 2^page_shift rows; row j of a sequence is row pages[j >> shift] << shift | j & mask of
// the cache, and a row is kv_heads heads of `pitch` channels. Warp w takes the keys 16 (4 i + w) and the 15 after them.
// Two passes: the first finds the maximum and the sum of exponentials of each query, the second the weighted values, so
// that weights are rounded after the division as a plain softmax rounds them.
//
// Keys are taken in parts of 128. Results of lanes, of warps and of parts are joined in this order, each time anew: the
// result for a query depends on its keys alone. One block may do all parts, or, where few queries leave multiprocessors
// idle, every part have a block of its own: then attention_sums does the first pass, and of the blocks of the second the
// last one adds up what all have left. The bits are the same.
//
// Fragments are read from memory as they lie. In q K^T mma's column k of a step is another channel, the same for both
// operands (see gemm.h). In weights V the result's column 8j+g is channel 8g+j of a group of 64: lane 4g+t reads the 8
// channels 8g.. of four keys and holds the results of 16 consecutive channels.
#pragma once
#include "arithmetic.h"
#include "gemm.h"

constexpr float kNever = -__builtin_huge_valf();
constexpr int kPartKeys = 128;

struct AttentionTile {  // of the table `tiles`, 8 ints each
  int row, queries, visible, sequence, key, unused[3];
};

struct Attention {
  const void *q;  // [rows, heads, pitch], scaled
  const void *k, *v;
  int heads, kv_heads, width, pitch;
  const int *tiles, *pages;
  int ld_pages, page_shift;
  int round;        // of scores and weights
  float *scores;    // [heads, rows, keys] or null
  int rows, keys;
  void *y;  // [rows, ldy]: heads of `width` channels
  int y_type, ldy;
  float *sums;     // [tiles, heads, parts, 16] of Softmax; null: one block does all parts
  float *part;     // [tiles, heads, parts, 16, 64 GROUPS]
  unsigned *done;  // [tiles, heads, kValueBlocks], zero before and after
  int parts;       // that there is room for
};

#define ATTENTION_PARAMETERS                                                                                              \
  const void *q, const void *k, const void *v, int q_heads, int kv_heads, int width, int pitch, const int *tiles,       \
      const int *pages, int ld_pages, int page_shift, int round, float *scores, int rows, int keys, void *y, int y_type, \
      int ldy, float *sums, float *part, unsigned *done, int parts
#define ATTENTION \
  Attention { q, k, v, q_heads, kv_heads, width, pitch, tiles, pages, ld_pages, page_shift, round, scores, rows, keys, y, y_type, ldy, sums, part, done, parts }

// Where head `head` of key j of the tile's sequence starts in the cache, in elements.
DEVICE_FN size_t key_at(const Attention &a, const AttentionTile &t, int head, int j) {
  int page = a.pages[(size_t)t.sequence * a.ld_pages + (j >> a.page_shift)];
  size_t row = ((size_t)page << a.page_shift) + (j & ((1 << a.page_shift) - 1));
  return (row * a.kv_heads + head) * a.pitch;
}

DEVICE_FN AttentionTile tile_of(const Attention &a) {
  const int *t = a.tiles + (size_t)blockIdx.x * 8;
  return AttentionTile{t[0], t[1], t[2], t[3], t[4], {0, 0, 0}};
}

DEVICE_FN uint4 words_or_zero(const void *p, size_t element, bool ok) { return ok ? *(const uint4 *)((const char *)p + element * 2) : make_uint4(0, 0, 0, 0); }

// Fragments of 16 queries, 32 channels each: words q[c][0] of row g, q[c][1] of row g+8.
template <int GROUPS> DEVICE_FN void load_queries(const Attention &a, const AttentionTile &t, int head, uint4 q[2 * GROUPS][2]) {
  int lane = threadIdx.x & 31;
  UNROLL
  for (int c = 0; c < 2 * GROUPS; c++) UNROLL for (int i = 0; i < 2; i++) {
      int query = (lane >> 2) + 8 * i, channel = 32 * c + 8 * (lane & 3);
      size_t at = ((size_t)(t.row + query) * a.heads + head) * a.pitch + channel;
      q[c][i] = words_or_zero(a.q, at, query < t.queries && channel < a.pitch);
    }
}

// The scores of 16 queries and 16 keys: s[half][r], mma's results for keys 8 half + ....
template <class T, int GROUPS> DEVICE_FN void score_keys(const Attention &a, const AttentionTile &t, int kv, const uint4 q[2 * GROUPS][2], int first, float s[2][4]) {
  int lane = threadIdx.x & 31;
  UNROLL
  for (int half = 0; half < 2; half++) {
    int key = first + half * 8 + (lane >> 2);
    bool ok = key < t.visible;
    size_t at = ok ? key_at(a, t, kv, key) : 0;
    UNROLL
    for (int r = 0; r < 4; r++) s[half][r] = 0.f;
    UNROLL
    for (int c = 0; c < 2 * GROUPS; c++) {
      int channel = 32 * c + 8 * (lane & 3);
      unsigned query[8];
      Product16<T>::fragments(q[c], query);
      Product16<T>::multiply(s[half], query, words_or_zero(a.k, at + channel, ok && channel < a.pitch));
    }
    UNROLL
    for (int r = 0; r < 4; r++) s[half][r] = round_to(s[half][r], a.round);
  }
}

// The column of the result s[half][r] among the 16 keys.
DEVICE_FN int column_of(int half, int r) { return half * 8 + 2 * (threadIdx.x & 3) + (r & 1); }

// Maximum and sum of the scores seen by a query so far.
struct Softmax {
  float top, sum;
};

DEVICE_FN Softmax join(Softmax a, Softmax b) {
  float top = fmaxf(a.top, b.top);
  if (top == kNever) return Softmax{top, 0.f};
  return Softmax{top, a.sum * exponential(a.top - top) + b.sum * exponential(b.top - top)};
}

// Adds the visible scores of a query, r0 and r0+1 of both halves.
DEVICE_FN Softmax add_scores(Softmax m, const float s[2][4], int r0, int first, int visible) {
  float top = m.top;
  UNROLL
  for (int i = 0; i < 4; i++)
    if (first + column_of(i >> 1, r0 + (i & 1)) < visible) top = fmaxf(top, s[i >> 1][r0 + (i & 1)]);
  if (top == kNever) return m;
  float sum = m.sum * exponential(m.top - top);
  UNROLL
  for (int i = 0; i < 4; i++)
    if (first + column_of(i >> 1, r0 + (i & 1)) < visible) sum += exponential(s[i >> 1][r0 + (i & 1)] - top);
  return Softmax{top, sum};
}

DEVICE_FN void write_scores(const Attention &a, const AttentionTile &t, int head, const float s[2][4], int first) {
  UNROLL
  for (int i = 0; i < 8; i++) {
    int query = ((threadIdx.x & 31) >> 2) + (i & 2 ? 8 : 0), key = first + column_of(i >> 2, i & 3);
    if (query < t.queries && key < t.visible) a.scores[((size_t)head * a.rows + t.row + query) * a.keys + t.key + key] = s[i >> 2][i & 3];
  }
}

DEVICE_FN unsigned word_of(const uint4 &v, int i) { return i == 0 ? v.x : i == 1 ? v.y : i == 2 ? v.z : v.w; }

// Adds weights p of 16 queries and 16 keys times the keys' values, from `channel0` on, to out[group][j].
template <class T, int GROUPS> DEVICE_FN void add_values(const Attention &a, const AttentionTile &t, int kv, const float p[2][4], int first, int channel0, float out[GROUPS][8][4]) {
  int lane = threadIdx.x & 31;
  unsigned weights[4] = {T::pack(p[0][0], p[0][1]), T::pack(p[0][2], p[0][3]), T::pack(p[1][0], p[1][1]), T::pack(p[1][2], p[1][3])};
  size_t at[4];
  bool ok[4];
  UNROLL
  for (int i = 0; i < 4; i++) {
    int key = first + column_of(i >> 1, i & 1);
    ok[i] = key < t.visible;
    at[i] = ok[i] ? key_at(a, t, kv, key) : 0;
  }
  UNROLL
  for (int group = 0; group < GROUPS; group++) {
    int channel = channel0 + 64 * group + 8 * (lane >> 2);
    uint4 v[4];
    UNROLL
    for (int i = 0; i < 4; i++) v[i] = words_or_zero(a.v, at[i] + channel, ok[i] && channel < a.pitch);
    UNROLL
    for (int j = 0; j < 8; j++) {
      unsigned pick = j & 1 ? 0x7632u : 0x5410u;
      unsigned b[2] = {select_bytes(word_of(v[0], j / 2), word_of(v[1], j / 2), pick), select_bytes(word_of(v[2], j / 2), word_of(v[3], j / 2), pick)};
      multiply_add(T{}, out[group][j], weights, b);
    }
  }
}
