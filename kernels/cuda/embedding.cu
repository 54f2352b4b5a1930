// embedding.cu - from tokens and timesteps to vectors, and from latents back to tokens.
#include "arithmetic.h"

// The patches that the convolution reads, [rows, d p]: y[r, i p + s] = table[ids[r p + s], i]. Ids are in range.
//
//   grid (ceil(d p / 256), rows), block 256
extern "C" __global__ void __launch_bounds__(256) embed_patches(
    void *y, int y_type, int ldy, const int *ids, const void *table, int table_type, int d, int patch) {
  int at = blockIdx.x * blockDim.x + threadIdx.x, row = blockIdx.y;
  if (at >= d * patch) return;
  int id = ids[row * patch + at % patch];
  store(y, y_type, (size_t)row * ldy + at, load(table, table_type, (size_t)id * d + at / patch));
}
KERNEL(embed_patches);

// Tokens of latents, [rows p, d]: y[r p + s, c] = x[r, c p + s].
//
//   grid (ceil(d / 256), rows p), block 256
extern "C" __global__ void __launch_bounds__(256) unpatch(void *y, int y_type, int ldy, const void *x, int x_type, int ldx, int d, int patch) {
  int c = blockIdx.x * blockDim.x + threadIdx.x, row = blockIdx.y;
  if (c < d) store(y, y_type, (size_t)row * ldy + c, load(x, x_type, (size_t)(row / patch) * ldx + c * patch + row % patch));
}
KERNEL(unpatch);

// y[r] = [sin(t f), cos(t f)], [rows, 2 half], of the timestep t[r] rounded to t_round; angles are products in fp32.
//
//   grid (rows), block 128
extern "C" __global__ void __launch_bounds__(128) sinusoid(
    void *y, int y_type, int ldy, const float *t, int t_round, const float *frequency, int half) {
  float at = round_to(t[blockIdx.x], t_round), sine, cosine;
  for (int i = threadIdx.x; i < half; i += blockDim.x) {
    sine_cosine((double)(at * frequency[i]), &sine, &cosine);
    store(y, y_type, (size_t)blockIdx.x * ldy + i, sine);
    store(y, y_type, (size_t)blockIdx.x * ldy + half + i, cosine);
  }
}
KERNEL(sinusoid);

// y = (x - shift) scale, [rows, cols] of the first columns of x, both results rounded to x_type; y is fp32.
//
//   grid (ceil(rows cols / 256)), block 256
extern "C" __global__ void __launch_bounds__(256) latents(
    float *y, const void *x, int x_type, int ldx, int rows, int cols, float shift, float scale) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < rows * cols) y[i] = round_to(round_to(load(x, x_type, (size_t)(i / cols) * ldx + i % cols) - shift, x_type) * scale, x_type);
}
KERNEL(latents);
