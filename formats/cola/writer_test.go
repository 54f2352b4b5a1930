package cola

import (
	"colakit/formats/dtype"
	"colakit/formats/tensor"
	"errors"
	"strings"
	"testing"
)

// failing fails the write number fail, as a full disk does.
type failing struct {
	memory
	fail int
}

var errFull = errors.New("no space left")

func (f *failing) WriteAt(p []byte, off int64) (int, error) {
	if f.fail--; f.fail < 0 {
		return 0, errFull
	}
	return f.memory.WriteAt(p, off)
}

// TestWriterFails lets every write fail in turn: each time an error, and no file
// that could be taken for an artifact.
func TestWriterFails(t *testing.T) {
	for _, views := range [][]tensor.View{small(), quantized()} {
		failEveryWrite(t, views)
	}
}

func failEveryWrite(t *testing.T, views []tensor.View) {
	for n := 0; ; n++ {
		out := &failing{fail: n}
		err := writeAll(out, views, sampleMeta)
		if err == nil {
			break
		}
		if !errors.Is(err, errFull) {
			t.Fatalf("write %d fails: %v", n, err)
		}
		if _, err := parse("test.cola", out.data); err == nil {
			t.Fatalf("write %d failed, and the file opens", n)
		}
		if n > 1000 {
			t.Fatal("it never succeeds")
		}
	}
}

func writeAll(out *failing, views []tensor.View, m Meta) error {
	w, err := NewWriter(out, descs(views))
	if err != nil {
		return err
	}
	for i, v := range views {
		for c := range w.Entries()[i].Chunks() {
			if err := writeChunk(w, i, c, v); err != nil {
				return err
			}
		}
	}
	_, _, err = w.Finish(m)
	return err
}

// TestSuperblockIsLast keeps the promise that an unfinished file has no magic.
func TestSuperblockIsLast(t *testing.T) {
	out := &memory{}
	w, _ := NewWriter(out, nil)
	if _, _, err := w.Finish(sampleMeta); err != nil {
		t.Fatal(err)
	}
	for i, at := range out.written {
		if last := i == len(out.written)-1; (at == 0) != last {
			t.Errorf("write %d of %d is at offset %d", i, len(out.written), at)
		}
	}
}

func TestSizeIsKnownBefore(t *testing.T) {
	for _, views := range [][]tensor.View{nil, small(), large(), quantized(), manyRows()} {
		w, err := NewWriter(nil, descs(views))
		if err != nil {
			t.Fatal(err)
		}
		size, err := w.Size(sampleMeta)
		if got := len(write(t, views, sampleMeta)); err != nil || int64(got) != size {
			t.Errorf("announced %d bytes, error %v; written %d", size, err, got)
		}
	}
}

func TestWriterRefuses(t *testing.T) {
	ok := tensor.Desc{Name: "a", Type: dtype.F32, Shape: tensor.Shape{1}}
	scaled := func(to dtype.Type, group int, scale dtype.Type, shape ...int) []tensor.Desc {
		return []tensor.Desc{{Name: "a", Type: to, Shape: shape, Quantization: &tensor.Quantization{Group: group, Scale: scale}}}
	}
	for name, d := range map[string][]tensor.Desc{
		"twice":      {ok, ok},
		"f32 scaled": scaled(dtype.F32, 0, dtype.F32, 2, 2),
		"i8 vector":  scaled(dtype.I8, 0, dtype.F32, 4),
		"i8 cube":    scaled(dtype.I8, 0, dtype.F32, 4, 4, 4),
		"groups":     scaled(dtype.I8, 48, dtype.F32, 4, 96),
		"scales":     scaled(dtype.I8, 0, dtype.BF16, 4, 4),
		"long rows":  scaled(dtype.I8, 32, dtype.F32, 4, ChunkBytes+1),
		"many rows":  scaled(dtype.I8, 0, dtype.F32, 1<<62, 1),
		"i8":         {{Name: "a", Type: dtype.I8, Shape: tensor.Shape{1}}},
		"no name":    {{Type: dtype.F32, Shape: tensor.Shape{1}}},
		"no type":    {{Name: "a", Shape: tensor.Shape{1}}},
		"overflow":   {{Name: "a", Type: dtype.F32, Shape: tensor.Shape{1 << 40, 1 << 40}}},
		"dimensions": {{Name: "a", Type: dtype.F32, Shape: make(tensor.Shape, 9)}},
	} {
		if _, err := NewWriter(nil, d); err == nil || errors.Is(err, tensor.ErrDamaged) {
			t.Errorf("%s: %v, want an error that is no damage", name, err)
		}
	}
}

func TestFinishRefuses(t *testing.T) {
	without := func(change func(*Meta)) Meta { m := sampleMeta; change(&m); return m }
	for name, m := range map[string]Meta{
		"no prior's configuration": without(func(m *Meta) { m.DiTConfig = nil }),
		"no provenance":            without(func(m *Meta) { m.Provenance = nil }),
		"a huge tokenizer":         without(func(m *Meta) { m.Tokenizer = make([]byte, MaxSectionBytes+1) }),
	} {
		w, _ := NewWriter(&memory{}, nil)
		if _, _, err := w.Finish(m); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	scales, _ := NewWriter(&memory{}, descs(quantized()[:1]))
	if err := scales.WriteChunk(0, 0, make([]byte, 120), [32]byte{1}); err != nil {
		t.Error(err)
	}
	if _, _, err := scales.Finish(sampleMeta); err == nil || !strings.Contains(err.Error(), "scales, chunk 0 of 1 was never written") {
		t.Errorf("scales not written: %v", err)
	}
	if err := scales.WriteScales(0, 0, make([]byte, 13), [32]byte{1}); err == nil || !strings.Contains(err.Error(), "has 13 bytes, not 12") {
		t.Errorf("scales of the wrong size: %v", err)
	}
	w, _ := NewWriter(&memory{}, descs(small()))
	if _, _, err := w.Finish(sampleMeta); err == nil || !strings.Contains(err.Error(), "never written") {
		t.Errorf("tensors not written: %v", err)
	}
	if err := w.WriteChunk(0, 0, make([]byte, 3), [32]byte{}); err == nil {
		t.Error("a chunk of the wrong size was accepted")
	}
}
