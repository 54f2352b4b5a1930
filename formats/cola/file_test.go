package cola

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"colakit/formats/dtype"
	"colakit/formats/tensor"
)

func mustParse(t testing.TB, data []byte) *File {
	t.Helper()
	f, err := parse("test.cola", data)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestRoundTrip(t *testing.T) {
	for _, views := range [][]tensor.View{nil, small(), large(), quantized(), manyRows()} {
		f := mustParse(t, write(t, views, sampleMeta))
		if diff := cmp.Diff(descs(views), f.Descs(), cmp.Comparer(tensor.Shape.Equal)); diff != "" && views != nil {
			t.Error("descriptions (-written +read)", diff)
		}
		for _, want := range views {
			got, err := f.Read(want.Name)
			if err != nil || !bytes.Equal(got.Data, want.Data) || !bytes.Equal(got.Scales, want.Scales) {
				t.Errorf("%s: read back differently, error %v", want.Name, err)
			}
		}
		meta, err := f.Meta()
		if diff := cmp.Diff(sampleMeta, meta); err != nil || diff != "" {
			t.Errorf("meta, error %v (-written +read) %s", err, diff)
		}
		if damage, err := f.Check(context.Background(), CheckOptions{}); err != nil || len(damage) > 0 {
			t.Errorf("a sound file: %v, %v", damage, err)
		}
	}
}

// TestLayout pins where things stand, and the bytes of the samples: a change of
// them is a new version.
func TestLayout(t *testing.T) {
	for name, c := range map[string]struct {
		views []tensor.View
		want  []int64 // offsets of data and scales
	}{
		"version 1": {large(), []int64{128, 256, 4096, 86016, 8474688}},
		"version 2": {manyRows(), []int64{4096, 5124096, 5287936, 6340608, 10534976}},
	} {
		var offsets []int64
		for _, e := range mustParse(t, write(t, c.views, sampleMeta)).Entries() {
			for _, r := range e.regions() {
				offsets = append(offsets, r.offset)
			}
		}
		if diff := cmp.Diff(c.want, offsets); diff != "" {
			t.Errorf("%s: offsets (-want +got)\n%s", name, diff)
		}
	}
	for _, c := range []struct {
		views []tensor.View
		root  string
	}{
		{small(), "8d1b9f3b136a27275bc1a2b6c7788620cc9f55231f39ba20ee666ccfc2dfcb96"},
		{quantized(), "a7302992acd6424a5a098efc1bfd16a65eda99b4cf76f28f4b4188e23c35fa65"},
	} {
		if got := mustParse(t, write(t, c.views, sampleMeta)).Root().String(); got != c.root {
			t.Errorf("the root of the sample with %s is %s, was %s", c.views[0].Name, got, c.root)
		}
	}
}

// TestChunksOfRows cuts codes and scales at the same rows.
func TestChunksOfRows(t *testing.T) {
	const short = ChunkBytes / 4 // rows whose scales fill a chunk
	for i, want := range [][][2]int64{{{0, 4096 * 1024}, {4096 * 1024, 904 * 1024}}, {{0, short}, {short, 1}}, {{0, 16}}} {
		e := mustParse(t, write(t, manyRows(), sampleMeta)).Entries()[i]
		var got [][2]int64
		for c := range e.DataChunks() {
			first, n := e.Elements(c)
			got = append(got, [2]int64{first, n})
			if e.Scales == nil {
				continue
			}
			perRow := e.Scales.Bytes / int64(e.Shape[0])
			if rows := n / int64(e.Shape[1]); e.ChunkBytes(e.DataChunks()+c) != rows*perRow {
				t.Errorf("%s: chunk %d has %d rows and %d bytes of scales", e.Name, c, rows, e.ChunkBytes(e.DataChunks()+c))
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: elements of chunks (-want +got)\n%s", e.Name, diff)
		}
	}
}

func TestReadUnknown(t *testing.T) {
	f := mustParse(t, write(t, small(), sampleMeta))
	if _, err := f.Read("dit.b"); !errors.Is(err, tensor.ErrNotFound) || !strings.Contains(err.Error(), "dit.b") {
		t.Errorf("reading an unknown tensor: %v", err)
	}
}

// TestReadDamaged flips a bit in the second chunk of one tensor: that tensor
// can't be read, and says where; the others can; Raw gives the bytes anyway.
func TestReadDamaged(t *testing.T) {
	data := write(t, large(), sampleMeta)
	e := mustParse(t, data).Entries()[3]
	data[e.Offset+ChunkBytes+5] ^= 0x10
	f := mustParse(t, data)
	for range 2 { // the verdict is kept
		_, err := f.Read(e.Name)
		if !errors.Is(err, ErrSum) || !errors.Is(err, tensor.ErrDamaged) {
			t.Fatalf("reading a damaged tensor: %v", err)
		}
		for _, part := range []string{"test.cola", e.Name, "chunk 1 of 3"} {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%q does not name %q", err, part)
			}
		}
	}
	if _, err := f.Read("vae.last"); err != nil {
		t.Errorf("reading another tensor: %v", err)
	}
	if v, err := f.Raw(e.Name); err != nil || int64(len(v.Data)) != e.Bytes {
		t.Errorf("raw reading: %d bytes, %v", len(v.Data), err)
	}
}

func TestMetaDamaged(t *testing.T) {
	data := write(t, small(), sampleMeta)
	data[bytes.Index(data, sampleMeta.Tokenizer)] ^= 1
	_, err := mustParse(t, data).Meta()
	if !errors.Is(err, ErrSum) || !strings.Contains(err.Error(), "tokenizer") {
		t.Errorf("reading a damaged tokenizer: %v", err)
	}
}

func save(t testing.TB, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "test.cola")
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestTruncatedWhileOpen cuts a file that is mapped: an error, no crash.
func TestTruncatedWhileOpen(t *testing.T) {
	path := save(t, write(t, large(), sampleMeta))
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := os.Truncate(path, 8192); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Read("vae.chunks"); !errors.Is(err, tensor.ErrDamaged) {
		t.Errorf("reading: %v", err)
	}
	if damage, err := f.Check(context.Background(), CheckOptions{Jobs: 2}); err != nil || len(damage) == 0 {
		t.Errorf("checking: %v, %v", damage, err)
	}
}

func TestOpenErrors(t *testing.T) {
	dir := t.TempDir()
	for _, path := range []string{dir, filepath.Join(dir, "missing.cola")} {
		if _, err := Open(path); err == nil || !strings.Contains(err.Error(), path) || errors.Is(err, tensor.ErrDamaged) {
			t.Errorf("Open(%s): %v", path, err)
		}
	}
	if _, err := Open(save(t, nil)); !errors.Is(err, ErrShort) {
		t.Errorf("an empty file: %v", err)
	}
}

// TestOpenLarge opens a sparse file of 16 GiB with as many tensors as the released
// model has; BenchmarkOpen says how fast.
func TestOpenLarge(t *testing.T) {
	f, err := Open(released(t))
	if err != nil {
		t.Fatal(err)
	}
	if n := len(f.Descs()); n != 700 {
		t.Errorf("%d tensors, want 700", n)
	}
	f.Close()
}

// released writes an artifact without data, of the size of the released model.
func released(t testing.TB) string {
	path := filepath.Join(t.TempDir(), "big.cola")
	out, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	var tensors []tensor.Desc
	for range 700 {
		name := "dit.blocks." + strings.Repeat("x", len(tensors)%40) + ".ada.msa_in.1.weight" + time.Duration(len(tensors)).String()
		tensors = append(tensors, tensor.Desc{Name: name, Type: dtype.F32, Shape: tensor.Shape{3000, 2048}})
	}
	w, err := NewWriter(out, tensors)
	if err != nil {
		t.Fatal(err)
	}
	for i := range w.sums {
		for c := range w.sums[i] {
			w.sums[i][c][0] = 1 // claims that it was written
		}
	}
	if _, _, err := w.Finish(sampleMeta); err != nil {
		t.Fatal(err)
	}
	return path
}

func BenchmarkOpen(b *testing.B) {
	path := released(b)
	for b.Loop() {
		f, err := Open(path)
		if err != nil {
			b.Fatal(err)
		}
		f.Close()
	}
}
