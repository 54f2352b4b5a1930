package gguf

import (
	"encoding/binary"
	"fmt"
	"io"
	"regexp"
	"unicode/utf8"
)

// Keys that the format itself uses.
const (
	alignmentKey    = "general.alignment"
	architectureKey = "general.architecture"
	quantizationKey = "general.quantization_version"
)

// Layout is a file whose metadata and tensors are known and whose data are not
// written yet. It says where everything goes.
type Layout struct {
	header    []byte // up to the data, with padding
	entries   []Entry
	alignment int64
	size      int64
}

// NewLayout lays out a file with these tensors, in their order, or says what in
// them no GGUF file can hold. Nothing else can go wrong later but writing.
func NewLayout(metadata Metadata, tensors []Desc) (*Layout, error) {
	l := &Layout{}
	err := l.setMetadata(metadata, tensors)
	if err == nil {
		err = l.setTensors(tensors)
	}
	if err != nil {
		return nil, fmt.Errorf("GGUF: %v", err) // a wish, not damage, whatever rule it is
	}
	return l, nil
}

// Size returns the bytes of the finished file.
func (l *Layout) Size() int64 { return l.size }

// Entries lists the tensors with the places of their data. The slice is the
// Layout's own.
func (l *Layout) Entries() []Entry { return l.entries }

// setMetadata writes the header and the metadata.
func (l *Layout) setMetadata(metadata Metadata, tensors []Desc) (err error) {
	if len(metadata) > MaxKeys || len(tensors) > MaxTensors {
		return fmt.Errorf("%d keys and %d tensors; at most %d and %d are read", len(metadata), len(tensors), MaxKeys, MaxTensors)
	}
	if err := checkRequired(metadata, tensors); err != nil {
		return err
	}
	if l.alignment, err = metadata.alignment(); err != nil {
		return err
	}
	b := append(make([]byte, 0, 4096), magic...)
	b = binary.LittleEndian.AppendUint32(b, newestVersion)
	b = binary.LittleEndian.AppendUint64(b, uint64(len(tensors)))
	b = binary.LittleEndian.AppendUint64(b, uint64(len(metadata)))
	seen := make(map[string]bool, len(metadata))
	for _, kv := range metadata {
		if err := checkWrittenKey(kv.Key, seen); err != nil {
			return err
		}
		if b, err = appendKeyValue(b, kv); err != nil {
			return fmt.Errorf("metadata %q: %v", kv.Key, err)
		}
		if len(b) > MaxHeaderBytes {
			break // said by setTensors
		}
	}
	l.header = b
	return nil
}

var (
	keyForm          = regexp.MustCompile(`^[a-z0-9_]+(\.[a-z0-9_]+)*$`)
	architectureForm = regexp.MustCompile(`^[a-z0-9]+$`)
)

func checkWrittenKey(key string, seen map[string]bool) error {
	switch {
	case seen[key]:
		return fmt.Errorf("metadata %q: %v", key, ErrDuplicateKey)
	case !keyForm.MatchString(key) || len(key) > MaxKeyBytes:
		return fmt.Errorf("metadata %.80q: a key is written as segments of a-z, 0-9 and _ with dots between them", key)
	}
	seen[key] = true
	return nil
}

// checkRequired checks the keys that the format wants in every file, and in
// those with block types.
func checkRequired(metadata Metadata, tensors []Desc) error {
	value, _ := metadata.Lookup(architectureKey)
	if name, ok := value.(string); !ok || !architectureForm.MatchString(name) {
		return fmt.Errorf("metadata %q: must be there, a string of a-z and 0-9", architectureKey)
	}
	value, _ = metadata.Lookup(quantizationKey)
	if _, ok := value.(uint32); ok {
		return nil
	}
	for _, d := range tensors {
		if d.Type.Quantized() {
			return fmt.Errorf("metadata %q: must be there, a uint32, because tensor %q is %v", quantizationKey, d.Name, d.Type)
		}
	}
	return nil
}

// setTensors writes the infos and the padding before the data.
func (l *Layout) setTensors(tensors []Desc) error {
	end := int64(0) // of the data before, counted from their beginning
	seen := make(map[string]bool, len(tensors))
	for _, d := range tensors {
		bytes, err := checkWritten(d, seen)
		if err != nil {
			return err
		}
		e := Entry{Desc: d, Offset: alignUp(end, l.alignment), Bytes: bytes}
		if end = e.Offset + bytes; end < 0 || end > maxDataBytes {
			return fmt.Errorf("tensor %q: ends at byte %d of the data, at most %d are allowed", d.Name, uint64(end), int64(maxDataBytes))
		}
		l.header = appendInfo(l.header, e)
		l.entries = append(l.entries, e)
	}
	if len(l.header) > MaxHeaderBytes {
		return fmt.Errorf("metadata and infos take more than the %d bytes that are read", MaxHeaderBytes)
	}
	l.header = append(l.header, make([]byte, alignUp(int64(len(l.header)), l.alignment)-int64(len(l.header)))...)
	for i := range l.entries {
		l.entries[i].Offset += int64(len(l.header))
	}
	l.size = int64(len(l.header)) + alignUp(end, l.alignment)
	return nil
}

// maxDataBytes keeps all sums of sizes far from overflow.
const maxDataBytes = 1 << 60

// checkWritten checks a tensor and returns the size of its data.
func checkWritten(d Desc, seen map[string]bool) (int64, error) {
	bytes, err := d.Bytes()
	if err != nil {
		return 0, err
	}
	if err := checkName(d.Name); err != nil || !utf8.ValidString(d.Name) {
		return 0, fmt.Errorf("tensor %.80q: not a name in UTF-8 that can be written (%v)", d.Name, err)
	}
	switch {
	case len(d.Name) >= MaxNameBytes:
		return 0, fmt.Errorf("tensor %q: a name of %d bytes, at most %d fit into ggml's buffer", d.Name, len(d.Name), MaxNameBytes-1)
	case len(d.Shape) == 0 || bytes == 0:
		return 0, fmt.Errorf("tensor %q: shape %v; written are 1 to %d dimensions, none of them zero", d.Name, d.Shape, MaxDimensions)
	case seen[d.Name]:
		return 0, fmt.Errorf("tensor %q: %v", d.Name, ErrDuplicateTensor)
	}
	seen[d.Name] = true
	return bytes, nil
}

// appendInfo appends the description of e, whose offset is one of the data.
func appendInfo(b []byte, e Entry) []byte {
	b = appendString(b, e.Name)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(e.Shape)))
	for i := range e.Shape {
		b = binary.LittleEndian.AppendUint64(b, uint64(e.Shape[len(e.Shape)-1-i]))
	}
	b = binary.LittleEndian.AppendUint32(b, uint32(e.Type))
	return binary.LittleEndian.AppendUint64(b, uint64(e.Offset))
}

// WriteFrame writes everything but the tensors' data: what stands before them
// and the padding behind each. With it, data can be written in any order, at the
// offsets of Entries.
func (l *Layout) WriteFrame(out io.WriterAt) error {
	if _, err := out.WriteAt(l.header, 0); err != nil {
		return fmt.Errorf("writing the metadata: %w", err)
	}
	for _, e := range l.entries {
		end := e.Offset + e.Bytes
		if _, err := out.WriteAt(make([]byte, alignUp(end, l.alignment)-end), end); err != nil {
			return fmt.Errorf("writing behind tensor %q: %w", e.Name, err)
		}
	}
	return nil
}
