package gguf

import (
	"fmt"
	"io"
)

// Writer writes the file of a Layout from front to back: the data in the order
// of its Entries, in pieces of any size.
type Writer struct {
	out    io.Writer
	layout *Layout
	tensor int   // number of the one that the next bytes belong to
	left   int64 // of its bytes
}

// NewWriter writes what stands before the data.
func NewWriter(out io.Writer, layout *Layout) (*Writer, error) {
	w := &Writer{out: out, layout: layout}
	if _, err := out.Write(layout.header); err != nil {
		return nil, fmt.Errorf("writing the metadata: %w", err)
	}
	w.begin(0)
	return w, nil
}

// begin makes tensor number i the next.
func (w *Writer) begin(i int) {
	if w.tensor = i; i < len(w.layout.entries) {
		w.left = w.layout.entries[i].Bytes
	}
}

// Write takes the next bytes of data, and puts padding behind each tensor.
func (w *Writer) Write(data []byte) (written int, err error) {
	for len(data) > 0 {
		if w.tensor == len(w.layout.entries) {
			return written, fmt.Errorf("GGUF: %d bytes of data are left over behind the last tensor", len(data))
		}
		e := w.layout.entries[w.tensor]
		n, err := w.out.Write(data[:min(int64(len(data)), w.left)])
		written, data, w.left = written+n, data[n:], w.left-int64(n)
		if err == nil && w.left == 0 {
			err = w.end(e)
		}
		if err != nil {
			return written, fmt.Errorf("writing tensor %q: %w", e.Name, err)
		}
	}
	return written, nil
}

// end writes the padding behind a tensor.
func (w *Writer) end(e Entry) error {
	end := e.Offset + e.Bytes
	w.begin(w.tensor + 1)
	_, err := w.out.Write(make([]byte, alignUp(end, w.layout.alignment)-end))
	return err
}

// Close checks that all the data came. It does not close the underlying writer.
func (w *Writer) Close() error {
	if w.tensor < len(w.layout.entries) {
		return fmt.Errorf("GGUF: tensor %q lacks %d bytes of data", w.layout.entries[w.tensor].Name, w.left)
	}
	return nil
}
