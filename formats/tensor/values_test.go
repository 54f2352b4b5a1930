package tensor

import (
	"encoding/binary"
	"math"
	"testing"
	"unsafe"

	"github.com/google/go-cmp/cmp"

	"colakit/formats/dtype"
)

var values = []float32{1, -0.5, 0, 3.5, 1024, -2}

func TestValuesOfEveryFloatType(t *testing.T) {
	for _, typ := range []dtype.Type{dtype.F32, dtype.F64, dtype.F16, dtype.BF16} {
		data := make([]byte, typ.Size()*len(values))
		if err := dtype.FromFloat32s(data, values, typ); err != nil {
			t.Fatal(err)
		}
		v := View{Desc: Desc{Name: "x", Type: typ, Shape: Shape{2, 3}}, Data: data}
		narrow, err := v.Float32s()
		if diff := cmp.Diff(values, narrow); err != nil || diff != "" {
			t.Errorf("%v: %v\n%s", typ, err, diff)
		}
		wide, err := v.Float64s()
		if err != nil {
			t.Fatal(err)
		}
		for i, f := range values {
			if wide[i] != float64(f) {
				t.Errorf("%v: element %d is %v, want %v", typ, i, wide[i], f)
			}
		}
	}
}

func TestFloat32sSharesAlignedMemoryOnly(t *testing.T) {
	v := FromFloat32s("x", Shape{len(values)}, values)
	if got, _ := v.Float32s(); unsafe.SliceData(got) != unsafe.SliceData(values) {
		t.Error("an aligned F32 tensor was copied")
	}
	for offset := 1; offset < 4; offset++ {
		moved := make([]byte, len(v.Data)+8)
		start := offset + int(-uintptr(unsafe.Pointer(&moved[0]))%4)
		copy(moved[start:], v.Data)
		v := View{Desc: v.Desc, Data: moved[start : start+len(v.Data)]}
		got, err := v.Float32s()
		if diff := cmp.Diff(values, got); err != nil || diff != "" {
			t.Errorf("offset %d: %v\n%s", offset, err, diff)
		}
	}
}

func TestFloat64sAtAnyOffset(t *testing.T) {
	want := []float64{math.Pi, -1e300}
	for offset := range 8 {
		data := make([]byte, offset, offset+16)
		for _, f := range want {
			data = binary.LittleEndian.AppendUint64(data, math.Float64bits(f))
		}
		got, err := View{Desc: Desc{Name: "x", Type: dtype.F64, Shape: Shape{2}}, Data: data[offset:]}.Float64s()
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("offset %d: %v\n%s", offset, err, diff)
		}
	}
}

func TestValuesOfEmptyAndScalarTensors(t *testing.T) {
	for _, v := range []View{
		FromFloat32s("empty", Shape{0, 4}, nil),
		FromFloat32s("scalar", nil, []float32{2}),
	} {
		n, _ := v.Shape.Elements()
		if got, err := v.Float32s(); err != nil || int64(len(got)) != n {
			t.Errorf("%s: got %v, %v", v.Name, got, err)
		}
		if got, err := v.Float64s(); err != nil || int64(len(got)) != n {
			t.Errorf("%s: got %v, %v", v.Name, got, err)
		}
	}
}

func TestValuesRefuseLyingViews(t *testing.T) {
	for _, v := range []View{
		{Desc: Desc{Name: "short", Type: dtype.F32, Shape: Shape{3}}, Data: make([]byte, 8)},
		{Desc: Desc{Name: "long", Type: dtype.F32, Shape: Shape{1}}, Data: make([]byte, 8)},
		{Desc: Desc{Name: "huge", Type: dtype.F32, Shape: Shape{1 << 40}}, Data: make([]byte, 8)},
		{Desc: Desc{Name: "overflow", Type: dtype.F64, Shape: Shape{1 << 61}}, Data: nil},
		{Desc: Desc{Name: "integers", Type: dtype.I32, Shape: Shape{2}}, Data: make([]byte, 8)},
		{Desc: Desc{Name: "no type", Type: dtype.Invalid, Shape: Shape{0}}, Data: nil},
	} {
		if got, err := v.Float32s(); err == nil {
			t.Errorf("%s: got %v", v.Name, got)
		}
		if got, err := v.Float64s(); err == nil {
			t.Errorf("%s: got %v", v.Name, got)
		}
	}
}
