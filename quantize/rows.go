package quantize

import (
	"fmt"
	"math"

	"colakit/formats/dtype"
	"colakit/formats/tensor"
	"colakit/quantize/int8"
)

// pendingElements is about the number of elements that wait to be encoded: rows
// that are not complete, or whose elements had to be converted to float32.
const pendingElements = 32 << 10

// rowEncoder turns elements that come piece by piece into codes and scales.
type rowEncoder struct {
	cast          Cast
	cols          int
	codes, scales []byte // not written yet
	scaleBytes    int    // of a row
	pending       []float32
	first         int64 // number of the element that comes next
}

func newRowEncoder(codes, scales []byte, c Cast, cols int, first int64) (*rowEncoder, error) {
	q := c.To.int8().Quantization
	e := &rowEncoder{cast: c, cols: cols, codes: codes, scales: scales, first: first}
	e.scaleBytes = q.ScalesPerRow(cols) * q.Scale.Size()
	rows := 0
	if cols > 0 {
		rows = len(codes) / cols
	}
	if rows*cols != len(codes) || rows*e.scaleBytes != len(scales) || cols > 0 && first%int64(cols) != 0 {
		return nil, fmt.Errorf("a tile of %d codes and %d bytes of scales from element %d on is not of whole rows of %d columns as %v",
			len(codes), len(scales), first, cols, c.To)
	}
	return e, nil
}

// write encodes the elements of src, all but those of a row that is not complete.
func (e *rowEncoder) write(src []byte, t *Tally) error {
	if e.cast.From == dtype.F32 && !e.cast.scanned() {
		v := tensor.View{Desc: tensor.Desc{Type: dtype.F32, Shape: tensor.Shape{len(src) / 4}}, Data: src}
		x, err := v.Float32s()
		if err != nil {
			return err
		}
		return e.add(x, t)
	}
	for size := e.cast.From.Size(); len(src) > 0; {
		n := min(blockElements, len(src)/size)
		if err := e.widen(src[:n*size], n, t); err != nil {
			return err
		}
		src = src[n*size:]
	}
	return nil
}

// add encodes rows, those that are complete where they are.
func (e *rowEncoder) add(x []float32, t *Tally) error {
	if n := len(e.pending) % max(e.cols, 1); n > 0 {
		missing := min(e.cols-n, len(x))
		if err := e.append(x[:missing], t); err != nil {
			return err
		}
		x = x[missing:]
	}
	if whole := len(x) - len(x)%max(e.cols, 1); whole > 0 {
		if err := e.flush(t); err != nil {
			return err
		}
		if err := e.encode(x[:whole], t); err != nil {
			return err
		}
		x = x[whole:]
	}
	return e.append(x, t)
}

// append keeps elements until there are rows enough to encode.
func (e *rowEncoder) append(x []float32, t *Tally) error {
	if e.pending == nil && len(x) > 0 {
		e.pending = make([]float32, 0, max(1, pendingElements/e.cols)*e.cols)
	}
	for len(x) > 0 {
		n := min(cap(e.pending)-len(e.pending), len(x))
		e.pending = append(e.pending, x[:n]...)
		x = x[n:]
		if len(e.pending) == cap(e.pending) || len(e.pending) == len(e.codes) {
			if err := e.flush(t); err != nil {
				return err
			}
		}
	}
	return nil
}

// flush encodes the rows that are pending and complete, which all of them are.
func (e *rowEncoder) flush(t *Tally) error {
	err := e.encode(e.pending, t)
	e.pending = e.pending[:0]
	return err
}

func (e *rowEncoder) encode(x []float32, t *Tally) error {
	if len(x) == 0 {
		return nil
	}
	rows := len(x) / e.cols
	scaleBytes := rows * e.scaleBytes
	seen, err := int8.Quantize(e.codes[:len(x)], e.scales[:scaleBytes], x, rows, e.cols, e.cast.To.int8())
	if err != nil {
		return err
	}
	e.codes, e.scales = e.codes[len(x):], e.scales[scaleBytes:]
	t.addRows(seen, e.first, !e.cast.scanned())
	e.first += int64(len(x))
	return nil
}

// widen takes n elements that are not float32 as they are.
func (e *rowEncoder) widen(src []byte, n int, t *Tally) error {
	first := e.first + int64(len(e.pending))
	var block [blockElements]float32
	x := block[:n]
	if e.cast.From == dtype.F64 {
		if err := e.narrow(x, src, first, t); err != nil {
			return err
		}
		return e.append(x, t)
	}
	if err := dtype.Float32s(x, src, e.cast.From); err != nil {
		return err
	}
	if e.cast.rounds() {
		scan(t, x, first, e.cast.loadable())
		round(x, x, e.cast.Load)
	}
	return e.append(x, t)
}

// narrow sets x to elements of F64 as they are loaded, rounded to float32.
func (e *rowEncoder) narrow(x []float32, src []byte, first int64, t *Tally) error {
	var block [blockElements]float64
	wide := block[:len(x)]
	if err := dtype.Float64s(wide, src, dtype.F64); err != nil {
		return err
	}
	scan(t, wide, first, e.cast.loadable())
	if e.cast.Load != dtype.Invalid && e.cast.Load != dtype.F64 {
		round64(wide, wide, e.cast.Load)
	}
	for i, v := range wide {
		x[i] = float32(v)
	}
	return nil
}

// scan counts the elements that can't be stored.
func scan[T float32 | float64](t *Tally, x []T, first int64, limit float64) {
	for _, v := range x {
		if !(math.Abs(float64(v)) <= limit) {
			locate(t, x, first, limit)
			return
		}
	}
}
