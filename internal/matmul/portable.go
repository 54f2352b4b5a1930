package matmul

const lanes = 16

func choose[T element]() kernel[T] { return portable[T] }

// portable is the kernel in plain Go.
func portable[T element](out *tile[T], x *[tileRows][]T, w *[tileCols][]T, rows int) {
	for r := range rows {
		for c := 0; c < tileCols; c += 2 {
			out[r*tileCols+c], out[r*tileCols+c+1] = dot2(x[r], w[c], w[c+1])
		}
	}
}

// dot2 returns x·v and x·w.
func dot2[T element](x, v, w []T) (T, T) {
	var a, b [lanes]T
	whole := len(x) / lanes * lanes
	if whole > 0 {
		for l := 0; l < lanes; l += 4 {
			dot2Lanes(a[l:l+4], b[l:l+4], x[l:whole], v[l:whole], w[l:whole])
		}
	}
	for l, x := range x[whole:] {
		a[l] += T(x * v[whole+l])
		b[l] += T(x * w[whole+l])
	}
	return sum(&a), sum(&b)
}

// dot2Lanes computes four lanes of both dot products. The slices begin at the
// first of these lanes; their elements 16 apart belong to the same lane.
// The conversions keep the compiler from fusing a product with its addition.
func dot2Lanes[T element](a, b []T, x, v, w []T) {
	var a0, a1, a2, a3, b0, b1, b2, b3 T
	for {
		x0, x1, x2, x3 := x[0], x[1], x[2], x[3]
		a0 += T(x0 * v[0])
		a1 += T(x1 * v[1])
		a2 += T(x2 * v[2])
		a3 += T(x3 * v[3])
		b0 += T(x0 * w[0])
		b1 += T(x1 * w[1])
		b2 += T(x2 * w[2])
		b3 += T(x3 * w[3])
		if len(x) < lanes {
			break
		}
		x, v, w = x[lanes:], v[lanes:], w[lanes:]
		if len(x) < 4 {
			break
		}
	}
	a[0], a[1], a[2], a[3] = a0, a1, a2, a3
	b[0], b[1], b[2], b[3] = b0, b1, b2, b3
}

// sum adds the lanes by halves.
func sum[T element](v *[lanes]T) T {
	for half := lanes / 2; half > 0; half /= 2 {
		for l := range half {
			v[l] += v[l+half]
		}
	}
	return v[0]
}
