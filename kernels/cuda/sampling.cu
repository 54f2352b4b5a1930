// sampling.cu - tokens from logits, by the rule of package reference/generate.
#include "arithmetic.h"
#include "reduce.h"

// seen[sample, id] = 1 for the ids of a block, `each` for a sample; ids outside [0, vocab) are passed over.
//
//   grid (samples), block 32
extern "C" __global__ void __launch_bounds__(32) mark_seen(unsigned char *seen, const int *ids, int vocab, int each) {
  if (threadIdx.x) return;
  for (int i = 0; i < each; i++) {
    int id = ids[blockIdx.x * each + i];
    if (id >= 0 && id < vocab) seen[(size_t)blockIdx.x * vocab + id] = 1;
  }
}
KERNEL(mark_seen);

// A logit made finite (NaN: 0, infinities: +-10000) and, if its id was seen, weakened: multiplied by the penalty below 0,
// else divided; results are rounded to `round`.
DEVICE_FN float weakened(float v, bool seen, float penalty, int round) {
  float limit = round_to(1e4f, round), largest = 3.40282347e38f;
  if (v != v) v = 0.f;
  v = v > largest ? limit : v < -largest ? -limit : v;
  if (seen && penalty != 1.f) v = round_to(v < 0.f ? v * penalty : v / penalty, round);
  return v;
}

// The largest logit of every row, the lowest id of equals. seen: [samples, vocab], `each` rows a sample, null: none seen.
// broken [rows], null: nobody asks: 1 where a logit was no finite number, else 0.
//
//   grid (rows), block 256
extern "C" __global__ void __launch_bounds__(256) argmax_tokens(
    int *ids, const void *logits, int type, int ld, int vocab, const unsigned char *seen, int each, float penalty, int round,
    int *broken) {
  __shared__ Best scratch[32];
  const unsigned char *mine = seen ? seen + (size_t)(blockIdx.x / each) * vocab : nullptr;
  Best best = {-__builtin_huge_valf(), vocab};
  int odd = 0;
  for (int i = threadIdx.x; i < vocab; i += blockDim.x) {
    float v = load(logits, type, (size_t)blockIdx.x * ld + i);
    odd |= not_finite(v);
    best = Better{}(best, Best{weakened(v, mine && mine[i], penalty, round), i});
  }
  best = block_reduce(best, scratch, Better{});
  odd = block_max(odd, (int *)scratch);
  if (threadIdx.x) return;
  ids[blockIdx.x] = best.id;
  if (broken) broken[blockIdx.x] = odd;
}
KERNEL(argmax_tokens);

// Numbers in the order of floats: a > b if and only if order_of(a) > order_of(b), for all but NaN and -0.
DEVICE_FN unsigned order_of(float v) {
  unsigned u = __float_as_uint(v);
  return u & 0x80000000u ? ~u : u | 0x80000000u;
}

