package tensor

import (
	"errors"
	"fmt"
	"math"
	"testing"

	"colakit/formats/dtype"
)

func TestElements(t *testing.T) {
	const big = math.MaxInt64
	tests := []struct {
		shape Shape
		want  int64
		fails bool
	}{
		{nil, 1, false},
		{Shape{}, 1, false},
		{Shape{7}, 7, false},
		{Shape{2048, 16}, 32768, false},
		{Shape{3, 0, 5}, 0, false},
		{Shape{big}, big, false},
		{Shape{1 << 31, 1 << 31}, 1 << 62, false},
		{Shape{0, big, big}, 0, false},
		{Shape{1 << 32, 1 << 31}, 0, true},
		{Shape{big, 2}, 0, true},
		{Shape{3, 1 << 31, 1 << 31}, 0, true},
		{Shape{-1}, 0, true},
		{Shape{0, -1}, 0, true},
		{Shape{-1, -1}, 0, true},
	}
	for _, tt := range tests {
		got, err := tt.shape.Elements()
		if got != tt.want || (err != nil) != tt.fails {
			t.Errorf("%v: got %d, %v; want %d, failure %v", tt.shape, got, err, tt.want, tt.fails)
		}
	}
	if _, err := (Shape{big, 2}).Elements(); !errors.Is(err, ErrOverflow) {
		t.Errorf("got %v, want ErrOverflow", err)
	}
}

func TestBytes(t *testing.T) {
	tests := []struct {
		desc  Desc
		want  int64
		fails bool
	}{
		{Desc{Name: "scalar", Type: dtype.F64, Shape: nil}, 8, false},
		{Desc{Name: "matrix", Type: dtype.BF16, Shape: Shape{3, 5}}, 30, false},
		{Desc{Name: "empty", Type: dtype.F32, Shape: Shape{0}}, 0, false},
		{Desc{Name: "fits", Type: dtype.I8, Shape: Shape{math.MaxInt64}}, math.MaxInt64, false},
		{Desc{Name: "too many bytes", Type: dtype.F16, Shape: Shape{1 << 62}}, 0, true},
		{Desc{Name: "too many elements", Type: dtype.I8, Shape: Shape{1 << 62, 2}}, 0, true},
		{Desc{Name: "no type", Type: dtype.Invalid, Shape: Shape{1}}, 0, true},
	}
	for _, tt := range tests {
		got, err := tt.desc.Bytes()
		if got != tt.want || (err != nil) != tt.fails {
			t.Errorf("%s: got %d, %v; want %d, failure %v", tt.desc.Name, got, err, tt.want, tt.fails)
		}
	}
	if _, err := (Desc{Name: "x", Type: dtype.F16, Shape: Shape{1 << 62}}).Bytes(); !errors.Is(err, ErrOverflow) {
		t.Errorf("got %v, want ErrOverflow", err)
	}
}

func TestShapeReads(t *testing.T) {
	for want, shape := range map[string]Shape{"[]": {}, "[7]": {7}, "[2048, 16]": {2048, 16}} {
		if got := shape.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if !(Shape{}).Equal(nil) || (Shape{2, 3}).Equal(Shape{3, 2}) || (Shape{2}).Equal(Shape{2, 1}) {
		t.Error("Equal compares something other than the dimensions")
	}
}

func TestDamagedfKeepsItsCause(t *testing.T) {
	cause := errors.New("cause")
	err := fmt.Errorf("m.bin: %w", Damagedf("header: %w", cause))
	if !errors.Is(err, ErrDamaged) || !errors.Is(err, cause) {
		t.Errorf("%v is not both damaged and its cause", err)
	}
	if err.Error() != "m.bin: header: cause" {
		t.Errorf("reads as %q", err)
	}
	if errors.Is(cause, ErrDamaged) {
		t.Error("every error is damage")
	}
}
