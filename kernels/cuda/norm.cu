// norm.cu - LayerNorm with what follows it, and the quantisation of rows.
#include "arithmetic.h"
#include "quantise.h"
#include "reduce.h"

// y = (x - mean)/sqrt(variance + eps) gamma + beta, over runs of `width` elements: run blockIdx.y of row blockIdx.x.
// Then, where there is a modulation, y (1 + scale) + shift, with line[row] of a table of lines that hold shift, then
// scale; 1 + scale is rounded to the table's type. Then, where there is an addend, y + addend. The rest is fp32.
//
// y_type kI8: the row is rounded to `round`, then to codes with one scale, y_scale[row]; codes from width to ldy are 0.
// Null: gamma and beta (1 and 0), modulation, line (row r reads line r), addend.
//
//   grid (rows, runs), block 256, dynamic shared memory: width floats
extern "C" __global__ void __launch_bounds__(256) layernorm(
    void *y, int y_type, int ldy, float *y_scale, const void *x, int x_type, int ldx, int width, float eps,
    const float *gamma, const float *beta, const void *modulation, int modulation_type, int ld_modulation, const int *line,
    const void *addend, int addend_type, int ld_addend, int round) {
  DYNAMIC_SHARED(float, row);
  __shared__ float scratch[32];
  int r = blockIdx.x, tid = threadIdx.x, step = blockDim.x;
  size_t offset = (size_t)blockIdx.y * width;
  float sum = 0.f;
  for (int i = tid; i < width; i += step) {
    float v = load(x, x_type, (size_t)r * ldx + offset + i);
    row[i] = v;
    sum += v;
  }
  float mean = block_sum(sum, scratch) / width;
  float squares = 0.f;
  for (int i = tid; i < width; i += step) {
    float d = row[i] - mean;
    squares = fmaf(d, d, squares);
  }
  float rstd = 1.f / sqrtf(block_sum(squares, scratch) / width + eps);

  size_t lines = modulation ? (size_t)(line ? line[r] : r) * ld_modulation : 0;
  for (int i = tid; i < width; i += step) {
    float v = (row[i] - mean) * rstd;
    if (gamma) v = v * gamma[i] + beta[i];
    if (modulation) {
      float scale = round_to(1.f + load(modulation, modulation_type, lines + width + i), modulation_type);
      v = v * scale + load(modulation, modulation_type, lines + i);
    }
    if (addend) v += load(addend, addend_type, (size_t)r * ld_addend + offset + i);
    if (y_type == kI8) row[i] = round_to(v, round);
    else store(y, y_type, (size_t)r * ldy + offset + i, v);
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
  for (int i = threadIdx.x; i < cols; i += blockDim.x) row[i] = round_to(load(x, x_type, (size_t)r * ldx + i), round);
  quantise_row((signed char *)q + (size_t)r * ldq, ldq, scale + r, row, cols, scratch);
}
KERNEL(quantise_rows);
