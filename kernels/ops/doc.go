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
package ops
