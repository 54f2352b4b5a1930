package tensor

import (
	"encoding/json"
	"errors"
	"math"
	"testing"
	"unsafe"

	"github.com/google/go-cmp/cmp"

	"colakit/formats/dtype"
)

func quantized(shape Shape, group int, scale dtype.Type) Desc {
	return Desc{Name: "x", Type: dtype.I8, Shape: shape, Quantization: &Quantization{Group: group, Scale: scale}}
}

func TestScaleBytes(t *testing.T) {
	const big = math.MaxInt64
	f32, f16 := dtype.F32, dtype.F16
	for _, c := range []struct {
		name        string
		desc        Desc
		count, size int64
		fails       bool
	}{
		{"none", Desc{Type: dtype.F32, Shape: Shape{4, 8}}, 0, 0, false},
		{"one a row", quantized(Shape{4, 8}, 0, f32), 4, 16, false},
		{"half the size", quantized(Shape{4, 8}, 0, f16), 4, 8, false},
		{"groups", quantized(Shape{4, 96}, 32, f16), 12, 24, false},
		{"a shorter last group", quantized(Shape{4, 97}, 32, f16), 16, 32, false},
		{"a group longer than the row", quantized(Shape{4, 8}, 32, f32), 4, 16, false},
		{"three dimensions", quantized(Shape{2, 3, 40}, 32, f32), 12, 48, false},
		{"a vector is one row", quantized(Shape{64}, 32, f32), 2, 8, false},
		{"no rows", quantized(Shape{0, 8}, 0, f32), 0, 0, false},
		{"no columns", quantized(Shape{big, 0}, 0, f32), 0, 0, false},
		{"as many as elements", quantized(Shape{big / 8, 1}, 1, f32), big / 8, big / 8 * 4, false},
		{"bytes overflow", quantized(Shape{big / 2, 1}, 0, f32), big / 2, 0, true},
		{"elements overflow", quantized(Shape{big, 2}, 0, f32), 0, 0, true},
		{"widest row", quantized(Shape{big}, big, f32), 1, 4, false},
		{"negative group", quantized(Shape{4, 8}, -1, f32), 0, 0, true},
		{"wide scales", quantized(Shape{4, 8}, 0, dtype.F64), 0, 0, true},
		{"no type of scale", quantized(Shape{4, 8}, 0, dtype.Invalid), 0, 0, true},
		{"a scalar", quantized(nil, 0, f32), 0, 0, true},
		{"a negative dimension", quantized(Shape{4, -8}, 0, f32), 0, 0, true},
		{"floats", Desc{Type: f32, Shape: Shape{4}, Quantization: &Quantization{Scale: f32}}, 0, 0, true},
	} {
		size, err := c.desc.ScaleBytes()
		if size != c.size || (err != nil) != c.fails {
			t.Errorf("%s: got %d bytes, %v; want %d, failure %v", c.name, size, err, c.size, c.fails)
		}
		if count, _ := c.desc.ScaleCount(); count != c.count {
			t.Errorf("%s: got %d scales, want %d", c.name, count, c.count)
		}
	}
	if _, err := quantized(Shape{big / 2, 1}, 0, dtype.F32).ScaleBytes(); !errors.Is(err, ErrOverflow) {
		t.Errorf("got %v, want ErrOverflow", err)
	}
}

// scalesOf returns values as scales of type to.
func scalesOf(t *testing.T, to dtype.Type, values ...float32) []byte {
	t.Helper()
	data := make([]byte, len(values)*to.Size())
	if err := dtype.FromFloat32s(data, values, to); err != nil {
		t.Fatal(err)
	}
	return data
}

