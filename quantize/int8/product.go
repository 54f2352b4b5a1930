package int8

import "fmt"

// maxTerms is the number of products that an int32 holds, those of −128 included.
const maxTerms = (1<<31 - 1) / (128 * 128)

// MulTransposed computes dst = x·wᵀ exactly, dst[r·n+j] = Σᵢ x[r·k+i]·w[j·k+i], for
// codes x of shape [rows, k] and w of shape [n, k], and dst of shape [rows, n],
// all row-major. Times the scales of the rows of both, that is the product of a
// linear layer with 8-bit weights and activations. It is an error if the lengths
// do not fit or k is beyond 131071, where sums could overflow.
func MulTransposed(dst []int32, x, w []int8, rows, n, k int) error {
	if k > maxTerms || !possible(rows, n) || !possible(rows, k) || !possible(n, k) {
		return fmt.Errorf("a product of shapes [%d, %d] and [%d, %d] is not possible; rows have at most %d elements", rows, k, n, k, maxTerms)
	}
	if len(dst) != rows*n || len(x) != rows*k || len(w) != n*k {
		return fmt.Errorf("%d sums of %d by %d codes; a product of shapes [%d, %d] and [%d, %d] has %d of %d by %d",
			len(dst), len(x), len(w), rows, k, n, k, rows*n, rows*k, n*k)
	}
	for j := range n {
		w := w[j*k : (j+1)*k]
		r := 0
		for ; r+4 <= rows; r += 4 {
			x := x[r*k : (r+4)*k]
			dst[r*n+j], dst[(r+1)*n+j], dst[(r+2)*n+j], dst[(r+3)*n+j] = dot4(x[:k], x[k:2*k], x[2*k:3*k], x[3*k:], w)
		}
		for ; r < rows; r++ {
			dst[r*n+j] = dot(x[r*k:(r+1)*k], w)
		}
	}
	return nil
}

// dot4 multiplies four rows with one, whose elements are widened once.
func dot4(x0, x1, x2, x3, w []int8) (s0, s1, s2, s3 int32) {
	x0, x1, x2, x3 = x0[:len(w)], x1[:len(w)], x2[:len(w)], x3[:len(w)]
	for i, v := range w {
		v := int32(v)
		s0 += int32(x0[i]) * v
		s1 += int32(x1[i]) * v
		s2 += int32(x2[i]) * v
		s3 += int32(x3[i]) * v
	}
	return s0, s1, s2, s3
}

func dot(x, w []int8) (sum int32) {
	x = x[:len(w)]
	for i, v := range w {
		sum += int32(x[i]) * int32(v)
	}
	return sum
}
