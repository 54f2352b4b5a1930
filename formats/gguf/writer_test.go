package gguf

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"colakit/formats/tensor"
)

// TestKnownBytes holds the writer to a file put together by hand.
func TestKnownBytes(t *testing.T) {
	want, err := hex.DecodeString(strings.Join(strings.Fields(`
		47475546 03000000 0200000000000000 0300000000000000
		1400000000000000 67656e6572616c2e617263686974656374757265 08000000 0400000000000000 636f6c61
		1100000000000000 67656e6572616c2e616c69676e6d656e74 04000000 10000000
		0100000000000000 78 09000000 03000000 0200000000000000 ffff 0100
		0100000000000000 61 02000000 0300000000000000 0200000000000000 00000000 0000000000000000
		0100000000000000 62 01000000 0500000000000000 18000000 2000000000000000
		00000000
		0000803f 00000040 00004040 00008040 0000a040 0000c040 0000000000000000
		ff01020304 0000000000000000000000`), ""))
	if err != nil {
		t.Fatal(err)
	}
	got := write(t, Metadata{
		{"general.architecture", "cola"}, {"general.alignment", uint32(16)}, {"x", []int16{-1, 1}},
	}, []stored{
		{Desc{"a", F32, tensor.Shape{2, 3}}, floats(6)},
		{Desc{"b", I8, tensor.Shape{5}}, []byte{255, 1, 2, 3, 4}},
	})
	if diff := cmp.Diff(hex.Dump(want), hex.Dump(got)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestRoundTrip(t *testing.T) {
	data := write(t, sampleMetadata, sample())
	f := mustParse(t, data)
	if diff := cmp.Diff(sampleMetadata, f.Metadata()); diff != "" {
		t.Errorf("metadata (-written +read)\n%s", diff)
	}
	layout := mustLayout(t, sampleMetadata, descs(sample()))
	if diff := cmp.Diff(layout.Entries(), f.Entries()); diff != "" {
		t.Errorf("entries (-planned +read)\n%s", diff)
	}
	if layout.Size() != int64(len(data)) || f.Size() != layout.Size() {
		t.Errorf("planned %d bytes, written %d, read %d", layout.Size(), len(data), f.Size())
	}
	for _, want := range sample() {
		e, got, err := f.Raw(want.Name)
		if err != nil || !bytes.Equal(got, want.data) || cmp.Diff(want.Desc, e.Desc) != "" {
			t.Errorf("%v: read back as %v, %x, %v", want.Desc, e.Desc, got, err)
		}
	}
	if err := f.CheckPadding(); err != nil {
		t.Error(err)
	}
}

// TestPieces writes the same data in pieces of all sizes, and by offset.
func TestPieces(t *testing.T) {
	tensors := sample()
	want := write(t, sampleMetadata, tensors)
	layout := mustLayout(t, sampleMetadata, descs(tensors))
	var all []byte
	for _, s := range tensors {
		all = append(all, s.data...)
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		var b bytes.Buffer
		w, err := NewWriter(&b, layout)
		for rest := all; len(rest) > 0 && err == nil; {
			n := 1 + random.IntN(min(len(rest), 50))
			_, err = w.Write(rest[:n])
			rest = rest[n:]
		}
		if err != nil || w.Close() != nil || !bytes.Equal(b.Bytes(), want) {
			t.Fatalf("in pieces: other bytes, or %v", err)
		}
	}
	file := memory(bytes.Repeat([]byte{0xee}, len(want)))
	if err := layout.WriteFrame(file); err != nil {
		t.Fatal(err)
	}
	for i, e := range layout.Entries() {
		copy(file[e.Offset:], tensors[i].data)
	}
	if !bytes.Equal(file, want) {
		t.Error("by offset: other bytes")
	}
}

// memory is a file of fixed size.
type memory []byte

func (m memory) WriteAt(p []byte, off int64) (int, error) {
	if n := copy(m[off:], p); n < len(p) {
		return n, errors.New("behind the end")
	}
	return len(p), nil
}

func TestWriterCounts(t *testing.T) {
	layout := mustLayout(t, sampleMetadata, descs(sample()))
	w, err := NewWriter(&bytes.Buffer{}, layout)
	if err != nil {
		t.Fatal(err)
	}
	total := 0
	for _, s := range sample() {
		total += len(s.data)
	}
	if n, err := w.Write(make([]byte, total-1)); err != nil || n != total-1 {
		t.Fatalf("%d of %d bytes, %v", n, total-1, err)
	}
	if err := w.Close(); err == nil || !strings.Contains(err.Error(), `"vae.i64 ü" lacks 1 byte`) {
		t.Errorf("closing early: %v", err)
	}
	if n, err := w.Write([]byte{1, 2}); err == nil || n != 1 {
		t.Errorf("a byte too many: %d, %v", n, err)
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
}

// full is a disk with so many bytes left.
type full int

var errFull = errors.New("no space left")

func (f *full) Write(p []byte) (int, error) {
	n := min(len(p), int(*f))
	*f -= full(n)
	if n < len(p) {
		return n, errFull
	}
	return n, nil
}

// TestFullDisk ends the space at every byte.
func TestFullDisk(t *testing.T) {
	layout := mustLayout(t, sampleMetadata, descs(sample()))
	for space := range layout.Size() {
		disk := full(space)
		w, err := NewWriter(&disk, layout)
		for _, s := range sample() {
			if err == nil {
				_, err = w.Write(s.data)
			}
		}
		if !errors.Is(err, errFull) {
			t.Fatalf("%d bytes of space: %v", space, err)
		}
	}
}

// TestLayoutRefuses: each error names what it is about, and none is damage.
func TestLayoutRefuses(t *testing.T) {
	arch := KeyValue{"general.architecture", "cola"}
	quantized := KeyValue{"general.quantization_version", uint32(2)}
	key := func(key string, value any) Metadata { return Metadata{arch, {key, value}} }
	one := func(name string, typ Type, shape ...int) []Desc { return []Desc{{name, typ, shape}} }
	for _, c := range []struct {
		name     string
		metadata Metadata
		tensors  []Desc
		want     string
	}{
		{"no architecture", nil, nil, "general.architecture"},
		{"architecture in capitals", Metadata{{"general.architecture", "Cola"}}, nil, "general.architecture"},
		{"architecture a number", Metadata{{"general.architecture", uint32(1)}}, nil, "general.architecture"},
		{"blocks without version", Metadata{arch}, one("a", Q8_0, 32), "general.quantization_version"},
		{"version of another type", append(Metadata{{"general.quantization_version", int32(2)}}, arch), one("a", Q8_0, 32), "general.quantization_version"},
		{"alignment 24", key("general.alignment", uint32(24)), nil, "general.alignment"},
		{"alignment an int", key("general.alignment", 32), nil, "general.alignment"},
		{"key in capitals", key("Test", true), nil, `"Test"`},
		{"key with an empty segment", key("a..b", true), nil, `"a..b"`},
		{"key twice", Metadata{arch, arch}, nil, `"general.architecture": key occurs twice`},
		{"value without type", key("test.nil", nil), nil, `"test.nil"`},
		{"value of type int", key("test.int", 1), nil, `"test.int"`},
		{"nested array", key("test.deep", [][]string{{"a"}}), nil, `"test.deep"`},
		{"text not UTF-8", key("test.text", "\xff"), nil, `"test.text"`},
		{"text in an array not UTF-8", key("test.text", []string{"a", "\xff"}), nil, `"test.text"`},
		{"row of 33", Metadata{arch, quantized}, one("dit.odd.weight", Q8_0, 64, 33), `"dit.odd.weight": a row is no whole number of blocks: rows of 33`},
		{"row of 16", Metadata{arch, quantized}, one("dit.odd.weight", Q8_0, 2, 16), `"dit.odd.weight"`},
		{"no name", Metadata{arch}, one("", F32, 1), `tensor ""`},
		{"name of 64 bytes", Metadata{arch}, one(strings.Repeat("n", 64), F32, 1), "a name of 64 bytes, at most 63"},
		{"name of 65 bytes", Metadata{arch}, one(strings.Repeat("n", 65), F32, 1), "65 bytes"},
		{"name with a line feed", Metadata{arch}, one("a\nb", F32, 1), `"a\nb"`},
		{"name not UTF-8", Metadata{arch}, one("a\xff", F32, 1), `"a\xff"`},
		{"name twice", Metadata{arch}, append(one("a", F32, 1), one("a", F16, 1)...), `"a": tensor occurs twice`},
		{"five dimensions", Metadata{arch}, one("a", F32, 1, 1, 1, 1, 1), `"a": too many dimensions`},
		{"a scalar", Metadata{arch}, one("a", F32), `"a": shape []`},
		{"nothing", Metadata{arch}, one("a", F32, 3, 0), `"a": shape [3, 0]`},
		{"negative", Metadata{arch}, one("a", F32, -1), `"a": bad shape`},
		{"overflow", Metadata{arch}, one("a", F32, 1<<31-1, 1<<31-1, 2), `"a": bad shape`},
		{"larger than any disk", Metadata{arch}, one("a", I8, 1<<31-1, 1<<31-1), `"a": ends at`},
		{"unknown type", Metadata{arch}, one("a", Type(4), 1), `"a": no element type that is known: type 4`},
	} {
		_, err := NewLayout(c.metadata, c.tensors)
		if err == nil || !strings.Contains(err.Error(), c.want) || errors.Is(err, tensor.ErrDamaged) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: error %q, should contain %q", c.name, err, c.want)
		}
	}
}

// TestLongestName is the counterpart of the names refused above.
func TestLongestName(t *testing.T) {
	name := strings.Repeat("n", 63)
	data := write(t, sampleMetadata, []stored{{Desc{name, F32, tensor.Shape{1, 1, 1, 1}}, floats(1)}})
	if _, err := mustParse(t, data).Read(name); err != nil {
		t.Error(err)
	}
}
