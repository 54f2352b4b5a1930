// norm.cu - LayerNorm with what follows it, and the quantisation of rows.
#include "arithmetic.h"
#include "quantise.h"
#include "reduce.h"

// Copies elements from `from` on to shared memory, for all threads to read.
DEVICE_FN void load_row(float *row, const void *x, int type, size_t from, int width, bool words) {
  float v[kRun];
  for (int i = threadIdx.x * kRun; i < width; i += blockDim.x * kRun) {
    load_run(v, x, type, from + i, width - i, words);
    store_run(v, row, kF32, i, width - i, true);
  }
  __syncthreads();
}

// y = (x - mean)/sqrt(variance + eps) gamma + beta, over runs of `width` elements: run blockIdx.y of row blockIdx.x.
// Then, where there is a modulation, y (1 + scale) + shift, with line[row] of a table of lines that hold shift, then
// scale; 1 + scale is rounded to the table's type. Then, where there is an addend, y + addend. The rest is fp32.
//
// y_type kI8: the row is rounded to `round`, then to codes with one scale, y_scale[row]; codes from width to ldy are 0.
// Null: gamma and beta (1 and 0), modulation, line (row r reads line r), addend.
//
//   grid (rows, runs), block 256, dynamic shared memory: width floats
extern "C" __global__ void __launch_bounds__(256, 4) layernorm(
    void *y, int y_type, int ldy, float *y_scale, const void *x, int x_type, int ldx, int width, float eps,
    const float *gamma, const float *beta, const void *modulation, int modulation_type, int ld_modulation, const int *line,
    const void *addend, int addend_type, int ld_addend, int round) {
  DYNAMIC_SHARED(float, row);
  __shared__ float scratch[32];
  int r = blockIdx.x, tid = threadIdx.x, step = blockDim.x;
  size_t offset = (size_t)blockIdx.y * width;
  float sum = 0.f;
  float v[kRun];
  load_row(row, x, x_type, (size_t)r * ldx + offset, width, in_words(x, x_type, ldx) && in_words(x, x_type, width));
  for (int i = tid; i < width; i += step) sum += row[i];
  float mean = block_sum(sum, scratch) / width;
  float squares = 0.f;
  for (int i = tid; i < width; i += step) {
    float d = row[i] - mean;
    squares = fmaf(d, d, squares);
  }
  float rstd = 1.f / sqrtf(block_sum(squares, scratch) / width + eps);

  size_t lines = modulation ? (size_t)(line ? line[r] : r) * ld_modulation : 0;
  bool affine = in_words(gamma, kF32, 0) && in_words(beta, kF32, 0);
  bool modulated = in_words(modulation, modulation_type, ld_modulation) && in_words(modulation, modulation_type, width);
  bool added = in_words(addend, addend_type, ld_addend) && in_words(addend, addend_type, width);
  bool stored = y_type != kI8 && in_words(y, y_type, ldy) && in_words(y, y_type, width);
  ROLLED
  for (int i = tid * kRun; i < width; i += step * kRun) {
    int n = width - i;
    float factor[kRun], term[kRun];
    load_run(v, row, kF32, i, n, true);
    UNROLL
    for (int k = 0; k < kRun; k++) v[k] = (v[k] - mean) * rstd;
    if (gamma) {
      load_run(factor, gamma, kF32, i, n, affine);
      load_run(term, beta, kF32, i, n, affine);
      UNROLL
      for (int k = 0; k < kRun; k++) v[k] = v[k] * factor[k] + term[k];
    }
    if (modulation) {
      load_run(factor, modulation, modulation_type, lines + width + i, n, modulated);
      load_run(term, modulation, modulation_type, lines + i, n, modulated);
      UNROLL
      for (int k = 0; k < kRun; k++) v[k] = v[k] * round_to(1.f + factor[k], modulation_type) + term[k];
    }
    if (addend) {
      load_run(term, addend, addend_type, (size_t)r * ld_addend + offset + i, n, added);
      UNROLL
      for (int k = 0; k < kRun; k++) v[k] += term[k];
    }
    if (y_type != kI8) {
      store_run(v, y, y_type, (size_t)r * ldy + offset + i, n, stored);
      continue;
    }
    UNROLL
    for (int k = 0; k < kRun; k++) v[k] = round_to(v[k], round);
    store_run(v, row, kF32, i, n, true);
  }
  if (y_type == kI8) quantise_row((signed char *)y + (size_t)r * ldy, ldy, y_scale + r, row, width, (unsigned *)scratch);
}
KERNEL(layernorm);

// Codes and a scale for each row of x, rounded to `round` before; codes from cols to ldq are 0.
//
//   grid (rows), block 256, dynamic shared memory: cols floats
extern "C" __global__ void __launch_bounds__(256) quantise_rows(
    void *q, int ldq, float *scale, const void *x, int x_type, int ldx, int cols, int round) {
  DYNAMIC_SHARED(float, row);
  __shared__ unsigned scratch[32];
  int r = blockIdx.x;
  load_row(row, x, x_type, (size_t)r * ldx, cols, in_words(x, x_type, ldx));
  for (int i = threadIdx.x; i < cols; i += blockDim.x) row[i] = round_to(row[i], round);
  quantise_row((signed char *)q + (size_t)r * ldq, ldq, scale + r, row, cols, scratch);
}
KERNEL(quantise_rows);
