// elementwise.cu - what remains between the operations.
#include "element.h"

// y = x in another type, [rows, cols]; columns from cols to the row's end ldy are set to 0 if `clear`.
//
//   grid (ceil(ldy / 256), rows), block 256
extern "C" __global__ void __launch_bounds__(256) convert(
    void *y, int y_type, int ldy, const void *x, int x_type, int ldx, int cols, int clear) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < cols) store(y, y_type, (size_t)blockIdx.y * ldy + i, load(x, x_type, (size_t)blockIdx.y * ldx + i));
  else if (clear && i < ldy) store(y, y_type, (size_t)blockIdx.y * ldy + i, 0.f);
}
KERNEL(convert);

// y = x gate + residual, [rows, cols]: the product is rounded to the wider of x's type and the gate's, the sum to the
// wider of that and the residual's. gate: line[row] of a table, null line: line row; null gate: 1.
//
//   grid (ceil(cols / 256), rows), block 256
extern "C" __global__ void __launch_bounds__(256) gate_residual(
    void *y, int y_type, int ldy, const void *x, int x_type, int ldx, const void *gate, int gate_type, int ld_gate,
    const int *line, const void *residual, int residual_type, int ld_residual, int cols) {
  int i = blockIdx.x * blockDim.x + threadIdx.x, row = blockIdx.y, type = x_type;
  if (i >= cols) return;
  float v = load(x, x_type, (size_t)row * ldx + i);
  if (gate) {
    type = wider(type, gate_type);
    v = round_to(v * load(gate, gate_type, (size_t)(line ? line[row] : row) * ld_gate + i), type);
  }
  v = round_to(v + load(residual, residual_type, (size_t)row * ld_residual + i), wider(type, residual_type));
  store(y, y_type, (size_t)row * ldy + i, v);
}
KERNEL(gate_residual);
