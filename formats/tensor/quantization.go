package tensor

import (
	"encoding/binary"
	"fmt"
	"math"

	"colakit/formats/dtype"
)

// Quantization says how the elements of an I8 tensor become numbers: element c
// of a row is float32(code)·scale, rounded once to float32, with the scale of
// the group that c is in. A row runs along the last axis and is cut into groups
// of Group elements, of which the last may be shorter.
type Quantization struct {
	Group int        `json:"group,omitempty"` // elements that share a scale; 0: the whole row
	Scale dtype.Type `json:"scale"`           // of the scales: F32 or F16
}

// Check returns an error for a group or a type of scale that is not possible.
func (q Quantization) Check() error {
	if q.Group < 0 {
		return fmt.Errorf("groups of %d elements; a group has 1 or more, or is 0 for the whole row", q.Group)
	}
	if q.Scale != dtype.F32 && q.Scale != dtype.F16 {
		return fmt.Errorf("scales of type %v; possible are f32 and f16", q.Scale)
	}
	return nil
}

// Width returns the number of elements that share a scale in rows of cols.
func (q Quantization) Width(cols int) int {
	if q.Group == 0 {
		return max(cols, 1)
	}
	return q.Group
}

// ScalesPerRow returns the number of groups in a row of cols elements; none in
// an empty one.
func (q Quantization) ScalesPerRow(cols int) int {
	if cols <= 0 {
		return 0
	}
	return (cols-1)/q.Width(cols) + 1
}

// At returns scale i of scales, little-endian values of type Scale.
func (q Quantization) At(scales []byte, i int) float32 {
	if q.Scale == dtype.F16 {
		return dtype.F16ToFloat32(binary.LittleEndian.Uint16(scales[2*i:]))
	}
	return math.Float32frombits(binary.LittleEndian.Uint32(scales[4*i:]))
}

// Dequantize sets dst to the values of codes, whole rows of cols elements. A
// slice that is too short is a mistake of the caller's and an index panic.
func (q Quantization) Dequantize(dst []float32, codes, scales []byte, cols int) {
	if cols <= 0 {
		return
	}
	for row, group := 0, 0; row < len(codes); row += cols {
		for i := row; i < row+cols; group++ {
			end := min(i+q.Width(cols), row+cols)
			scale := q.At(scales, group)
			for ; i < end; i++ {
				dst[i] = float32(int8(codes[i])) * scale
			}
		}
	}
}

// ScaleCount returns the number of scales of a quantised tensor: its rows times
// those of a row. Without a Quantization there are none.
func (d Desc) ScaleCount() (int64, error) {
	q := d.Quantization
	if q == nil {
		return 0, nil
	}
	if err := q.Check(); err != nil {
		return 0, fmt.Errorf("tensor %q: %w", d.Name, err)
	}
	if d.Type != dtype.I8 || len(d.Shape) == 0 {
		return 0, fmt.Errorf("tensor %q, shape %v of %v: only i8 with one dimension or more is quantised", d.Name, d.Shape, d.Type)
	}
	if _, err := d.Bytes(); err != nil { // bounds the product below: a group is no less than an element
		return 0, err
	}
	last := len(d.Shape) - 1
	perRow := q.ScalesPerRow(d.Shape[last])
	if perRow == 0 {
		return 0, nil
	}
	rows, err := d.Shape[:last].Elements()
	return rows * int64(perRow), err
}

// ScaleBytes returns the size of the tensor's scales.
func (d Desc) ScaleBytes() (int64, error) {
	n, err := d.ScaleCount()
	if err != nil || n == 0 {
		return 0, err
	}
	size := int64(d.Quantization.Scale.Size())
	if n > math.MaxInt64/size {
		return 0, fmt.Errorf("tensor %q, scales of shape %v: %w", d.Name, d.Shape, ErrOverflow)
	}
	return n * size, nil
}