func TestDequantize(t *testing.T) {
	third := float32(1) / 3
	for _, c := range []struct {
		name   string
		desc   Desc
		codes  []byte
		scales []float32
		want   []float32
	}{
		{"rows", quantized(Shape{2, 3}, 0, dtype.F32), []byte{1, 0xff, 127, 129, 0, 2}, []float32{0.5, 3}, []float32{0.5, -0.5, 63.5, -381, 0, 6}},
		{"f16 scales", quantized(Shape{2, 1}, 0, dtype.F16), []byte{100, 128}, []float32{0x1p-24, 0.25}, []float32{100 * 0x1p-24, -32}},
		{"groups with a shorter last one", quantized(Shape{2, 3}, 2, dtype.F32), []byte{1, 1, 1, 2, 2, 2}, []float32{1, 2, 3, 4}, []float32{1, 1, 2, 6, 6, 8}},
		{"three dimensions", quantized(Shape{2, 1, 2}, 0, dtype.F32), []byte{1, 2, 3, 4}, []float32{1, 10}, []float32{1, 2, 30, 40}},
		{"rounded once", quantized(Shape{1, 2}, 0, dtype.F32), []byte{7, 127}, []float32{third}, []float32{7 * third, 127 * third}},
		{"no elements", quantized(Shape{3, 0}, 0, dtype.F32), nil, nil, []float32{}},
	} {
		v := View{Desc: c.desc, Data: c.codes, Scales: scalesOf(t, c.desc.Quantization.Scale, c.scales...)}
		got, err := v.Float32s()
		if diff := cmp.Diff(c.want, got); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got)\n%s", c.name, err, diff)
		}
		wide, err := v.Float64s()
		if err != nil || len(wide) != len(c.want) {
			t.Fatalf("%s: %d values in float64, %v", c.name, len(wide), err)
		}
		for i, x := range c.want {
			if wide[i] != float64(x) {
				t.Errorf("%s: element %d is %v in float64, %v in float32", c.name, i, wide[i], x)
			}
		}
		scales, err := v.ScaleFloat32s()
		if diff := cmp.Diff(c.scales, scales); err != nil || len(scales) > 0 && diff != "" {
			t.Errorf("%s: scales, %v (-want +got)\n%s", c.name, err, diff)
		}
	}
}

func TestDequantizeRefusesLyingViews(t *testing.T) {
	for _, v := range []View{
		{Desc: quantized(Shape{2, 3}, 0, dtype.F32), Data: make([]byte, 6)},
		{Desc: quantized(Shape{2, 3}, 0, dtype.F32), Data: make([]byte, 6), Scales: make([]byte, 4)},
		{Desc: quantized(Shape{2, 3}, 0, dtype.F16), Data: make([]byte, 6), Scales: make([]byte, 8)},
		{Desc: quantized(Shape{2, 3}, 0, dtype.F32), Data: make([]byte, 5), Scales: make([]byte, 8)},
		{Desc: quantized(Shape{2, 3}, -2, dtype.F32), Data: make([]byte, 6), Scales: make([]byte, 8)},
		{Desc: quantized(nil, 0, dtype.F32), Data: make([]byte, 1), Scales: make([]byte, 4)},
		{Desc: Desc{Type: dtype.F32, Shape: Shape{1}, Quantization: &Quantization{Scale: dtype.F32}}, Data: make([]byte, 4), Scales: make([]byte, 4)},
	} {
		if got, err := v.Float32s(); err == nil {
			t.Errorf("%v %+v: got %v", v.Shape, v.Quantization, got)
		}
		if got, err := v.Float64s(); err == nil {
			t.Errorf("%v %+v: got %v", v.Shape, v.Quantization, got)
		}
	}
}

func TestInt8s(t *testing.T) {
	v := View{Desc: quantized(Shape{3}, 0, dtype.F32), Data: []byte{1, 0x80, 0xff}}
	got, err := v.Int8s()
	if diff := cmp.Diff([]int8{1, -128, -1}, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
	if unsafe.Pointer(&got[0]) != unsafe.Pointer(&v.Data[0]) {
		t.Error("codes were copied")
	}
	v.Type = dtype.U8
	if got, err := v.Int8s(); err == nil {
		t.Errorf("u8 read as %v", got)
	}
}

func TestQuantizationInJSON(t *testing.T) {
	for want, d := range map[string]Desc{
		`{"name":"x","type":"i8","shape":[2,32],"quantization":{"group":32,"scale":"f16"}}`: quantized(Shape{2, 32}, 32, dtype.F16),
		`{"name":"x","type":"i8","shape":[2,32],"quantization":{"scale":"f32"}}`:            quantized(Shape{2, 32}, 0, dtype.F32),
		`{"name":"x","type":"i8","shape":[2]}`:                                              {Name: "x", Type: dtype.I8, Shape: Shape{2}},
	} {
		text, err := json.Marshal(d)
		var back Desc
		if err != nil || string(text) != want || json.Unmarshal(text, &back) != nil {
			t.Errorf("got %s, %v; want %s", text, err, want)
		}
		if diff := cmp.Diff(d, back); diff != "" {
			t.Errorf("reads back differently (-want +got)\n%s", diff)
		}
	}
}
