package gguf

import (
	"bytes"
	"encoding/binary"
	"math"
	"testing"

	"colakit/formats/dtype"
	"colakit/formats/tensor"
)

// sampleMetadata has every type of value, alone and in an array.
var sampleMetadata = Metadata{
	{"general.architecture", "cola"},
	{"general.quantization_version", uint32(2)},
	{"test.u8", uint8(200)}, {"test.i8", int8(-100)}, {"test.u16", uint16(60000)}, {"test.i16", int16(-30000)},
	{"test.u32", uint32(4e9)}, {"test.i32", int32(-2e9)}, {"test.u64", uint64(1 << 63)}, {"test.i64", int64(-1 << 63)},
	{"test.f32", float32(0.1)}, {"test.f64", 0.1}, {"test.bool", true}, {"test.text", "tür\n\"日本\""}, {"test.empty", ""},
	{"test.array.u8", []uint8{0, 255}}, {"test.array.i8", []int8{-128, 127}},
	{"test.array.u16", []uint16{0, 65535}}, {"test.array.i16", []int16{-32768, 32767}},
	{"test.array.u32", []uint32{0, math.MaxUint32}}, {"test.array.i32", []int32{math.MinInt32, math.MaxInt32}},
	{"test.array.u64", []uint64{0, math.MaxUint64}}, {"test.array.i64", []int64{math.MinInt64, math.MaxInt64}},
	{"test.array.f32", []float32{-0.5, math.MaxFloat32}}, {"test.array.f64", []float64{-0.5, math.MaxFloat64}},
	{"test.array.bool", []bool{true, false, true}}, {"test.array.text", []string{"", "a", "two words", "ä", "more", "than four"}},
	{"test.array.none", []string{}},
}

// stored is a tensor and its bytes.
type stored struct {
	Desc
	data []byte
}

// sample has every written type, one to four dimensions and padding of several sizes.
func sample() []stored {
	blocks := make([]byte, 4*q8Bytes)
	values := make([]float32, 4*q8Elements)
	for i := range values {
		values[i] = float32(i%37-18) / 16
	}
	if err := EncodeQ8_0(blocks, values); err != nil {
		panic(err)
	}
	return []stored{
		{Desc{"dit.a.weight", F32, tensor.Shape{2, 3}}, floats(6)},
		{Desc{"dit.a.blocks", Q8_0, tensor.Shape{2, 64}}, blocks},
		{Desc{"dit.a.half", F16, tensor.Shape{16}}, pattern(32, 1)},
		{Desc{"vae.brain", BF16, tensor.Shape{1, 5, 3}}, pattern(30, 2)},
		{Desc{"vae.double", F64, tensor.Shape{1, 2, 1, 2}}, pattern(32, 3)},
		{Desc{"vae.i8", I8, tensor.Shape{5}}, pattern(5, 4)},
		{Desc{"vae.i16", I16, tensor.Shape{5}}, pattern(10, 5)},
		{Desc{"vae.i32", I32, tensor.Shape{5}}, pattern(20, 6)},
		{Desc{"vae.i64 ü", I64, tensor.Shape{5}}, pattern(40, 7)},
	}
}

// floats returns the bytes of 1, 2, 3 …
func floats(n int) []byte {
	values := make([]float32, n)
	for i := range values {
		values[i] = float32(i + 1)
	}
	b := make([]byte, 4*n)
	if err := dtype.FromFloat32s(b, values, dtype.F32); err != nil {
		panic(err)
	}
	return b
}

// pattern returns n bytes that differ from place to place.
func pattern(n int, seed byte) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7+i>>8) ^ seed
	}
	return b
}

func descs(tensors []stored) []Desc {
	var d []Desc
	for _, t := range tensors {
		d = append(d, t.Desc)
	}
	return d
}

func mustLayout(t testing.TB, m Metadata, tensors []Desc) *Layout {
	t.Helper()
	l, err := NewLayout(m, tensors)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// write returns the file that a Writer makes of tensors.
func write(t testing.TB, m Metadata, tensors []stored) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := NewWriter(&b, mustLayout(t, m, descs(tensors)))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range tensors {
		if _, err := w.Write(s.data); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func mustParse(t testing.TB, data []byte) *File {
	t.Helper()
	f, err := Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// sketch is a file put together without the writer, to break one rule at a time.
type sketch struct {
	magic         string
	version       uint32
	tensors, keys uint64
	metadata      [][]byte
	infos         [][]byte
	padding       byte // before the data
	align         int
	data          []byte
}

func newSketch() *sketch {
	return &sketch{
		magic: "GGUF", version: 3, tensors: 2, keys: 2, align: 32,
		metadata: [][]byte{keyText("general.architecture", "cola"), keyed("test.flag", boolType, 1)},
		infos:    [][]byte{infoOf("a", 0, 0, 3, 2), infoOf("b", 8, 32, 32, 1)},
		data:     append(append(floats(6), make([]byte, 8)...), make([]byte, 64)...),
	}
}

func (s *sketch) bytes() []byte {
	b := binary.LittleEndian.AppendUint32([]byte(s.magic), s.version)
	b = binary.LittleEndian.AppendUint64(b, s.tensors)
	b = binary.LittleEndian.AppendUint64(b, s.keys)
	b = append(b, bytes.Join(append(s.metadata[:len(s.metadata):len(s.metadata)], s.infos...), nil)...)
	for len(b)%s.align != 0 {
		b = append(b, s.padding)
	}
	return append(b, s.data...)
}

// text is a string as a file stores it.
func text(s string) []byte { return appendString(nil, s) }

// keyed is a key with the number of a type and the bytes of a value.
func keyed(key string, number uint32, value ...byte) []byte {
	return append(binary.LittleEndian.AppendUint32(text(key), number), value...)
}

func keyText(key, value string) []byte { return keyed(key, stringType, text(value)...) }

// arrayHead is the type and the length of an array.
func arrayHead(number uint32, n uint64) []byte {
	return binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint32(nil, number), n)
}

// infoOf is an info with dimensions in the order of the file.
func infoOf(name string, typ uint32, offset uint64, dims ...uint64) []byte {
	b := binary.LittleEndian.AppendUint32(text(name), uint32(len(dims)))
	for _, d := range dims {
		b = binary.LittleEndian.AppendUint64(b, d)
	}
	b = binary.LittleEndian.AppendUint32(b, typ)
	return binary.LittleEndian.AppendUint64(b, offset)
}
