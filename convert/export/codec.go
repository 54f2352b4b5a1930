package export

import (
	"bytes"
	"fmt"
	"math"

	"colakit/formats/dtype"
	"colakit/formats/gguf"
	"colakit/formats/tensor"
)

// codec stores the rows of a tensor in a file: their data and, for some, scales
// beside them.
type codec interface {
	fmt.Stringer
	// rowBytes returns the bytes of a row of cols elements.
	rowBytes(cols int) (data, scales int)
	// encode fills data and scales with the tile.
	encode(data, scales []byte, t tile, b *buffers) error
	// check compares what was read back with the tile that was stored.
	check(data, scales []byte, t tile, b *buffers) error
}

// buffers are a worker's memory.
type buffers struct {
	values, decoded []float32
	data, scales    []byte
}

// room returns a slice of n elements in the buffer, which may grow.
func room[T any](buffer *[]T, n int) []T {
	if cap(*buffer) < n {
		*buffer = make([]T, n)
	}
	return (*buffer)[:n]
}

// mismatch is the error for element i of a tile, row-major.
func (t tile) mismatch(i int, got, want any, rule string) error {
	return fmt.Errorf("row %d of its tile, column %d: read back %v, want %v (%s)", i/t.cols, i%t.cols, got, want, rule)
}

// floats stores elements as a float type, rounded to nearest, ties to even; those
// that have this type already are copied.
type floats struct{ to dtype.Type }

func (c floats) String() string { return c.to.String() }

func (c floats) rowBytes(cols int) (data, scales int) { return cols * c.to.Size(), 0 }

func (c floats) encode(data, _ []byte, t tile, b *buffers) error {
	if t.view.Type == c.to && t.view.Quantization == nil {
		copy(data, t.view.Data)
		return nil
	}
	x, err := t.values(&b.values)
	if err != nil {
		return err
	}
	if i := beyond(x, largest(c.to)); i >= 0 {
		return fmt.Errorf("element %d of its tile is %v: %v holds magnitudes up to %v; choose another type", i, x[i], c.to, largest(c.to))
	}
	return dtype.FromFloat32s(data, x, c.to)
}

func (c floats) check(data, _ []byte, t tile, b *buffers) error {
	want := room(&b.data, len(data))
	if err := c.encode(want, nil, t, b); err != nil {
		return err
	}
	for i := 0; !bytes.Equal(data, want); i += c.to.Size() {
		if got, want := data[i:i+c.to.Size()], want[i:i+c.to.Size()]; !bytes.Equal(got, want) {
			return t.mismatch(i/c.to.Size(), fmt.Sprintf("%x", got), fmt.Sprintf("%x", want), "bit for bit")
		}
	}
	return nil
}

// largest returns the largest finite magnitude of t.
func largest(t dtype.Type) float32 {
	switch t {
	case dtype.F16:
		return 65504
	case dtype.BF16:
		return 0x1.fep127
	}
	return math.MaxFloat32
}

// beyond returns the index of the first element that is NaN or larger than limit,
// −1 for none.
func beyond(x []float32, limit float32) int {
	for i, v := range x {
		if !(v <= limit && v >= -limit) {
			return i
		}
	}
	return -1
}

// q8Elements and q8Bytes are the sizes of a block of Q8_0.
var q8Elements, q8Bytes = gguf.Q8_0.Block()

// blocks stores rows of whole blocks as Q8_0. Codes in groups of as many elements
// with scales of the same type are repacked as they are.
type blocks struct{}

func (blocks) String() string { return gguf.Q8_0.String() }

func (blocks) rowBytes(cols int) (data, scales int) { return cols / q8Elements * q8Bytes, 0 }

// repacks reports whether codes and scales become blocks unchanged.
func (blocks) repacks(d tensor.Desc) bool {
	q := d.Quantization
	return q != nil && q.Group == q8Elements && q.Scale == dtype.F16
}

func (c blocks) encode(data, _ []byte, t tile, b *buffers) error {
	if c.repacks(t.view.Desc) {
		codes, scales := t.view.Data, t.view.Scales
		for ; len(data) > 0; data = data[q8Bytes:] {
			copy(data[:2], scales)
			copy(data[2:q8Bytes], codes)
			codes, scales = codes[q8Elements:], scales[2:]
		}
		return nil
	}
	x, err := t.values(&b.values)
	if err != nil {
		return err
	}
	if i := beyond(x, 127*65504); i >= 0 {
		return fmt.Errorf("element %d of its tile is %v: the scale of Q8_0 holds magnitudes up to 127·65504; choose another type", i, x[i])
	}
	return gguf.EncodeQ8_0(data, x)
}

// check decodes the blocks. An element x errs by less than half the step d that the
// block's largest element gives, and by what rounding d to binary16 moves a code:
//
//	|x − q·d₁₆| ≤ d/2 + 127·|d − d₁₆|,  |d − d₁₆| ≤ max(d·2⁻¹¹, 2⁻²⁵),  d = max|x|/127
func (c blocks) check(data, _ []byte, t tile, b *buffers) error {
	x, err := t.values(&b.values)
	if err != nil {
		return err
	}
	y := room(&b.decoded, len(x))
	if err := gguf.DecodeQ8_0(y, data); err != nil {
		return err
	}
	exact := c.repacks(t.view.Desc)
	for i := 0; i < len(x); i += q8Elements {
		limit := 0.0
		if !exact {
			d := float64(peak(x[i:i+q8Elements])) / 127
			limit = (d/2 + 127*max(d*0x1p-11, 0x1p-25)) * (1 + 0x1p-14) // the last: d, 1/d and x/d are rounded
		}
		for k := i; k < i+q8Elements; k++ {
			if !(math.Abs(float64(x[k])-float64(y[k])) <= limit) {
				return t.mismatch(k, y[k], x[k], fmt.Sprintf("within %.3g", limit))
			}
		}
	}
	return nil
}

func peak(x []float32) (largest float32) {
	for _, v := range x {
		largest = max(largest, v, -v)
	}
	return largest
}
