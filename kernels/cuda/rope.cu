// rope.cu - from the projections of a layer to what attention reads: LayerNorm of each head, rotation, the scaled query,
// keys and values in the cache.
#include "arithmetic.h"
#include "reduce.h"

// sine[position * pairs + j], cosine[...] of the angle position * frequency[j], a product in fp32.
//
//   grid ceil(positions * pairs / 256), block 256
extern "C" __global__ void __launch_bounds__(256) rotary_table(float *sine, float *cosine, const float *frequency, int pairs, int positions) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < positions * pairs) sine_cosine((double)((float)(i / pairs) * frequency[i % pairs]), sine + i, cosine + i);
}
KERNEL(rotary_table);

// Turns the pair (*a, *b) by an angle; products and sums are rounded to the type `round`.
DEVICE_FN void turn(float *a, float *b, float sine, float cosine, int round) {
  float x = *a, y = *b, s = round_to(sine, round), c = round_to(cosine, round);
  *a = round_to(round_to(x * c, round) - round_to(y * s, round), round);
  *b = round_to(round_to(y * c, round) + round_to(x * s, round), round);
}

// LayerNorm of one head by one warp, in place; see layernorm.
DEVICE_FN void normalise_head(float *head, int width, float eps, const float *gamma, const float *beta, int lane) {
  float sum = 0.f, squares = 0.f;
  for (int i = lane; i < width; i += 32) sum += head[i];
  float mean = warp_sum(sum) / width;
  for (int i = lane; i < width; i += 32) {
    float d = head[i] - mean;
    squares = fmaf(d, d, squares);
  }
  float rstd = 1.f / sqrtf(warp_sum(squares) / width + eps);
  for (int i = lane; i < width; i += 32) head[i] = (head[i] - mean) * rstd * gamma[i] + beta[i];
}

// Every warp takes one head of one row of q, of k or of v, [rows, ldx] of x_type each:
//
//   q  LayerNorm (gamma_q; null: none), rotation, rounded to `round`, times q_scale -> q_out[row, head, pitch]
//   k  LayerNorm (gamma_k), rotation                                                -> k_cache[slot[row], head, pitch]
//   v                                                                               -> v_cache[slot[row], head, pitch]
//
// The results have the type `type`; channels from width to pitch are 0. `pairs` pairs of the first 2 pairs channels turn
// by the angles of position[row]: (2j, 2j+1) if interleaved, else (j, j + pairs), rounding each step to `step_round`.
// q_plain, k_plain [rows, heads width] (fp32, null: nobody asks) are q and k before the rotation, q_turned is q after it.
//
//   grid ceil(rows (heads + 2 kv_heads) / 4), block 128, dynamic shared memory: 4 width floats
extern "C" __global__ void __launch_bounds__(128, 8) heads(
    void *q_out, void *k_cache, void *v_cache, int type, int pitch, const void *q, const void *k, const void *v, int x_type, int ldq, int ldk, int ldv,
    int rows, int q_heads, int kv_heads, int width, float eps, const float *gamma_q, const float *beta_q, const float *gamma_k,
    const float *beta_k, const float *sine, const float *cosine, int pairs, int interleaved, int step_round, int round,
    float q_scale, const int *position, const int *slot, float *q_plain, float *k_plain, float *q_turned) {
  DYNAMIC_SHARED(float, space);
  int lane = threadIdx.x & 31, warp = threadIdx.x >> 5, each = q_heads + 2 * kv_heads;
  int item = blockIdx.x * 4 + warp, row = item / each, at = item % each;
  if (row >= rows) return;
  bool is_q = at < q_heads, is_k = !is_q && at < q_heads + kv_heads;
  int head = is_q ? at : is_k ? at - q_heads : at - q_heads - kv_heads;
  const void *x = is_q ? q : is_k ? k : v;
  float *h = space + warp * width;
  size_t from = (size_t)row * (is_q ? ldq : is_k ? ldk : ldv) + (size_t)head * width;
  float run[kRun];
  bool words = in_words(x, x_type, is_q ? ldq : is_k ? ldk : ldv) && in_words(x, x_type, width);
  for (int i = kRun * lane; i < width; i += kRun * 32) {
    load_run(run, x, x_type, from + i, width - i, words);
    store_run(run, h, kF32, i, width - i, width % 4 == 0);
  }
  __syncwarp();

  const float *gamma = is_q ? gamma_q : gamma_k;
  if ((is_q || is_k) && gamma) normalise_head(h, width, eps, gamma, is_q ? beta_q : beta_k, lane);
  float *plain = is_q ? q_plain : is_k ? k_plain : nullptr;
  size_t flat = ((size_t)row * (is_q ? q_heads : kv_heads) + head) * width;
  for (int i = lane; plain && i < width; i += 32) plain[flat + i] = h[i];
  __syncwarp();

  size_t angle = (size_t)position[row] * pairs;
  for (int j = lane; (is_q || is_k) && j < pairs; j += 32) {
    float *a = interleaved ? h + 2 * j : h + j, *b = interleaved ? a + 1 : a + pairs;
    turn(a, b, sine[angle + j], cosine[angle + j], step_round);
  }
  __syncwarp();

  void *y = is_q ? q_out : is_k ? k_cache : v_cache;
  size_t to = is_q ? ((size_t)row * q_heads + head) * pitch : ((size_t)slot[row] * kv_heads + head) * pitch;
  words = in_words(y, type, pitch);  // a multiple of 8
  for (int i = kRun * lane; i < pitch; i += kRun * 32) {
    load_run(run, h, kF32, i, width - i, width % 4 == 0);
    if (is_q && q_turned) store_run(run, q_turned, kF32, flat + i, width - i, false);
    UNROLL
    for (int k = 0; k < kRun; k++) run[k] = is_q ? round_to(run[k], round) * q_scale : run[k];
    store_run(run, y, type, to + i, kRun, words);
  }
}
KERNEL(heads);
