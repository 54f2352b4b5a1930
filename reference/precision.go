package reference

import (
	"colakit/formats/dtype"
)

// The exact contract rounds nothing beyond T itself. The released contract is
// CUDA's bfloat16 autocast over float32 weights, which three rules reproduce:
//
//  1. products (Linear, Conv1d, q·Kᵀ, weights·V) cast their operands, weights
//     and biases included, to bfloat16, accumulate in float32 and give bfloat16;
//  2. LayerNorm and softmax compute in float32 and give float32;
//  3. any other operation gives the wider of its operands' types, and rounds once.
//
// Rotations and the sinusoid are float32 wherever the model says so itself. The
// operations below apply the rules; under the exact contract, where no value is
// ever bfloat16, they do nothing.

// narrow returns v as a product's operand.
func (p *pass[T]) narrow(v value[T]) value[T] {
	if !p.released || v.bf16 {
		return v
	}
	out := value[T]{newMatrix[T](v.rows(), v.cols()), true}
	copy(out.data(), v.data())
	p.round(out)
	return out
}

// product marks m as the result of a product, and rounds it.
func (p *pass[T]) product(m *matrix[T]) value[T] {
	return p.round(value[T]{m, p.released})
}

// hold returns v, rounded in place to bfloat16 if asked to.
func (p *pass[T]) hold(v value[T], bf16 bool) value[T] {
	v.bf16 = bf16
	return p.round(v)
}

// round rounds v in place to the type that it is held in.
func (p *pass[T]) round(v value[T]) value[T] {
	if v.bf16 {
		data := v.data()
		spread(p.workers, len(data), 2, func(from, to int) { roundBF16(data[from:to]) })
	}
	return v
}

// roundBF16 rounds float32 values to the nearest bfloat16, ties to even.
func roundBF16[T number](values []T) {
	for i, x := range values {
		values[i] = T(dtype.RoundBF16(float32(x)))
	}
}

// rounding returns the rounding of single elements held as bfloat16 or not.
func rounding[T number](bf16 bool) func(T) T {
	if bf16 {
		return func(x T) T { return T(dtype.RoundBF16(float32(x))) }
	}
	return func(x T) T { return x }
}
