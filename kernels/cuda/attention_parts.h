// attention_parts.h - the two passes of attention over parts of the keys, and what joins the parts. See attention.h.
#pragma once
#include "attention.h"

// The queries g and g+8 of a lane.
struct Softmaxes {
  Softmax low, high;
};

DEVICE_FN Softmaxes join(Softmaxes a, Softmaxes b) { return Softmaxes{join(a.low, b.low), join(a.high, b.high)}; }

// The first pass over a part of the keys, the same in every lane of a query.
template <class T, int GROUPS> DEVICE_FN Softmaxes sums_of_part(const Attention &a, const AttentionTile &t, int head, const uint4 q[2 * GROUPS][2], int part, Softmax of_warp[4][16]) {
  int warp = threadIdx.x >> 5, lane = threadIdx.x & 31, kv = head / (a.heads / a.kv_heads);
  Softmaxes m = {{kNever, 0.f}, {kNever, 0.f}};
  float s[2][4];
  ROLLED
  for (int first = part * kPartKeys + 16 * warp; first < t.visible && first < (part + 1) * kPartKeys; first += 64) {
    score_keys<T, GROUPS>(a, t, kv, q, first, s);
    m.low = add_scores(m.low, s, 0, first, t.visible);
    m.high = add_scores(m.high, s, 2, first, t.visible);
    if (a.scores && (a.sums || blockIdx.z == 0)) write_scores(a, t, head, s, first);
  }
  UNROLL
  for (int o = 1; o <= 2; o *= 2) {
    m.low = join(m.low, Softmax{__shfl_xor_sync(0xffffffffu, m.low.top, o), __shfl_xor_sync(0xffffffffu, m.low.sum, o)});
    m.high = join(m.high, Softmax{__shfl_xor_sync(0xffffffffu, m.high.top, o), __shfl_xor_sync(0xffffffffu, m.high.sum, o)});
  }
  __syncthreads();  // of_warp has been read
  if ((lane & 3) == 0) of_warp[warp][lane >> 2] = m.low, of_warp[warp][(lane >> 2) + 8] = m.high;
  __syncthreads();
  m = Softmaxes{of_warp[0][lane >> 2], of_warp[0][(lane >> 2) + 8]};
  for (int w = 1; w < 4; w++) m = join(m, Softmaxes{of_warp[w][lane >> 2], of_warp[w][(lane >> 2) + 8]});
  return m;
}

// Where the results of a part lie in `sums`, 16 for each.
DEVICE_FN size_t part_at(const Attention &a, int head, int part) { return ((size_t)blockIdx.x * a.heads + head) * a.parts + part; }

// The first pass for parts with blocks of their own.
template <class T, int GROUPS> DEVICE_FN void attend_first(const Attention &a) {
  __shared__ Softmax of_warp[4][16];
  AttentionTile t = tile_of(a);
  int head = blockIdx.y, part = blockIdx.z, lane = threadIdx.x & 31;
  if (part * kPartKeys >= t.visible) return;
  uint4 q[2 * GROUPS][2];
  load_queries<GROUPS>(a, t, head, q);
  Softmaxes m = sums_of_part<T, GROUPS>(a, t, head, q, part, of_warp);
  Softmax *to = (Softmax *)a.sums + part_at(a, head, part) * 16;
  if (threadIdx.x < 32 && (lane & 3) == 0) to[lane >> 2] = m.low, to[(lane >> 2) + 8] = m.high;
}

// The second pass over a part of the keys: adds the values of 16 queries and 64 GROUPS channels to total, of which a
// thread has the elements threadIdx.x + 128 i. space: [4, 16, 64 GROUPS + 4] floats of shared memory.
template <class T, int GROUPS, int VALUES> DEVICE_FN void add_part_values(const Attention &a, const AttentionTile &t, int head, const uint4 q[2 * GROUPS][2], const Softmaxes &m, int part, int channel0, float *space, float total[8 * VALUES]) {
  constexpr int kPitch = 64 * VALUES + 4;
  int warp = threadIdx.x >> 5, lane = threadIdx.x & 31, kv = head / (a.heads / a.kv_heads);
  float s[2][4], out[VALUES][8][4] = {};
  ROLLED
  for (int first = part * kPartKeys + 16 * warp; first < t.visible && first < (part + 1) * kPartKeys; first += 64) {
    score_keys<T, GROUPS>(a, t, kv, q, first, s);
    UNROLL
    for (int i = 0; i < 8; i++) {
      int half = i >> 2, r = i & 3;
      const Softmax &of = r < 2 ? m.low : m.high;
      s[half][r] = first + column_of(half, r) < t.visible ? round_to(exponential(s[half][r] - of.top) / of.sum, a.round) : 0.f;
    }
    add_values<T, VALUES>(a, t, kv, s, first, channel0, out);
  }
  UNROLL
  for (int group = 0; group < VALUES; group++) UNROLL for (int j = 0; j < 8; j++) UNROLL for (int r = 0; r < 4; r++) {
        int query = (lane >> 2) + (r & 2 ? 8 : 0), channel = 64 * group + 16 * (lane & 3) + (r & 1 ? 8 : 0) + j;
        space[(warp * 16 + query) * kPitch + channel] = out[group][j][r];
      }
  __syncthreads();
  UNROLL
  for (int i = 0; i < 8 * VALUES; i++) {
    int e = threadIdx.x + 128 * i, at = e / (64 * VALUES) * kPitch + e % (64 * VALUES);
    float v = space[at];
    UNROLL
    for (int w = 1; w < 4; w++) v += space[w * 16 * kPitch + at];
    total[i] += v;
  }
  __syncthreads();
}

