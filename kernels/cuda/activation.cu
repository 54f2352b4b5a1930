// activation.cu - activations by themselves, for runs in which somebody looks at their inputs; else they are epilogues.
#include "arithmetic.h"

// y = f(x), rounded to y_type; x and y [rows, cols].
//
//   grid (ceil(cols / 256), rows), block 256
extern "C" __global__ void __launch_bounds__(256) activation(
    void *y, int y_type, int ldy, const void *x, int x_type, int ldx, int cols, int function) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < cols) store(y, y_type, (size_t)blockIdx.y * ldy + i, activate(load(x, x_type, (size_t)blockIdx.y * ldx + i), function));
}
KERNEL(activation);

// y = a silu(g) for x = [a | g], [rows, 2 cols]; silu(g) is rounded to x_type.
//
//   grid (ceil(cols / 256), rows), block 256
extern "C" __global__ void __launch_bounds__(256) swiglu(void *y, int y_type, int ldy, const void *x, int x_type, int ldx, int cols) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= cols) return;
  size_t row = (size_t)blockIdx.y * ldx;
  store(y, y_type, (size_t)blockIdx.y * ldy + i, load(x, x_type, row + i) * round_to(silu_of(load(x, x_type, row + cols + i)), x_type));
}
KERNEL(swiglu);
