package matmul

// portable is the kernel in plain Go.
func portable[T element](s *step[T]) {
	if s.first {
		clear(s.lanes[:])
	}
	for r := range s.rows {
		for c := 0; c < tileCols; c += 2 {
			i := r*tileCols + c
			addProducts(&s.lanes[i], &s.lanes[i+1], s.x[r], s.w[c], s.w[c+1])
		}
	}
	if !s.last {
		return
	}
	for i := range s.sums {
		s.sums[i] = sum(&s.lanes[i])
	}
}

// addProducts adds x·v to the lanes a and x·w to the lanes b.
func addProducts[T element](a, b *[lanes]T, x, v, w []T) {
	whole := len(x) / lanes * lanes
	for l := 0; l < lanes; l += 4 {
		addLanes((*[4]T)(a[l:]), (*[4]T)(b[l:]), x[:whole], v[:whole], w[:whole], l)
	}
	for l, x := range x[whole:] {
		a[l] += T(x * v[whole+l])
		b[l] += T(x * w[whole+l])
	}
}

// addLanes does it for the four lanes from lane on, as many as the processor
// adds at once. The conversions keep products from being fused with their
// addition.
func addLanes[T element](a, b *[4]T, x, v, w []T, lane int) {
	a0, a1, a2, a3 := a[0], a[1], a[2], a[3]
	b0, b1, b2, b3 := b[0], b[1], b[2], b[3]
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