template <int VALUES> DEVICE_FN void store_values(const Attention &a, const AttentionTile &t, int head, int channel0, const float total[8 * VALUES]) {
  UNROLL
  for (int i = 0; i < 8 * VALUES; i++) {
    int e = threadIdx.x + 128 * i, query = e / (64 * VALUES), channel = channel0 + e % (64 * VALUES);
    if (query < t.queries && channel < a.width) store(a.y, a.y_type, (size_t)(t.row + query) * a.ldy + head * a.width + channel, total[i]);
  }
}

// Leaves the values of a part with those of the others and reports whether they are all there; then total is their sum.
template <int GROUPS, int VALUES> DEVICE_FN bool collect_parts(const Attention &a, int head, int part, int parts, int value_block, float total[8 * VALUES]) {
  __shared__ int last;
  constexpr int kBlocks = GROUPS / VALUES;
  auto at = [&](int p, int i) { return (part_at(a, head, p) * kBlocks + value_block) * 1024 * VALUES + threadIdx.x + 128 * i; };
  UNROLL
  for (int i = 0; i < 8 * VALUES; i++) a.part[at(part, i)] = total[i];
  __threadfence();
  __syncthreads();
  if (threadIdx.x == 0) last = atomicInc(a.done + ((size_t)blockIdx.x * a.heads + head) * kBlocks + value_block, parts - 1) == (unsigned)parts - 1;
  __syncthreads();
  if (!last) return false;
  __threadfence();
  UNROLL
  for (int i = 0; i < 8 * VALUES; i++) total[i] = -0.f;
  ROLLED
  for (int p = 0; p < parts; p++) UNROLL for (int i = 0; i < 8 * VALUES; i++) total[i] += ((const volatile float *)a.part)[at(p, i)];
  return true;
}

// GROUPS: of 64 channels of a head. A block has the values of two groups at most, from 128 (blockIdx.z mod kBlocks) on.
template <class T, int GROUPS> DEVICE_FN void attend(const Attention &a) {
  constexpr int kValues = GROUPS < 2 ? GROUPS : 2, kBlocks = GROUPS / kValues;
  DYNAMIC_SHARED(float, space);
  __shared__ Softmax of_warp[4][16];
  AttentionTile t = tile_of(a);
  int head = blockIdx.y, lane = threadIdx.x & 31, value_block = blockIdx.z % kBlocks, own = blockIdx.z / kBlocks;
  int parts = (t.visible + kPartKeys - 1) / kPartKeys;
  if (own >= parts) return;
  uint4 q[2 * GROUPS][2];
  load_queries<GROUPS>(a, t, head, q);

  Softmaxes m = {{kNever, 0.f}, {kNever, 0.f}};
  ROLLED
  for (int p = 0; p < parts; p++) {
    if (a.sums) {
      const Softmax *from = (const Softmax *)a.sums + part_at(a, head, p) * 16 + (lane >> 2);
      m = join(m, Softmaxes{from[0], from[8]});
    } else m = join(m, sums_of_part<T, GROUPS>(a, t, head, q, p, of_warp));
  }
  float total[8 * kValues];
  UNROLL
  for (int i = 0; i < 8 * kValues; i++) total[i] = -0.f;  // what any number can be added to
  int end = a.sums ? own + 1 : parts;
  ROLLED
  for (int p = own; p < end; p++) add_part_values<T, GROUPS, kValues>(a, t, head, q, m, p, 128 * value_block, space, total);
  if (a.sums && !collect_parts<GROUPS, kValues>(a, head, own, parts, value_block, total)) return;
  store_values<kValues>(a, t, head, 128 * value_block, total);
}
