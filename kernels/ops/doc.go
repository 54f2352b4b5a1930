// Package ops launches the kernels of package cuda: one function for an operation,
// which checks types, shapes and the bounds of every operand before it launches
// anything. The engine calls it, and the kernels' tests do.
//
// # Operands
//
// A Matrix is rows of elements in a device buffer, Stride elements apart; a Vector
// is a run of them. Where a shape is given as [rows, cols], other shapes are errors
// that wrap device.ErrArgument. Operations on no rows do nothing.
//
// # Rounding
//
// Everything is computed in fp32 and rounded where a result is stored, to the type
// of the destination. The released contract rounds in more places: there the types
// of the operands say so, as PyTorch's do (the result of two types is the wider
// one), and Round fields do. With Round F32 nothing is rounded between.
//
// # Determinism
//
// A row of a result depends on the row's own operands alone, not on the rows beside
// it, their number or the device: every sum has an order that follows from the
// widths of its operands.
//
// # Operations
//
// Beside each operation stand its kernel and what it is in package reference:
//
//	Linear                    gemm_*           Linear.forward and what follows it: bias, clamp, activation, gated, add
//	LayerNorm                 layernorm        LayerNorm.forward, modulate, add; quantised for codedWeights
//	Quantise                  quantise_rows    int8.QuantizeTokens
//	Heads, RotaryTable        heads, …         NormQ, NormK, DiTRope, VAERope, cache.extend
//	Attention                 attention_*      attend; AttentionTiles stands for layout.groups
//	Activate, SwiGLU          activation, …    geluTanh, gelu, silu, swiglu
//	GateResidual, Convert     gate_residual, … gated and add; narrow
//	EmbedPatches, Unpatch     embed_patches, … embedding.rows and Encoder.patches; Decoder.tokens
//	Sinusoid, Latents         sinusoid, …      sinusoid; Encoder.latents
//	GuidedStep, Pin           guided_step, …   generate.Guide, generate.EulerStep; run.pin
//	TimestepLines, NextStep   timestep_lines, … conditioner.condition; nothing
//	Argmax, Draw, MarkSeen    argmax_tokens, … generate.Sample
//
// Keys are cached rotated and rounded to the cache's type: rows keep their positions,
// so what attention reads is what rotating them anew in every pass would give.
package ops
