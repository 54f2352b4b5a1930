package convert

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"sync"

	"colakit/formats/cola"
	"colakit/formats/dtype"
	"colakit/formats/tensor"
	"colakit/quantize"
)

// values collects what the chunks of all tensors hold.
type values struct {
	file *cola.File
	mu   sync.Mutex
	zero []bool // no element but zeros was seen
	bad  []int  // first chunk with what must not be, −1 for none
}

func newValues(f *cola.File) *values {
	n := len(f.Entries())
	return &values{file: f, zero: slices.Repeat([]bool{true}, n), bad: slices.Repeat([]int{-1}, n)}
}

func (v *values) see(i, chunk int, data []byte) {
	sound, zero := soundValues(v.file.Entries()[i], chunk, data)
	v.mu.Lock()
	defer v.mu.Unlock()
	v.zero[i] = v.zero[i] && zero
	if !sound && (v.bad[i] < 0 || chunk < v.bad[i]) {
		v.bad[i] = chunk
	}
}

// unusedCode is the one that int8 leaves out, −128.
const unusedCode = 0x80

// soundValues reports whether a piece of a chunk holds only what it may, and nothing but zeros.
func soundValues(e cola.Entry, chunk int, data []byte) (sound, zero bool) {
	t := e.ChunkType(chunk)
	if e.Scales != nil && t != dtype.I8 {
		return firstBadScale(data, t) < 0, true // the codes tell
	}
	sound, zero, err := quantize.Scan(data, t)
	return sound || err != nil, zero
}

// firstBadScale returns the number of the first scale that is negative or not
// finite, or −1.
func firstBadScale(data []byte, t dtype.Type) int {
	q := tensor.Quantization{Scale: t}
	for i := range len(data) / t.Size() {
		if s := q.At(data, i); !(s >= 0 && s <= math.MaxFloat32) {
			return i
		}
	}
	return -1
}

func (v *values) report(i int, r *CheckReport) {
	e := v.file.Entries()[i]
	if v.bad[i] >= 0 {
		r.damage("values", e.Name, v.describe(e, v.bad[i]))
	}
	if v.zero[i] && len(e.Shape) > 1 && e.Bytes > 0 {
		r.Notes = append(r.Notes, Finding{"values", e.Name, fmt.Sprintf("%s: tensor %q %v is all zeros", v.file.Name(), e.Name, e.Shape)})
	}
}

// describe says what of a tensor is not sound; chunk is the first that is not.
func (v *values) describe(e cola.Entry, chunk int) error {
	view, err := v.file.Raw(e.Name)
	if err != nil {
		return err
	}
	if e.Scales == nil {
		return v.describeFloats(e, view)
	}
	if chunk < e.DataChunks() {
		at := int64(bytes.IndexByte(view.Data, unusedCode))
		return fmt.Errorf("%s: tensor %q holds the code −128, which is not used, at %v", v.file.Name(), e.Name, coordinates(e.Shape, at))
	}
	q := *e.Desc().Quantization
	at := firstBadScale(view.Scales, q.Scale)
	perRow := q.ScalesPerRow(e.Shape[1])
	return fmt.Errorf("%s: tensor %q: scale %d of row %d is %v, want a finite one that is not negative",
		v.file.Name(), e.Name, at%perRow, at/perRow, q.At(view.Scales, at))
}

func (v *values) describeFloats(e cola.Entry, view tensor.View) error {
	s, err := quantize.Describe(view.Data, e.Type)
	if err != nil {
		return err
	}
	return fmt.Errorf("%s: tensor %q holds %d NaN and %d Inf, the first at %v", v.file.Name(), e.Name, s.NaN, s.Inf, coordinates(e.Shape, s.FirstBad))
}
