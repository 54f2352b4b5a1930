package export

import (
	"errors"
	"fmt"
	"math"

	"colakit/formats/dtype"
	"colakit/formats/tensor"
	"colakit/quantize/int8"
)

// codes stores rows as int8 codes with float32 scales. Those of an artifact that
// has the same groups are copied; a binary16 scale is widened.
type codes struct{ int8.Scheme }

func (c codes) rowBytes(cols int) (data, scales int) {
	return cols, c.ScalesPerRow(cols) * c.Scale.Size()
}

// copies reports whether codes are taken as they are.
func (c codes) copies(d tensor.Desc) bool {
	return d.Quantization != nil && d.Quantization.Group == c.Group
}

func (c codes) encode(data, scales []byte, t tile, b *buffers) error {
	if c.copies(t.view.Desc) {
		copy(data, t.view.Data)
		s, err := t.view.ScaleFloat32s()
		if err != nil {
			return err
		}
		return dtype.FromFloat32s(scales, s, c.Scale)
	}
	x, err := t.values(&b.values)
	if err != nil {
		return err
	}
	tally, err := int8.Quantize(data, scales, x, t.rows, t.cols, c.Scheme)
	if err == nil && tally.NaN.Count+tally.Inf.Count+tally.Overflow.Count > 0 {
		err = errors.New("holds NaN, Inf or too large a value: no codes stand for them")
	}
	return err
}

// check decodes the codes: |x − q·s| ≤ s/2, but for the rounding of x/s and of q·s to
// float32, each at most 127·2⁻²⁴·s, and nothing where the codes were copied.
func (c codes) check(data, scales []byte, t tile, b *buffers) error {
	x, err := t.values(&b.values)
	if err != nil {
		return err
	}
	y := room(&b.decoded, len(x))
	c.Dequantize(y, data, scales, t.cols)
	half := 0.5 + 2*127*0x1p-24
	if c.copies(t.view.Desc) {
		half = 0
	}
	width, perRow := c.Width(t.cols), c.ScalesPerRow(t.cols)
	for i := range x {
		s := c.At(scales, i/t.cols*perRow+i%t.cols/width)
		if !(math.Abs(float64(x[i])-float64(y[i])) <= half*float64(s)) {
			return t.mismatch(i, y[i], x[i], fmt.Sprintf("within half of the scale %v", s))
		}
	}
	return nil
}
