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
//   - Both branches of a step run in one pass, unless a tap looks on.
//
// # A block on the device
//
// Where no tap looks on the engine runs the loop of a block itself
// (generate.BlockEngine), with the bits of the loop on the host:
//
//   - Latents, the step, and what its rows read lie in device memory. One graph holds a
//     step: both branches, guidance, the Euler step, pinned rows. All steps of all blocks
//     of a batch replay it.
//   - Small batches commit a block in the pass of the next one's first step (another
//     graph): rows of the finished block at t = 0, then both branches. In every layer
//     all keys and values are written before attention reads any. Larger ones, which
//     gain nothing from it, have a pass for it (a third graph). The last block is not
//     committed.
//   - The decoder is a graph, too; greedy tokens are chosen on the device, and drawn ones
//     on the host, from downloaded logits.
//
// So the host waits once for a block, for its tokens, and launches a graph for a step and
// one for the decoder. A pass of a shape that is new is launched kernel by kernel, and
// recorded when it comes again.
//
// A row of a result depends on the row's own operands alone, so a sample's tokens do
// not depend on the batch that it is in.
package engine
