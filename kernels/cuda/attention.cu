// attention.cu - softmax(q K^T) V over the cache, block-causal, without padding. The mask is in the table of tiles: up to
// 16 queries of one sequence that see the same first `visible` keys of it:
//
//   tiles[i] = {first row, queries, visible keys, sequence, first key of the sequence in `scores`, 0, 0, 0}
//
// q is scaled already (see heads). `scores` gets the rounded scores of what is visible, and nothing else.
// Kernels by the type of q, K and V and by the largest width of a head; pitch is a multiple of 8.
//
//   one block for all parts of the keys:    grid (tiles, heads, ceil(largest width / 128)), sums null
//   one for each, after attention_sums_*:   grid (tiles, heads, parts ceil(largest width / 128))
//   attention_sums_*:                       grid (tiles, heads, parts)
//   block 128, dynamic shared memory: 256 (min(largest width, 128) + 4) bytes, 0 for attention_sums_*
#include "attention_parts.h"

extern "C" __global__ void __launch_bounds__(128, 2) attention_bf16_64(ATTENTION_PARAMETERS) { attend<TypeBF16, 1>(ATTENTION); }
KERNEL(attention_bf16_64);
extern "C" __global__ void __launch_bounds__(128, 2) attention_bf16_128(ATTENTION_PARAMETERS) { attend<TypeBF16, 2>(ATTENTION); }
KERNEL(attention_bf16_128);
extern "C" __global__ void __launch_bounds__(128, 2) attention_bf16_256(ATTENTION_PARAMETERS) { attend<TypeBF16, 4>(ATTENTION); }
KERNEL(attention_bf16_256);
extern "C" __global__ void __launch_bounds__(128, 2) attention_f16_64(ATTENTION_PARAMETERS) { attend<TypeF16, 1>(ATTENTION); }
KERNEL(attention_f16_64);
extern "C" __global__ void __launch_bounds__(128, 2) attention_f16_128(ATTENTION_PARAMETERS) { attend<TypeF16, 2>(ATTENTION); }
KERNEL(attention_f16_128);
extern "C" __global__ void __launch_bounds__(128, 2) attention_f16_256(ATTENTION_PARAMETERS) { attend<TypeF16, 4>(ATTENTION); }
KERNEL(attention_f16_256);

extern "C" __global__ void __launch_bounds__(128, 2) attention_sums_bf16_64(ATTENTION_PARAMETERS) { attend_first<TypeBF16, 1>(ATTENTION); }
KERNEL(attention_sums_bf16_64);
extern "C" __global__ void __launch_bounds__(128, 2) attention_sums_bf16_128(ATTENTION_PARAMETERS) { attend_first<TypeBF16, 2>(ATTENTION); }
KERNEL(attention_sums_bf16_128);
extern "C" __global__ void __launch_bounds__(128, 2) attention_sums_bf16_256(ATTENTION_PARAMETERS) { attend_first<TypeBF16, 4>(ATTENTION); }
KERNEL(attention_sums_bf16_256);
extern "C" __global__ void __launch_bounds__(128, 2) attention_sums_f16_64(ATTENTION_PARAMETERS) { attend_first<TypeF16, 1>(ATTENTION); }
KERNEL(attention_sums_f16_64);
extern "C" __global__ void __launch_bounds__(128, 2) attention_sums_f16_128(ATTENTION_PARAMETERS) { attend_first<TypeF16, 2>(ATTENTION); }
KERNEL(attention_sums_f16_128);
extern "C" __global__ void __launch_bounds__(128, 2) attention_sums_f16_256(ATTENTION_PARAMETERS) { attend_first<TypeF16, 4>(ATTENTION); }
KERNEL(attention_sums_f16_256);

// The same in fp32, one warp for a query: a lane scores the keys 32 i + lane, then holds the channels 32 i + lane. Widths
// up to 256.
//
//   grid (tiles, heads), block 128
extern "C" __global__ void __launch_bounds__(128) attention_f32(ATTENTION_PARAMETERS) {
  Attention a = ATTENTION;
  AttentionTile t = tile_of(a);
  int head = blockIdx.y, kv = head / (a.heads / a.kv_heads), lane = threadIdx.x & 31;
  for (int query = threadIdx.x >> 5; query < t.queries; query += 4) {
    const float *one = (const float *)a.q + ((size_t)(t.row + query) * a.heads + head) * a.pitch;
    auto score = [&](int key) {
      const float *k = (const float *)a.k + key_at(a, t, kv, key);
      float s = 0.f;
      for (int i = 0; i < a.width; i++) s = fmaf(one[i], k[i], s);
      return round_to(s, a.round);
    };
    Softmax m = {kNever, 0.f};
    for (int key = lane; key < t.visible; key += 32) {
      float s = score(key);
      m = join(m, Softmax{s, 1.f});
      if (a.scores) a.scores[((size_t)head * a.rows + t.row + query) * a.keys + t.key + key] = s;
    }
    for (int o = 1; o < 32; o *= 2) m = join(m, Softmax{__shfl_xor_sync(0xffffffffu, m.top, o), __shfl_xor_sync(0xffffffffu, m.sum, o)});
    float out[8] = {};
    for (int first = 0; first < t.visible; first += 32) {
      int key = first + lane;
      float p = key < t.visible ? round_to(exponential(score(key) - m.top) / m.sum, a.round) : 0.f;
      for (int i = 0; i < 32; i++) {
        float weight = __shfl_sync(0xffffffffu, p, i);
        if (first + i >= t.visible) continue;
        const float *v = (const float *)a.v + key_at(a, t, kv, first + i);
        UNROLL
        for (int c = 0; c < 8; c++)
          if (lane + 32 * c < a.width) out[c] = fmaf(weight, v[lane + 32 * c], out[c]);
      }
    }
    UNROLL
    for (int c = 0; c < 8; c++)
      if (lane + 32 * c < a.width) store(a.y, a.y_type, (size_t)(t.row + query) * a.ldy + head * a.width + lane + 32 * c, out[c]);
  }
}
KERNEL(attention_f32);
