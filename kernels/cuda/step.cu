// step.cu - the loop over timesteps. What changes from step to step lies in device memory, so that one graph serves all.
#include "element.h"

// For each element of z [rows, cols], in fp32 and with every result rounded to `round`:
//
//   v = guidance[sample] (cond - uncond) + uncond      z -= v width[*step]
//
// the rows of sample i are those from i * each on; the last product only is rounded, z is fp32. Rows with pinned[row] != 0
// (null: none) are set to those of clean instead. v is written to `velocity` where that is not null, and *broken becomes 1,
// where that is not null, if an element of a branch is no finite number, be its row pinned or not.
//
//   grid (ceil(rows cols / 256)), block 256
extern "C" __global__ void __launch_bounds__(256) guided_step(
    float *z, float *velocity, const void *cond, const void *uncond, int v_type, int ldv, const float *guidance,
    const float *width, const int *step, int rows, int cols, int each, const int *pinned, const float *clean, int round,
    int *broken) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= rows * cols) return;
  int row = i / cols;
  size_t at = (size_t)row * ldv + i % cols;
  float c = load(cond, v_type, at), u = load(uncond, v_type, at);
  float v = round_to(round_to(guidance[row / each] * round_to(c - u, round), round) + u, round);
  if (velocity) velocity[i] = v;
  if (broken && (not_finite(c) || not_finite(u))) atomicMax(broken, 1);
  z[i] = pinned && pinned[row] ? clean[i] : z[i] - round_to(v * width[*step], round);
}
KERNEL(guided_step);

// Sets the pinned rows of z to their clean values.
//
//   grid (ceil(rows cols / 256)), block 256
extern "C" __global__ void __launch_bounds__(256) pin_rows(float *z, const int *pinned, const float *clean, int rows, int cols) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < rows * cols && pinned[i / cols]) z[i] = clean[i];
}
KERNEL(pin_rows);

// The line of the table of modulations for every row of a pass: line_of_step[*step], clean_line for pinned rows; the
// branches have `each` rows in all, one behind the other.
//
//   grid (ceil(rows / 256)), block 256
extern "C" __global__ void __launch_bounds__(256) timestep_lines(
    int *line, const int *line_of_step, const int *step, const int *pinned, int clean_line, int rows, int each) {
  int row = blockIdx.x * blockDim.x + threadIdx.x;
  if (row < rows) line[row] = pinned && pinned[row % each] ? clean_line : line_of_step[*step];
}
KERNEL(timestep_lines);

// ++*step, after everything that reads it.
//
//   grid 1, block 1
extern "C" __global__ void __launch_bounds__(32) next_step(int *step) {
  if (threadIdx.x == 0) ++*step;
}
KERNEL(next_step);
