package convert

import (
	"encoding/binary"

	"colakit/formats/dtype"
	"colakit/formats/gguf"
	"colakit/formats/tensor"
	"colakit/internal/mmap"
)

// numbers are a tensor's elements as they are stored, and how they become numbers.
type numbers struct {
	tensor.View
	blocks bool   // the data are those of gguf.Q8_0
	count  int64  // of elements
	path   string // of the file, for the faults of one that was truncated
}

// pieceElements is how many elements are decoded at a time: a multiple of every
// block's.
const pieceElements = 1 << 17

// known reports whether the elements can be decoded.
func (n numbers) known() bool { return n.blocks || n.Type.Size() > 0 }

// tiles returns the number of tiles of up to pieceElements.
func (n numbers) tiles() int { return int((n.count + pieceElements - 1) / pieceElements) }

// tile returns the first element of a tile and how many it has.
func (n numbers) tile(i int) (first int64, count int) {
	first = int64(i) * pieceElements
	return first, int(min(pieceElements, n.count-first))
}

// part returns the bytes that hold count elements from first on, scales apart.
// Both are multiples of a block's, but for the last tile.
func (n numbers) part(first int64, count int) []byte {
	size, per := int64(n.Type.Size()), int64(1)
	if n.blocks {
		elements, bytes := gguf.Q8_0.Block()
		size, per = int64(bytes), int64(elements)
	}
	return n.Data[first/per*size : (first+int64(count))/per*size]
}

// decoder turns stored elements into numbers.
type decoder struct{ narrow []float32 }

// decode sets dst to the elements from first on, exactly: every type but i64,
// which is rounded, fits into float64.
func (d *decoder) decode(dst []float64, n numbers, first int64) error {
	raw := n.part(first, len(dst))
	var broken error
	err := mmap.Guard(n.path, func() error {
		switch {
		case n.blocks:
			broken = d.decodeBlocks(dst, raw)
		case n.Quantization != nil:
			dequantize(dst, n.View, first)
		case n.Type.Float():
			broken = dtype.Float64s(dst, raw, n.Type)
		default:
			integers(dst, raw, n.Type)
		}
		return nil
	})
	if err != nil {
		return tensor.Damagedf("%w", err)
	}
	return broken
}

func (d *decoder) decodeBlocks(dst []float64, raw []byte) error {
	if cap(d.narrow) < len(dst) {
		d.narrow = make([]float32, len(dst))
	}
	narrow := d.narrow[:len(dst)]
	if err := gguf.DecodeQ8_0(narrow, raw); err != nil {
		return err
	}
	for i, x := range narrow {
		dst[i] = float64(x)
	}
	return nil
}

// dequantize sets dst to the elements of v from first on. The View's lengths are
// those of its shape.
func dequantize(dst []float64, v tensor.View, first int64) {
	q, cols := v.Quantization, v.Shape[len(v.Shape)-1]
	width, perRow := q.Width(cols), q.ScalesPerRow(cols)
	for i := 0; i < len(dst); {
		at := int(first) + i
		row, col := at/cols, at%cols
		group := col / width
		end := min(i+min((group+1)*width, cols)-col, len(dst))
		scale := q.At(v.Scales, row*perRow+group)
		for codes := v.Data[at : at+end-i]; i < end; i, codes = i+1, codes[1:] {
			dst[i] = float64(float32(int8(codes[0])) * scale)
		}
	}
}

// integers sets dst to elements of a type that is not floating-point.
func integers(dst []float64, raw []byte, t dtype.Type) {
	size := t.Size()
	for i := range dst {
		b := raw[i*size:]
		switch t {
		case dtype.I8:
			dst[i] = float64(int8(b[0]))
		case dtype.I32:
			dst[i] = float64(int32(binary.LittleEndian.Uint32(b)))
		case dtype.I64:
			dst[i] = float64(int64(binary.LittleEndian.Uint64(b)))
		default: // U8, Bool
			dst[i] = float64(b[0])
		}
	}
}
