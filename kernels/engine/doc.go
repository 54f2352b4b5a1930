// Package engine computes Cola DLM with the kernels of package cuda, on any device.
//
// It does what package reference does, with the same names in the same order, one
// file for a part of the model; the two are meant to be read side by side. What
// differs:
//
//   - Operands of products have 16 bits: bfloat16 under the released contract, which
//     also rounds every result that PyTorch's autocast does; float16 under the exact
//     one, where results and the residual stream stay float32.
//   - Kernels fuse: LayerNorm with its modulation, a linear layer with its bias,
//     activation, gate and residual. Where a tap looks on, what can be computed in two
//     launches is, with the same bits; Shows tells what cannot.
//   - Keys are cached as they are read: normalised and rotated.
//   - Both branches of a step run in one pass, unless a tap looks on; the launches of a
//     step are recorded once for each of its shapes and replayed.
//
// A row of a result depends on the row's own operands alone, so a sample's tokens do
// not depend on the batch that it is in.
package engine
