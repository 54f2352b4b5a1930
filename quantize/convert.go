package quantize

import (
	"fmt"

	"colakit/formats/dtype"
)

// blockElements is the number of elements converted and measured at a time: few
// enough that source, result and the values in between stay in the first cache.
const blockElements = 1024

// Convert stores the elements of src, of the float type from, into dst as the
// scheme says, and returns the tally of the tile. The tile's first element is
// number first of its tensor. An error means lengths or types that do not fit;
// elements that can't be stored are in the tally.
func Convert(dst []byte, s Scheme, src []byte, from dtype.Type, first int64) (Tally, error) {
	n := len(dst) / s.Type.Size()
	if !from.Float() || n*s.Type.Size() != len(dst) || n*from.Size() != len(src) {
		return Tally{}, fmt.Errorf("%d bytes of %v are not stored in %d bytes of %v", len(src), from, len(dst), s)
	}
	c := conversion{dst: dst, src: src, to: s.Type, from: from, tally: newTally(s)}
	for at := 0; at < n; at += blockElements {
		k := min(blockElements, n-at)
		if err := c.block(at, at+k, first); err != nil {
			return Tally{}, err
		}
	}
	return c.tally, nil
}

// conversion is that of one tile.
type conversion struct {
	dst, src []byte
	to, from dtype.Type
	tally    Tally
}

// block converts elements i…j−1 of the tile.
func (c *conversion) block(i, j int, first int64) error {
	dst := c.dst[i*c.to.Size() : j*c.to.Size()]
	src := c.src[i*c.from.Size() : j*c.from.Size()]
	if c.from == dtype.F64 {
		return c.float64s(dst, src, first+int64(i))
	}
	return c.float32s(dst, src, first+int64(i))
}

// float32s converts from the types that float32 holds exactly.
func (c *conversion) float32s(dst, src []byte, first int64) error {
	var source, decoded [blockElements]float32
	x := source[:len(src)/c.from.Size()]
	if err := dtype.Float32s(x, src, c.from); err != nil {
		return err
	}
	if err := dtype.FromFloat32s(dst, x, c.to); err != nil {
		return err
	}
	y := x // as stored
	if c.to != dtype.F32 {
		y = decoded[:len(x)]
		if err := dtype.Float32s(y, dst, c.to); err != nil {
			return err
		}
	}
	measure(&c.tally, x, y, first)
	return nil
}

func (c *conversion) float64s(dst, src []byte, first int64) error {
	var source, decoded [blockElements]float64
	x, y := source[:len(src)/c.from.Size()], decoded[:len(src)/c.from.Size()]
	if err := dtype.Float64s(x, src, c.from); err != nil {
		return err
	}
	if err := dtype.FromFloat64s(dst, x, c.to); err != nil {
		return err
	}
	if err := dtype.Float64s(y, dst, c.to); err != nil {
		return err
	}
	measure(&c.tally, x, y, first)
	return nil
}
