package cola

import (
	"fmt"
	"io"

	"colakit/formats/tensor"
	"colakit/internal/blake3"
)

// Writer writes a file whose tensors are known beforehand, chunk by chunk in any
// order. The file is no .cola file before Finish has returned nil.
type Writer struct {
	out     io.WriterAt
	tensors []Entry
	sums    [][]blake3.Sum // by tensor and chunk; zero: not written yet
	chunks  int            // of all tensors
	dataEnd int64
}

// NewWriter lays the tensors out, in their order. It writes nothing.
func NewWriter(out io.WriterAt, tensors []tensor.Desc) (*Writer, error) {
	if len(tensors) > MaxTensors {
		return nil, fmt.Errorf("%d tensors; the .cola format holds at most %d", len(tensors), MaxTensors)
	}
	w := &Writer{out: out, dataEnd: superblockBytes}
	seen := make(map[string]bool, len(tensors))
	for _, d := range tensors {
		if err := w.add(d, seen[d.Name]); err != nil {
			return nil, err
		}
		seen[d.Name] = true
	}
	return w, nil
}

func (w *Writer) add(d tensor.Desc, again bool) error {
	if d.Shape == nil {
		d.Shape = tensor.Shape{}
	}
	if again {
		return fmt.Errorf("tensor %q: given twice", d.Name)
	}
	if err := checkDesc(d, newest); err != nil {
		return fmt.Errorf("the .cola format does not hold this tensor: %v", err) // not damage: a caller's wish
	}
	e := Entry{Name: d.Name, Type: d.Type, Shape: d.Shape}
	var err error
	if e.Offset, e.Bytes, err = w.place(d.Bytes()); err != nil {
		return err
	}
	if q := d.Quantization; q != nil {
		e.Scales = &Scales{Group: q.Group, Type: q.Scale}
		if e.Scales.Offset, e.Scales.Bytes, err = w.place(d.ScaleBytes()); err != nil {
			return err
		}
	}
	w.tensors = append(w.tensors, e)
	w.sums = append(w.sums, make([]blake3.Sum, e.Chunks()))
	w.chunks += e.Chunks()
	return nil
}

// Entries lists the tensors with their places; sums are missing before Finish.
func (w *Writer) Entries() []Entry { return w.tensors }

// place gives the next part of the file to so many bytes.
func (w *Writer) place(bytes int64, err error) (int64, int64, error) {
	offset := alignUp(w.dataEnd, alignment(bytes))
	w.dataEnd = offset + bytes
	return offset, bytes, err
}

// WriteChunk writes chunk number chunk of a tensor's data. It has the elements
// that Entry.Elements says, and sum is its BLAKE3. Different chunks may be written
// at the same time.
func (w *Writer) WriteChunk(tensor, chunk int, data []byte, sum blake3.Sum) error {
	e := w.tensors[tensor]
	offset, bytes := e.span(chunk)
	if int64(len(data)) != bytes {
		return fmt.Errorf("tensor %q: %s has %d bytes, not %d", e.Name, e.chunkName(chunk), len(data), bytes)
	}
	if _, err := w.out.WriteAt(data, offset); err != nil {
		return fmt.Errorf("writing tensor %q: %w", e.Name, err)
	}
	w.sums[tensor][chunk] = sum
	return nil
}

// WriteScales writes the scales of the rows whose codes are in that chunk of the
// data, like WriteChunk.
func (w *Writer) WriteScales(tensor, chunk int, scales []byte, sum blake3.Sum) error {
	return w.WriteChunk(tensor, w.tensors[tensor].DataChunks()+chunk, scales, sum)
}
