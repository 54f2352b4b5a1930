package quantize

import (
	"fmt"

	"colakit/formats/dtype"
	"colakit/formats/tensor"
)

// Tile is a run of a tensor's elements that are converted together, while the
// source comes piece by piece. Of a tensor that becomes codes and scales it is
// whole rows.
type Tile struct {
	cast  Cast
	first int64  // number of the first element
	data  []byte // that is not written yet
	rows  *rowEncoder
	tally Tally
}

// NewTile prepares the conversion of as many elements as data has room for, of a
// tensor of that shape, from element number first on. Scales has room for those of
// the tile's rows, [rows, groups of a row], and is nil for float schemes.
func NewTile(data, scales []byte, c Cast, shape tensor.Shape, first int64) (*Tile, error) {
	t := &Tile{cast: c, first: first, data: data}
	if !c.To.Quantized() {
		if len(scales) > 0 || len(data)%c.To.Type.Size() != 0 {
			return nil, fmt.Errorf("a tile of %d bytes of %v and %d of scales is not possible", len(data), c.To, len(scales))
		}
		return t, nil
	}
	if err := c.To.Fits(shape); err != nil {
		return nil, err
	}
	if c.Clamp {
		return nil, fmt.Errorf("elements that become %v are not clamped", c.To)
	}
	var err error
	t.rows, err = newRowEncoder(data, scales, c, shape[1], first)
	return t, err
}

// Write converts the elements that follow, whole ones of the source's type. An
// error means bytes that do not fit; elements that can't be stored are in the
// tally.
func (t *Tile) Write(src []byte) error {
	size := t.cast.From.Size()
	if !t.cast.From.Float() || len(src)%size != 0 {
		return fmt.Errorf("%d bytes are no elements of type %v", len(src), t.cast.From)
	}
	n := len(src) / size * t.cast.To.Type.Size()
	if n > len(t.data) {
		return fmt.Errorf("%d bytes of %v are more than the tile has room for", len(src), t.cast.From)
	}
	var err error
	if t.rows != nil {
		err = t.rows.write(src, &t.tally)
	} else {
		err = Convert(t.data[:n], src, t.cast, t.first, &t.tally)
	}
	t.data = t.data[n:]
	t.first += int64(len(src) / size)
	return err
}

// Tally returns what was seen, and an error if elements are missing. Tallies of a
// tensor's tiles are added in their order.
func (t *Tile) Tally() (Tally, error) {
	if len(t.data) > 0 {
		return Tally{}, fmt.Errorf("the tile is not full: room for %d bytes of %v is left", len(t.data), t.cast.To)
	}
	return t.tally, nil
}

// scanned reports whether elements are looked at before they are rounded to what
// becomes codes, because these do not tell what can't be stored.
func (c Cast) scanned() bool { return c.From == dtype.F64 || c.rounds() }

// rounds reports whether loading rounds what float32 holds.
func (c Cast) rounds() bool { return c.Load == dtype.F16 || c.Load == dtype.BF16 }

// loadable returns the largest finite magnitude that survives being loaded as a
// type that float32 holds.
func (c Cast) loadable() float64 { return Cast{Load: c.Load, To: F32}.Largest() }
