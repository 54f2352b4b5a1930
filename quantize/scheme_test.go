package quantize

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"colakit/formats/dtype"
	"colakit/formats/tensor"
	"colakit/quantize/int8"
)

// floats are the schemes without scales.
var floats = []Scheme{F32, F16, BF16}

func TestSchemeNames(t *testing.T) {
	for name, want := range map[string]Scheme{
		"f32":              F32,
		"f16":              F16,
		"bf16":             BF16,
		"int8":             Int8,
		"int8-g32":         Int8G32,
		"int8-g64":         Int8G64,
		"int8-g128":        Int8G128,
		"int8-f16":         {Type: dtype.I8, Scale: dtype.F16},
		"int8-g32-f32":     {Type: dtype.I8, Scale: dtype.F32, Group: 32},
		"int8-mse":         Int8.Clipped(int8.MSE),
		"int8-g128-mse":    Int8G128.Clipped(int8.MSE),
		"int8-g64-f32-mse": {dtype.I8, 64, dtype.F32, int8.MSE},
	} {
		got, err := ParseScheme(name)
		if err != nil || got != want || got.String() != name {
			t.Errorf("%q is read as %v, %v", name, got, err)
		}
	}
	for _, name := range []string{"", "f64", "i8", "int8-f32", "int8-g16", "int8-g32-f16", "int8-g32-mse-f32", "f16-mse", "INT8"} {
		if got, err := ParseScheme(name); err == nil || !strings.Contains(err.Error(), "int8-g128") {
			t.Errorf("%q is read as %v, %v", name, got, err)
		}
	}
}

func TestSchemeText(t *testing.T) {
	if len(schemes) != 3+4*2*2 {
		t.Errorf("%d schemes", len(schemes))
	}
	for _, s := range schemes {
		text, err := s.MarshalText()
		var got Scheme
		if err != nil || got.UnmarshalText(text) != nil || got != s {
			t.Errorf("%v reads back as %v", s, got)
		}
		if s.Quantized() && s.int8().Check() != nil {
			t.Errorf("%v is none that can be executed", s)
		}
	}
	for _, s := range []Scheme{{}, {Type: dtype.I8}, {Type: dtype.I8, Group: 16, Scale: dtype.F32}} {
		if text, err := s.MarshalText(); err == nil {
			t.Errorf("%+v is written as %q", s, text)
		}
	}
}

func TestLayout(t *testing.T) {
	for _, c := range []struct {
		s            Scheme
		shape        tensor.Shape
		data, scales int64
	}{
		{F32, tensor.Shape{3, 70}, 840, 0},
		{F16, tensor.Shape{7}, 14, 0},
		{BF16, tensor.Shape{}, 2, 0},
		{Int8, tensor.Shape{3, 70}, 210, 12},
		{Int8G32, tensor.Shape{3, 70}, 210, 18}, // 3 groups, the last of 6 elements
		{Int8G128, tensor.Shape{3, 70}, 210, 6},
		{Int8G64, tensor.Shape{0, 64}, 0, 0},
		{Int8, tensor.Shape{5, 0}, 0, 0},
	} {
		data, scales, err := c.s.Layout(c.shape)
		if diff := cmp.Diff([]int64{c.data, c.scales}, []int64{data, scales}); err != nil || diff != "" {
			t.Errorf("%v of shape %v: %v (-want +got)\n%s", c.s, c.shape, err, diff)
		}
	}
	for _, shape := range []tensor.Shape{{}, {64}, {4, 4, 2}, {1 << 40, 1 << 40}, {-1, 4}} {
		if _, _, err := Int8.Layout(shape); err == nil {
			t.Errorf("int8 of shape %v has a layout", shape)
		}
	}
}

// TestLargest holds the largest magnitude that is stored to what the codec takes.
func TestLargest(t *testing.T) {
	for _, s := range []Scheme{Int8, Int8G32, Int8G128.Clipped(int8.MSE)} {
		limit := (Cast{To: s}).Largest()
		_, _, tally := convertRows(t, Cast{From: dtype.F32, To: s}, encode(t, []float64{1, -limit}, dtype.F32), 2, 2)
		if tally.Overflow.Count+tally.Inf.Count > 0 {
			t.Errorf("%v: %v is refused", s, limit)
		}
		_, _, tally = convertRows(t, Cast{From: dtype.F32, To: s}, encode(t, []float64{1, -limit * (1 + 1e-7)}, dtype.F32), 2, 2)
		if tally.Overflow.Count+tally.Inf.Count != 1 {
			t.Errorf("%v: more than %v is taken", s, limit)
		}
	}
}
