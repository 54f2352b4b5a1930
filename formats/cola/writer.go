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
	bytes, err := d.Bytes()
	switch {
	case err != nil:
		return err
	case again:
		return fmt.Errorf("tensor %q: given twice", d.Name)
	}
	if err := checkDesc(d); err != nil {
		return fmt.Errorf("the .cola format does not hold this tensor: %v", err) // not damage: a caller's wish
	}
	e := Entry{Name: d.Name, Type: d.Type, Shape: d.Shape, Offset: alignUp(w.dataEnd, alignment(bytes)), Bytes: bytes}
	w.dataEnd = e.Offset + bytes
	w.tensors = append(w.tensors, e)
	w.sums = append(w.sums, make([]blake3.Sum, e.Chunks()))
	w.chunks += e.Chunks()
	return nil
}

// Entries lists the tensors with their places; sums are missing before Finish.
func (w *Writer) Entries() []Entry { return w.tensors }

// WriteChunk writes chunk number chunk of a tensor. Data has ChunkBytes bytes,
// or the rest of the tensor in its last chunk. Different chunks may be written
// at the same time.
func (w *Writer) WriteChunk(tensor, chunk int, data []byte, sum blake3.Sum) error {
	e := w.tensors[tensor]
	from, to := chunkBounds(e.Bytes, chunk)
	if int64(len(data)) != to-from {
		return fmt.Errorf("tensor %q: chunk %d has %d bytes, not %d", e.Name, chunk, len(data), to-from)
	}
	if _, err := w.out.WriteAt(data, e.Offset+from); err != nil {
		return fmt.Errorf("writing tensor %q: %w", e.Name, err)
	}
	w.sums[tensor][chunk] = sum
	return nil
}
