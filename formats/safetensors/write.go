package safetensors

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"colakit/formats/dtype"
	"colakit/formats/tensor"
)

// Writer writes a file piece by piece: the header at once, then the data in the
// order that Descs gives. The same descriptions and metadata give the same
// header, in whatever order they come.
type Writer struct {
	to    io.Writer
	descs []tensor.Desc
	left  int64 // bytes of data still to come
}

// NewWriter writes the header. The data are ordered by size of the element type,
// largest first, and then by name. So every tensor is aligned to its type, as in
// the files of the format's own library.
func NewWriter(w io.Writer, metadata map[string]string, descs []tensor.Desc) (*Writer, error) {
	ordered := slices.Clone(descs)
	slices.SortFunc(ordered, func(a, b tensor.Desc) int {
		return cmp.Or(cmp.Compare(b.Type.Size(), a.Type.Size()), strings.Compare(a.Name, b.Name))
	})
	text, size, err := formatHeader(metadata, ordered)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(text); err != nil {
		return nil, err
	}
	return &Writer{to: w, descs: ordered, left: size}, nil
}

// Descs lists the tensors in the order in which their data must be written.
func (w *Writer) Descs() []tensor.Desc { return slices.Clone(w.descs) }

// Write takes the next bytes of data, in pieces of any size.
func (w *Writer) Write(data []byte) (int, error) {
	if int64(len(data)) > w.left {
		return 0, fmt.Errorf("safetensors: %d bytes of data are more than the %d that the header leaves", len(data), w.left)
	}
	n, err := w.to.Write(data)
	w.left -= int64(n)
	return n, err
}

// Close checks that all the data came. It does not close the underlying writer.
func (w *Writer) Close() error {
	if w.left != 0 {
		return fmt.Errorf("safetensors: %d bytes of data were not written", w.left)
	}
	return nil
}

// Write writes a whole file.
func Write(to io.Writer, metadata map[string]string, views []tensor.View) error {
	descs := make([]tensor.Desc, len(views))
	byName := make(map[string]tensor.View, len(views))
	for i, v := range views {
		size, err := v.Bytes()
		if err != nil {
			return err
		}
		if size != int64(len(v.Data)) {
			return fmt.Errorf("tensor %q: shape %v of %v takes %d bytes, but there are %d", v.Name, v.Shape, v.Type, size, len(v.Data))
		}
		descs[i], byName[v.Name] = v.Desc, v
	}
	w, err := NewWriter(to, metadata, descs)
	if err != nil {
		return err
	}
	for _, d := range w.descs {
		if _, err := w.Write(byName[d.Name].Data); err != nil {
			return err
		}
	}
	return w.Close()
}

// formatHeader returns the file up to the data, and the size of the data.
func formatHeader(metadata map[string]string, descs []tensor.Desc) (text []byte, size int64, err error) {
	var b bytes.Buffer
	b.Write(make([]byte, prefix))
	b.WriteByte('{')
	if len(metadata) > 0 {
		if err := writeMetadata(&b, metadata); err != nil {
			return nil, 0, err
		}
	}
	seen := map[string]bool{metadataKey: true}
	for i, d := range descs {
		if seen[d.Name] || !utf8.ValidString(d.Name) {
			return nil, 0, fmt.Errorf("tensor %q: a name must be valid UTF-8, stand once and not be %s", d.Name, metadataKey)
		}
		seen[d.Name] = true
		if i > 0 || len(metadata) > 0 {
			b.WriteByte(',')
		}
		if size, err = writeEntry(&b, d, size); err != nil {
			return nil, 0, err
		}
	}
	b.WriteByte('}')
	for b.Len()%8 != 0 {
		b.WriteByte(' ')
	}
	if b.Len()-prefix > maxHeader {
		return nil, 0, fmt.Errorf("safetensors: a header of %d bytes is more than the format allows (%d)", b.Len()-prefix, maxHeader)
	}
	binary.LittleEndian.PutUint64(b.Bytes(), uint64(b.Len()-prefix))
	return b.Bytes(), size, nil
}

// writeEntry writes the description of d, whose data begin at begin, and returns
// where they end.
func writeEntry(b *bytes.Buffer, d tensor.Desc, begin int64) (end int64, err error) {
	size, err := d.Bytes()
	if err != nil {
		return 0, err
	}
	if end = begin + size; end < begin {
		return 0, fmt.Errorf("tensor %q: %w", d.Name, tensor.ErrOverflow)
	}
	if len(d.Shape) > maxDims {
		return 0, fmt.Errorf("tensor %q has %d dimensions, at most %d are written", d.Name, len(d.Shape), maxDims)
	}
	name, err := quote(d.Name)
	if err != nil {
		return 0, err
	}
	shape := strings.ReplaceAll(d.Shape.String(), " ", "")
	fmt.Fprintf(b, `%s:{"dtype":%q,"shape":%s,"data_offsets":[%d,%d]}`, name, formatName(d.Type), shape, begin, end)
	return end, nil
}

// writeMetadata writes the member __metadata__, keys sorted.
func writeMetadata(b *bytes.Buffer, metadata map[string]string) error {
	fmt.Fprintf(b, "%q:{", metadataKey)
	for i, key := range slices.Sorted(maps.Keys(metadata)) {
		value := metadata[key]
		if !utf8.ValidString(key) || !utf8.ValidString(value) {
			return fmt.Errorf("metadata %q is not valid UTF-8", key)
		}
		k, err := quote(key)
		if err != nil {
			return err
		}
		v, err := quote(value)
		if err != nil {
			return err
		}
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(b, "%s:%s", k, v)
	}
	b.WriteByte('}')
	return nil
}

// quote returns s as a JSON string.
func quote(s string) ([]byte, error) { return json.Marshal(s) }

// formatName returns the format's name of a type: its own in capitals.
func formatName(t dtype.Type) string { return strings.ToUpper(t.String()) }