// The least number for which `holds` is true, if it is true from some number on and for the largest.
template <class F> DEVICE_FN unsigned least(unsigned low, unsigned high, F holds) {
  while (low < high) {
    unsigned middle = low + (high - low) / 2;
    if (holds(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}

struct Distribution {  // a row of logits in memory; -infinity: never drawn
  float *row;
  int vocab, round;
  float top, total;  // of its exponentials

  __device__ __forceinline__ float probability(float v) const { return round_to(exponential(v - top) / total, round); }
};

// Largest logit and sum of the exponentials.
DEVICE_FN void measure(Distribution *d, double *scratch) {
  float top = -__builtin_huge_valf();
  for (int i = threadIdx.x; i < d->vocab; i += blockDim.x) top = fmaxf(top, d->row[i]);
  d->top = block_max(top, (float *)scratch);
  double sum = 0;
  for (int i = threadIdx.x; i < d->vocab; i += blockDim.x) sum += (double)exponential(d->row[i] - d->top);
  d->total = (float)block_sum(sum, scratch);
}

// Removes what is below the k-th largest logit.
DEVICE_FN void keep_top_k(const Distribution &d, int k, double *scratch) {
  unsigned kth = least(0, 0xffffffffu, [&](unsigned limit) {
    int above = 0;
    for (int i = threadIdx.x; i < d.vocab; i += blockDim.x) above += order_of(d.row[i]) > limit;
    return block_sum(above, (int *)scratch) < k;
  });
  for (int i = threadIdx.x; i < d.vocab; i += blockDim.x)
    if (order_of(d.row[i]) < kth) d.row[i] = -__builtin_huge_valf();
}

// Keeps, in the order of falling logits and rising ids, what comes before the cumulative probability passes top_p, and the
// one with which it does.
DEVICE_FN void keep_top_p(const Distribution &d, float top_p, double *scratch) {
  float limit = round_to(top_p, d.round);
  auto mass_above = [&](unsigned order) {
    double mass = 0;
    for (int i = threadIdx.x; i < d.vocab; i += blockDim.x)
      if (order_of(d.row[i]) > order) mass += (double)d.probability(d.row[i]);
    return block_sum(mass, scratch);
  };
  unsigned last = least(0, 0xffffffffu, [&](unsigned order) { return round_to((float)mass_above(order), d.round) <= limit; });

  double mass = mass_above(last), one = 0;  // of the equals of the last one, some may be kept
  int equals = 0;
  for (int i = threadIdx.x; i < d.vocab; i += blockDim.x)
    if (order_of(d.row[i]) == last) equals++, one = (double)d.probability(d.row[i]);
  equals = block_sum(equals, (int *)scratch);
  one = block_max(one, scratch);
  int kept = 0;
  for (double sum = mass; kept < equals && round_to((float)sum, d.round) <= limit; kept++) sum += one;
  unsigned end = least(0, (unsigned)d.vocab, [&](unsigned id) {  // ids below it are kept
    int below = 0;
    for (int i = threadIdx.x; i < d.vocab; i += blockDim.x) below += order_of(d.row[i]) == last && (unsigned)i < id;
    return block_sum(below, (int *)scratch) >= kept;
  });
  for (int i = threadIdx.x; i < d.vocab; i += blockDim.x) {
    unsigned order = order_of(d.row[i]);
    if (order < last || (order == last && (unsigned)i >= end)) d.row[i] = -__builtin_huge_valf();
  }
}

// Draws a token for every row: of the probabilities p after temperature, top-k (0: all) and top-p (outside (0,1): all) the
// id with the largest p/draw. draws [rows, vocab] are exponentially distributed; work [rows, vocab] is overwritten.
//
//   grid (rows), block 256
extern "C" __global__ void __launch_bounds__(256) draw_tokens(
    int *ids, float *work, const void *logits, int type, int ld, int vocab, const unsigned char *seen, int each, float penalty,
    float temperature, int top_k, float top_p, const float *draws, int round) {
  __shared__ double scratch[32];
  __shared__ Best best_of[32];
  const unsigned char *mine = seen ? seen + (size_t)(blockIdx.x / each) * vocab : nullptr;
  Distribution d = {work + (size_t)blockIdx.x * vocab, vocab, round, 0.f, 0.f};
  for (int i = threadIdx.x; i < vocab; i += blockDim.x) {
    float v = weakened(load(logits, type, (size_t)blockIdx.x * ld + i), mine && mine[i], penalty, round);
    if (temperature != 1.f) v = round_to(v / temperature, round);
    d.row[i] = v + 0.f;  // no -0
  }
  if (top_k > 0 && top_k < vocab) keep_top_k(d, top_k, scratch);
  if (top_p > 0.f && top_p < 1.f) {
    measure(&d, scratch);
    keep_top_p(d, top_p, scratch);
  }
  measure(&d, scratch);
  Best best = {-1.f, vocab};
  for (int i = threadIdx.x; i < vocab; i += blockDim.x)
    best = Better{}(best, Best{d.probability(d.row[i]) / draws[(size_t)blockIdx.x * vocab + i], i});
  best = block_reduce(best, best_of, Better{});
  if (threadIdx.x == 0) ids[blockIdx.x] = best.id;
}
KERNEL(draw_tokens);
