package quantize

import (
	"fmt"

	"colakit/formats/dtype"
	"colakit/formats/tensor"
)

// Cast is what happens to a tensor's elements.
type Cast struct {
	From dtype.Type // in the source
	// Load is the type to which the model's own loader rounds them, whatever is
	// computed in afterwards; Invalid where it does not.
	Load dtype.Type
	To   Scheme
	// Clamp stores ±Largest for finite elements beyond it. The Tally counts them
	// as overflow all the same, and their errors are in the figures. What becomes
	// codes is not clamped.
	Clamp bool
}

// Largest returns the largest finite magnitude that survives the cast.
func (c Cast) Largest() float64 {
	limit := c.To.largest()
	if c.Load != dtype.Invalid {
		limit = min(limit, largest(c.Load))
	}
	return limit
}

// blockElements is the number of elements converted and measured at a time: few
// enough that source, result and the values in between stay in the first cache.
const blockElements = 1024

// Convert casts the elements of src into dst and adds what it saw to the tally of
// their tile, whose elements come in order, in one call or in several. The first
// element is number first of its tensor. An error means lengths or types that do
// not fit; elements that can't be stored are in the tally.
func Convert(dst, src []byte, c Cast, first int64, t *Tally) error {
	if c.To.Quantized() {
		return fmt.Errorf("%v has scales: convert whole rows, as a Tile", c.To)
	}
	n := len(dst) / c.To.Type.Size()
	if !c.From.Float() || n*c.To.Type.Size() != len(dst) || n*c.From.Size() != len(src) {
		return fmt.Errorf("%d bytes of %v are not stored in %d bytes of %v", len(src), c.From, len(dst), c.To)
	}
	run := conversion{Cast: c, dst: dst, src: src, tally: t, limit: c.Largest()}
	if c.From == dtype.F32 {
		v := tensor.View{Desc: tensor.Desc{Type: c.From, Shape: tensor.Shape{n}}, Data: src}
		var err error
		if run.floats, err = v.Float32s(); err != nil {
			return err
		}
	}
	for at := 0; at < n; at += blockElements {
		if err := run.block(at, min(at+blockElements, n), first); err != nil {
			return err
		}
	}
	return nil
}

// conversion is that of one call.
type conversion struct {
	Cast
	dst, src []byte
	floats   []float32 // src itself, if it is F32
	tally    *Tally
	limit    float64 // the largest magnitude that can be stored

	clamped, loaded, decoded [blockElements]float32 // values of a block on the way
}

// block converts elements i…j−1 of the call.
func (c *conversion) block(i, j int, first int64) error {
	dst := c.dst[i*c.To.Type.Size() : j*c.To.Type.Size()]
	src := c.src[i*c.From.Size() : j*c.From.Size()]
	switch c.From {
	case dtype.F32:
		return c.float32s(dst, c.floats[i:j], first+int64(i))
	case dtype.F64:
		return c.float64s(dst, src, first+int64(i))
	}
	var source [blockElements]float32
	x := source[:j-i]
	if err := dtype.Float32s(x, src, c.From); err != nil {
		return err
	}
	return c.float32s(dst, x, first+int64(i))
}

// float32s converts from the types that float32 holds exactly.
func (c *conversion) float32s(dst []byte, x []float32, first int64) error {
	z := x // as loaded
	if c.Clamp {
		z = c.clamped[:len(x)]
		clamp(z, x, float32(c.limit))
	}
	if c.Load == dtype.F16 || c.Load == dtype.BF16 {
		round(c.loaded[:len(x)], z, c.Load)
		z = c.loaded[:len(x)]
	}
	if err := dtype.FromFloat32s(dst, z, c.To.Type); err != nil {
		return err
	}
	y := z // as stored
	if c.To.Type != dtype.F32 {
		y = c.decoded[:len(x)]
		if err := dtype.Float32s(y, dst, c.To.Type); err != nil {
			return err
		}
	}
	measure32(c.tally, x, y, first, c.limit)
	return nil
}

func (c *conversion) float64s(dst, src []byte, first int64) error {
	var source, clamped, loaded, decoded [blockElements]float64
	x, y := source[:len(src)/c.From.Size()], decoded[:len(src)/c.From.Size()]
	if err := dtype.Float64s(x, src, dtype.F64); err != nil {
		return err
	}
	z := x
	if c.Clamp {
		z = clamped[:len(x)]
		clamp(z, x, c.limit)
	}
	if c.Load != dtype.Invalid && c.Load != dtype.F64 {
		round64(loaded[:len(x)], z, c.Load)
		z = loaded[:len(x)]
	}
	if err := dtype.FromFloat64s(dst, z, c.To.Type); err != nil {
		return err
	}
	if err := dtype.Float64s(y, dst, c.To.Type); err != nil {
		return err
	}
	measure(c.tally, x, y, first, c.limit)
	return nil
}

// clamp sets z to x, with ±limit for what is beyond; NaN stays NaN.
func clamp[T float32 | float64](z, x []T, limit T) {
	for i, v := range x {
		switch {
		case v > limit:
			v = limit
		case v < -limit:
			v = -limit
		}
		z[i] = v
	}
}

// round sets z to x rounded to F16 or BF16; at most a block of them.
func round(z, x []float32, to dtype.Type) {
	var codes [2 * blockElements]byte
	narrow := codes[:2*len(x)]
	_ = dtype.FromFloat32s(narrow, x, to) // the sizes fit
	_ = dtype.Float32s(z, narrow, to)
}

// round64 sets z to x rounded once to a narrower type.
func round64(z, x []float64, to dtype.Type) {
	var codes [4 * blockElements]byte
	narrow := codes[:len(x)*to.Size()]
	_ = dtype.FromFloat64s(narrow, x, to) // the sizes fit
	_ = dtype.Float64s(z, narrow, to)
}
