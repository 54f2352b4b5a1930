package verify

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"colakit/formats/tensor"
	"colakit/reference/generate"
	"colakit/verify/catalog"
)

// rowSet says which rows of a value are compared.
type rowSet struct {
	axis int
	keep []int // ascending
}

// rows returns those of a site's value of the given shape that are selected; nil for
// all, and where the shape is not that of the site.
func (s *session) rows(site generate.Site, op *catalog.Op, shape tensor.Shape) *rowSet {
	sel, axis := s.options.Select, 0
	if op.Layout == catalog.ScoreRows {
		axis = 1
	}
	if len(sel.Samples) == 0 && sel.Rows.Count == 0 || len(shape) <= axis {
		return nil
	}
	var keep []int
	n := 0
	for i := range s.info.Samples {
		for range s.rowsOfSample(site, op, i) {
			if sel.Samples.Holds(i) {
				keep = append(keep, n)
			}
			n++
		}
	}
	if n != shape[axis] {
		return nil
	}
	return &rowSet{axis, sel.Rows.draw(keep)}
}

// rowsOfSample counts a sample's rows of a site's value.
func (s *session) rowsOfSample(site generate.Site, op *catalog.Op, sample int) int {
	switch op.Layout {
	case catalog.KeyRows:
		return s.keysOf(site, sample)
	case catalog.TokenRows:
		return s.latentsOf(site, sample) * s.cfg.VAE.PatchSize
	}
	return s.latentsOf(site, sample)
}

// latentsOf counts a sample's latents in a pass.
func (s *session) latentsOf(site generate.Site, sample int) int {
	switch site.Stage {
	case generate.Encode:
		return len(s.info.Samples[sample].TokenIDs) / s.cfg.VAE.PatchSize
	case generate.Prefill:
		return s.info.Samples[sample].PrefixLatents
	}
	return s.cfg.DiT.BlockSize
}

// draw returns Count of the rows, in order; all where there are no more.
func (r Rows) draw(rows []int) []int {
	if r.Count == 0 || len(rows) <= r.Count {
		return rows
	}
	random := rand.New(rand.NewPCG(r.Seed, uint64(len(rows))))
	drawn := make([]int, r.Count)
	for i, at := range random.Perm(len(rows))[:r.Count] {
		drawn[i] = rows[at]
	}
	slices.Sort(drawn)
	return drawn
}

// of returns a tensor of the rows alone.
func (r *rowSet) of(v tensor.View) (tensor.View, error) {
	if r == nil {
		return v, nil
	}
	outer, inner := 1, v.Type.Size()
	for _, n := range v.Shape[:r.axis] {
		outer *= n
	}
	for _, n := range v.Shape[r.axis+1:] {
		inner *= n
	}
	if len(v.Data) != outer*v.Shape[r.axis]*inner {
		return v, fmt.Errorf("%s: %d bytes do not hold shape %v", v.Name, len(v.Data), v.Shape)
	}
	data := make([]byte, 0, outer*len(r.keep)*inner)
	for o := range outer {
		for _, row := range r.keep {
			at := (o*v.Shape[r.axis] + row) * inner
			data = append(data, v.Data[at:at+inner]...)
		}
	}
	v.Shape, v.Data = r.shape(v.Shape), data
	return v, nil
}

// shape returns the shape of the rows alone.
func (r *rowSet) shape(whole tensor.Shape) tensor.Shape {
	if r == nil {
		return whole
	}
	part := slices.Clone(whole)
	part[r.axis] = len(r.keep)
	return part
}

// ofBoth returns the rows of two tensors.
func (r *rowSet) ofBoth(got, want tensor.View) (g, w tensor.View, err error) {
	if g, err = r.of(got); err != nil {
		return g, w, err
	}
	w, err = r.of(want)
	return g, w, err
}

// index turns a position among the rows into coordinates of the whole value.
func (r *rowSet) index(at int64, shape tensor.Shape) []int {
	coordinates := index(at, shape)
	if r != nil && coordinates != nil {
		coordinates[r.axis] = r.keep[coordinates[r.axis]]
	}
	return coordinates
}

// pick returns the rows of a list with an element for each row of a value.
func pick[T any](r *rowSet, all []T) []T {
	if r == nil {
		return all
	}
	kept := make([]T, len(r.keep))
	for i, row := range r.keep {
		kept[i] = all[row]
	}
	return kept
}

// largestOf returns the largest finite |x|.
func largestOf(v tensor.View) (float64, error) {
	values, err := v.Float64s()
	largest := 0.0
	for _, x := range values {
		if x = math.Abs(x); x-x == 0 {
			largest = max(largest, x)
		}
	}
	return largest, err
}
