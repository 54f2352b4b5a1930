package cola

import (
	"fmt"

	"colakit/formats/dtype"
	"colakit/formats/tensor"
	"colakit/internal/blake3"
)

// Entry is a tensor's line of the index.
type Entry struct {
	Name   string       `json:"tensor"`
	Type   dtype.Type   `json:"type"`
	Shape  tensor.Shape `json:"shape"`
	Offset int64        `json:"offset"`
	Bytes  int64        `json:"bytes"`            // of the data, scales not included
	Scales *Scales      `json:"scales,omitempty"` // of an I8 tensor
	Sum    blake3.Sum   `json:"blake3"`           // of the sums of its chunks
}

// Scales say what scales an I8 tensor has and where they are.
type Scales struct {
	Group  int        `json:"group"` // elements of a row that share one; 0: the whole row
	Type   dtype.Type `json:"type"`  // F32 or F16
	Offset int64      `json:"offset"`
	Bytes  int64      `json:"bytes"`
}

// Desc returns the tensor's description.
func (e Entry) Desc() tensor.Desc {
	d := tensor.Desc{Name: e.Name, Type: e.Type, Shape: e.Shape}
	if e.Scales != nil {
		d.Quantization = &tensor.Quantization{Group: e.Scales.Group, Scale: e.Scales.Type}
	}
	return d
}

// Chunks returns the number of chunks under a checksum each: those of the data
// and, behind them, as many of the scales.
func (e Entry) Chunks() int {
	if e.Scales == nil {
		return e.DataChunks()
	}
	return 2 * e.DataChunks()
}

// DataChunks returns the number of chunks of the data. With scales, chunk
// DataChunks() + i holds those of the rows whose codes are in chunk i.
func (e Entry) DataChunks() int { return e.data().chunks() }

// Elements returns the first element of a chunk of the data and how many it has;
// those of an I8 tensor are whole rows.
func (e Entry) Elements(chunk int) (first, n int64) {
	offset, bytes := e.data().span(chunk)
	size := int64(e.Type.Size())
	return (offset - e.Offset) / size, bytes / size
}

// ChunkType returns the type of what a chunk holds: the tensor's or its scales'.
func (e Entry) ChunkType(chunk int) dtype.Type {
	if chunk >= e.DataChunks() && e.Scales != nil {
		return e.Scales.Type
	}
	return e.Type
}

// ChunkBytes returns the size of a chunk.
func (e Entry) ChunkBytes(chunk int) int64 {
	_, bytes := e.span(chunk)
	return bytes
}

// span returns where in the file a chunk is and its size.
func (e Entry) span(chunk int) (offset, bytes int64) {
	if n := e.DataChunks(); chunk >= n && e.Scales != nil {
		return e.scales().span(chunk - n)
	}
	return e.data().span(chunk)
}

// chunkName names a chunk in errors.
func (e Entry) chunkName(chunk int) string {
	if n := e.DataChunks(); chunk >= n {
		return fmt.Sprintf("scales, chunk %d of %d", chunk-n, n)
	}
	return fmt.Sprintf("chunk %d of %d", chunk, e.DataChunks())
}

// regions returns the parts of the file that the tensor takes.
func (e Entry) regions() []region {
	if e.Scales == nil {
		return []region{e.data()}
	}
	return []region{e.data(), e.scales()}
}

// TotalBytes returns the bytes of data and scales.
func (e Entry) TotalBytes() int64 {
	if e.Scales == nil {
		return e.Bytes
	}
	return e.Bytes + e.Scales.Bytes
}

func (e Entry) data() region {
	if e.Scales == nil {
		return region{e.Offset, e.Bytes, ChunkBytes}
	}
	codes, scales := e.rowBytes()
	return region{e.Offset, e.Bytes, rowsPerChunk(codes, scales) * codes}
}

func (e Entry) scales() region {
	codes, scales := e.rowBytes()
	return region{e.Scales.Offset, e.Scales.Bytes, rowsPerChunk(codes, scales) * scales}
}

// rowBytes returns the sizes of the codes and the scales of a row.
func (e Entry) rowBytes() (codes, scales int64) {
	d := e.Desc()
	if checkQuantization(d) != nil {
		return 1, 1 // an entry that only Dump looks at
	}
	cols := d.Shape[1]
	return int64(cols), int64(d.Quantization.ScalesPerRow(cols) * d.Quantization.Scale.Size())
}

// rowsPerChunk returns how many rows make a chunk: as many as give no more than
// ChunkBytes of codes and no more than that of scales.
func rowsPerChunk(codes, scales int64) int64 { return ChunkBytes / max(codes, scales, 1) }

// checkQuantization checks what only I8 tensors have and need.
func checkQuantization(d tensor.Desc) error {
	q := d.Quantization
	switch {
	case d.Type != dtype.I8 && q == nil:
		return nil
	case d.Type != dtype.I8:
		return fmt.Errorf("%w: tensor %q is %v and has scales", ErrQuantization, d.Name, d.Type)
	case q == nil:
		return fmt.Errorf("%w: tensor %q is i8 and has no scales", ErrQuantization, d.Name)
	case len(d.Shape) != 2 || d.Shape[1] > ChunkBytes:
		return fmt.Errorf("%w: tensor %q, shape %v, is no matrix with rows of at most %d elements", ErrQuantization, d.Name, d.Shape, ChunkBytes)
	case q.Scale != dtype.F32 && q.Scale != dtype.F16:
		return fmt.Errorf("%w: tensor %q has scales of type %v, not f32 or f16", ErrQuantization, d.Name, q.Scale)
	}
	switch q.Group {
	case 0, 32, 64, 128:
		return nil
	}
	return fmt.Errorf("%w: tensor %q has groups of %d elements, not of 32, 64, 128 or 0 for the whole row", ErrQuantization, d.Name, q.Group)
}
