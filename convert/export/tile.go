package export

import (
	"colakit/formats/dtype"
	"colakit/formats/tensor"
)

// tileElements bounds the elements that are worked on at once; a row that is
// longer is a tile of its own.
const tileElements = 1 << 20

// tile is consecutive rows of a tensor, as the artifact stores them. A row runs
// along the last axis; a scalar is one row of one element.
type tile struct {
	view       tensor.View // of these rows alone, shape [rows, cols]
	rows, cols int
}

// rowsOf returns the tensor as rows.
func rowsOf(shape tensor.Shape) (rows, cols int) {
	rows, cols = 1, 1
	for i, n := range shape {
		if i == len(shape)-1 {
			cols = n
		} else {
			rows *= n
		}
	}
	return rows, cols
}

// tileRows returns how many rows of cols elements make a tile.
func tileRows(cols int) int { return max(1, tileElements/max(1, cols)) }

// tiles returns the number of tiles of a tensor.
func tiles(shape tensor.Shape) int {
	rows, cols := rowsOf(shape)
	return (rows + tileRows(cols) - 1) / tileRows(cols)
}

// cut returns tile number i of a tensor, whose bytes it shares.
func cut(v tensor.View, i int) tile {
	rows, cols := rowsOf(v.Shape)
	first := i * tileRows(cols)
	n := min(tileRows(cols), rows-first)
	t := tile{view: v, rows: n, cols: cols}
	t.view.Shape = tensor.Shape{n, cols}
	t.view.Data = part(v.Data, first, n, cols*v.Type.Size())
	if q := v.Quantization; q != nil {
		t.view.Scales = part(v.Scales, first, n, q.ScalesPerRow(cols)*q.Scale.Size())
	}
	return t
}

// part returns n rows of data, from row first on.
func part(data []byte, first, n, rowBytes int) []byte {
	return data[first*rowBytes : (first+n)*rowBytes]
}

// values returns the tile's elements, in the tile's own bytes where these are
// float32, else in buffer, which may grow.
func (t tile) values(buffer *[]float32) ([]float32, error) {
	if t.view.Type == dtype.F32 {
		return t.view.Float32s()
	}
	n := t.rows * t.cols
	if cap(*buffer) < n {
		*buffer = make([]float32, n)
	}
	x := (*buffer)[:n]
	if q := t.view.Quantization; q != nil {
		q.Dequantize(x, t.view.Data, t.view.Scales, t.cols)
		return x, nil
	}
	return x, dtype.Float32s(x, t.view.Data, t.view.Type)
}
