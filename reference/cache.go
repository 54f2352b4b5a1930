package reference

// cache keeps the keys and values of one attention layer for every sample of the
// batch, one row per position. The prior's keys are normalised and not rotated,
// the VAE's neither.
type cache[T number] struct {
	samples []cached[T]
}

type cached[T number] struct {
	k, v []T
}

// reset makes the cache one of n empty samples.
func (c *cache[T]) reset(n int) { c.samples = make([]cached[T], n) }

// extend returns all keys and all values that the pass sees, [Lk, width], given
// those of its rows; a pass that keeps its rows appends them to the cache.
func (c *cache[T]) extend(p *pass[T], k, v value[T]) (fullK, fullV value[T]) {
	width := k.cols()
	fullK = value[T]{newMatrix[T](p.layout.keys, width), k.bf16}
	fullV = value[T]{newMatrix[T](p.layout.keys, width), v.bf16}
	for _, s := range p.layout.spans {
		newK := k.data()[s.first*width : (s.first+s.queries)*width]
		newV := v.data()[s.first*width : (s.first+s.queries)*width]
		at, n := s.firstKey*width, s.cached*width
		if n > 0 {
			copy(fullK.data()[at:], c.samples[s.sample].k[:n])
			copy(fullV.data()[at:], c.samples[s.sample].v[:n])
		}
		copy(fullK.data()[at+n:], newK)
		copy(fullV.data()[at+n:], newV)
		if p.keep {
			entry := &c.samples[s.sample]
			entry.k = append(entry.k, newK...)
			entry.v = append(entry.v, newV...)
		}
	}
	return fullK, fullV
}

// truncate cuts every sample back to its number of rows, each of the given width.
func (c *cache[T]) truncate(rows []int, width int) {
	for i, n := range rows {
		e := &c.samples[i]
		n *= width
		e.k, e.v = e.k[:min(n, len(e.k))], e.v[:min(n, len(e.v))]
	}
}
