package cola

import (
	"encoding/binary"
	"testing"

	"colakit/formats/dtype"
	"colakit/formats/tensor"
	"colakit/internal/blake3"
)

// memory is a file in memory; written keeps the order of its writes.
type memory struct {
	data    []byte
	written []int64 // offsets
}

func (m *memory) WriteAt(p []byte, off int64) (int, error) {
	if need := int(off) + len(p); need > len(m.data) {
		m.data = append(m.data, make([]byte, need-len(m.data))...)
	}
	m.written = append(m.written, off)
	return copy(m.data[off:], p), nil
}

// pattern returns n bytes that differ from place to place.
func pattern(n int, seed byte) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7+i>>8) ^ seed
	}
	return b
}

var sampleMeta = Meta{
	DiTConfig:  []byte(`{"model_type": "cola_dit"}`),
	VAEConfig:  []byte(`{"model_type": "cola_text_vae"}`),
	Tokenizer:  []byte(`{"model": {"type": "BPE"}}`),
	Provenance: []byte(`{"tool": "test"}`),
}

// small has every type, an empty tensor, a scalar and padding of several sizes.
func small() []tensor.View {
	return []tensor.View{
		{Desc: tensor.Desc{Name: "dit.a.weight", Type: dtype.BF16, Shape: tensor.Shape{5, 7}}, Data: pattern(70, 1)},
		{Desc: tensor.Desc{Name: "dit.a.bias", Type: dtype.F32, Shape: tensor.Shape{16}}, Data: pattern(64, 2)},
		{Desc: tensor.Desc{Name: "dit.nothing", Type: dtype.F32, Shape: tensor.Shape{0, 3}}, Data: []byte{}},
		{Desc: tensor.Desc{Name: "vae.scalar", Type: dtype.F16, Shape: tensor.Shape{}}, Data: pattern(2, 3)},
		{Desc: tensor.Desc{Name: "vae.ü<&>", Type: dtype.F16, Shape: tensor.Shape{2, 3, 4}}, Data: pattern(48, 4)},
	}
}

// large has a tensor on a page boundary, and one of several chunks.
func large() []tensor.View {
	return append(small()[:2],
		tensor.View{Desc: tensor.Desc{Name: "dit.page", Type: dtype.F16, Shape: tensor.Shape{200, 200}}, Data: pattern(80000, 5)},
		tensor.View{Desc: tensor.Desc{Name: "vae.chunks", Type: dtype.F32, Shape: tensor.Shape{2*ChunkBytes/4 + 3}}, Data: pattern(2*ChunkBytes+12, 6)},
		tensor.View{Desc: tensor.Desc{Name: "vae.last", Type: dtype.F32, Shape: tensor.Shape{1}}, Data: pattern(4, 7)},
	)
}

// quantized has every kind of scales: of rows and of groups, f32 and f16, with a
// last group that is shorter, and those of no rows, between other tensors.
func quantized() []tensor.View {
	return []tensor.View{
		i8("dit.rows", tensor.Shape{3, 40}, 0, dtype.F32),
		small()[1],
		i8("dit.groups", tensor.Shape{2, 70}, 32, dtype.F16),
		i8("dit.none", tensor.Shape{0, 64}, 64, dtype.F16),
		i8("vae.wide", tensor.Shape{1, 128}, 128, dtype.F32),
	}
}

// manyRows has quantised tensors of several chunks, one of them with rows so short
// that the scales are what bounds a chunk.
func manyRows() []tensor.View {
	return []tensor.View{
		i8("dit.long", tensor.Shape{5000, 1024}, 64, dtype.F16),
		i8("dit.short", tensor.Shape{ChunkBytes/4 + 1, 1}, 0, dtype.F32),
		small()[1],
	}
}

func i8(name string, shape tensor.Shape, group int, scale dtype.Type) tensor.View {
	v := tensor.View{Desc: tensor.Desc{
		Name: name, Type: dtype.I8, Shape: shape, Quantization: &tensor.Quantization{Group: group, Scale: scale},
	}}
	codes, _ := v.Bytes()
	scales, _ := v.ScaleBytes()
	v.Data, v.Scales = pattern(int(codes), 8), pattern(int(scales), 9)
	return v
}

func descs(views []tensor.View) []tensor.Desc {
	var d []tensor.Desc
	for _, v := range views {
		d = append(d, v.Desc)
	}
	return d
}

// write returns the file that a Writer makes of views.
func write(t testing.TB, views []tensor.View, m Meta) []byte {
	t.Helper()
	file := &memory{}
	w, err := NewWriter(file, descs(views))
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range views {
		for c := range w.Entries()[i].Chunks() {
			if err := writeChunk(w, i, c, v); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, _, err := w.Finish(m); err != nil {
		t.Fatal(err)
	}
	return file.data
}

// writeChunk writes chunk c of v, tensor i.
func writeChunk(w *Writer, i, c int, v tensor.View) error {
	e := w.Entries()[i]
	at, n := e.span(c)
	if k := e.DataChunks(); c >= k {
		scales := v.Scales[at-e.Scales.Offset:][:n]
		return w.WriteScales(i, c-k, scales, blake3.Of(scales))
	}
	data := v.Data[at-e.Offset:][:n]
	return w.WriteChunk(i, c, data, blake3.Of(data))
}

// reseal computes the sums of the index and the superblock again, so that a
// forged file is wrong only in what was forged.
func reseal(data []byte) {
	s := rawSuperblock(data)
	if raw, ok := (&File{data: data}).part(s.indexOffset, s.indexBytes); ok {
		sum := blake3.Of(raw)
		copy(data[indexSumAt:], sum[:])
	}
	root := blake3.Of(data[:rootAt])
	copy(data[rootAt:], root[:])
}

// forgeIndex replaces the index of a file by another.
func forgeIndex(data, raw []byte) []byte {
	s := rawSuperblock(data)
	data = append(data[:s.indexOffset:s.indexOffset], raw...)
	binary.LittleEndian.PutUint64(data[fileSizeAt:], uint64(len(data)))
	binary.LittleEndian.PutUint64(data[indexBytesAt:], uint64(len(raw)))
	reseal(data)
	return data
}
