package matmul

const lanes = 16

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
	for l := 0; l < lanes; l += 4 {
		dot2Lanes((*[4]T)(a[l:]), (*[4]T)(b[l:]), x[:whole], v[:whole], w[:whole], l)
	}
	for l, x := range x[whole:] {
		a[l] += T(x * v[whole+l])
		b[l] += T(x * w[whole+l])
	}
	return sum(&a), sum(&b)
}

// dot2Lanes computes the four lanes from lane on, as many as the processor adds
// at once. The conversions keep products from being fused with their addition.
func dot2Lanes[T element](a, b *[4]T, x, v, w []T, lane int) {
	var a0, a1, a2, a3, b0, b1, b2, b3 T
	for i := lane; i < len(x); i += lanes {
		x, v, w := (*[4]T)(x[i:]), (*[4]T)(v[i:]), (*[4]T)(w[i:])
		a0 += T(x[0] * v[0])
		a1 += T(x[1] * v[1])
		a2 += T(x[2] * v[2])
		a3 += T(x[3] * v[3])
		b0 += T(x[0] * w[0])
		b1 += T(x[1] * w[1])
		b2 += T(x[2] * w[2])
		b3 += T(x[3] * w[3])
	}
	*a, *b = [4]T{a0, a1, a2, a3}, [4]T{b0, b1, b2, b3}
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
