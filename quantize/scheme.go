package quantize

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"colakit/formats/dtype"
	"colakit/formats/tensor"
	"colakit/quantize/int8"
)

// Scheme is the way in which a tensor's elements are stored: as numbers of a float
// type or, where Type is I8, as codes and scales. Schemes are comparable.
type Scheme struct {
	Type  dtype.Type
	Group int        // of I8: elements of a row that share a scale; 0: the whole row
	Scale dtype.Type // of I8: type of the scales, F32 or F16
	Clip  int8.Clip  // of I8: how scales are chosen
}

// The usual schemes. Every one rounds to nearest, ties to even. A scale of 32 bits
// for each row is a thousandth of the row's codes; for each group of 32 it would be
// an eighth, so that the scales of groups have 16.
var (
	F32      = Scheme{Type: dtype.F32}
	F16      = Scheme{Type: dtype.F16}
	BF16     = Scheme{Type: dtype.BF16}
	Int8     = Scheme{Type: dtype.I8, Scale: dtype.F32}
	Int8G32  = Scheme{Type: dtype.I8, Scale: dtype.F16, Group: 32}
	Int8G64  = Scheme{Type: dtype.I8, Scale: dtype.F16, Group: 64}
	Int8G128 = Scheme{Type: dtype.I8, Scale: dtype.F16, Group: 128}
)

// usual are the schemes by their names; the others are named after them.
var usual = []Scheme{F32, F16, BF16, Int8, Int8G32, Int8G64, Int8G128}

// schemes are all there are.
var schemes = func() (all []Scheme) {
	for _, s := range usual {
		all = append(all, s)
		if s.Type != dtype.I8 {
			continue
		}
		for _, scale := range []dtype.Type{dtype.F32, dtype.F16} {
			for _, clip := range []int8.Clip{int8.AbsMax, int8.MSE} {
				if other := (Scheme{s.Type, s.Group, scale, clip}); other != s {
					all = append(all, other)
				}
			}
		}
	}
	return all
}()

// String returns the name of the scheme: "f32", "f16", "bf16", "int8" for a scale
// of each row, "int8-g32", "int8-g64" or "int8-g128" for one of each group. What is
// not usual follows: "-f32" or "-f16" for the type of the scales, "-mse" for scales
// that clip.
func (s Scheme) String() string {
	if s.Type != dtype.I8 {
		return s.Type.String()
	}
	name, scale := "int8", dtype.F32
	if s.Group > 0 {
		name, scale = fmt.Sprintf("int8-g%d", s.Group), dtype.F16
	}
	if s.Scale != scale {
		name += "-" + s.Scale.String()
	}
	if s.Clip != int8.AbsMax {
		name += "-" + s.Clip.String()
	}
	return name
}

// ParseScheme returns the scheme of that name.
func ParseScheme(name string) (Scheme, error) {
	for _, s := range schemes {
		if s.String() == name {
			return s, nil
		}
	}
	var known []string
	for _, s := range usual {
		known = append(known, s.String())
	}
	return Scheme{}, fmt.Errorf("unknown type %q; known are %s", name, strings.Join(known, ", "))
}

// MarshalText writes the name.
func (s Scheme) MarshalText() ([]byte, error) {
	if _, err := ParseScheme(s.String()); err != nil {
		return nil, err
	}
	return []byte(s.String()), nil
}

// UnmarshalText reads the name.
func (s *Scheme) UnmarshalText(text []byte) (err error) {
	*s, err = ParseScheme(string(text))
	return err
}

// Quantized reports whether elements are stored as codes and scales.
func (s Scheme) Quantized() bool { return s.Type == dtype.I8 }

// Clipped returns s with its scales chosen in that way, if it has any.
func (s Scheme) Clipped(c int8.Clip) Scheme {
	if s.Quantized() {
		s.Clip = c
	}
	return s
}

// Desc describes a tensor that is stored by s.
func (s Scheme) Desc(name string, shape tensor.Shape) tensor.Desc {
	d := tensor.Desc{Name: name, Type: s.Type, Shape: shape}
	if s.Quantized() {
		q := s.int8().Quantization
		d.Quantization = &q
	}
	return d
}

// Layout returns the bytes that a tensor takes: its elements or codes, and scales.
func (s Scheme) Layout(shape tensor.Shape) (data, scales int64, err error) {
	if err := s.Fits(shape); err != nil {
		return 0, 0, err
	}
	d := s.Desc("", shape)
	if data, err = d.Bytes(); err != nil {
		return 0, 0, err
	}
	scales, err = d.ScaleBytes()
	return data, scales, err
}

// errNoMatrix is that of a shape that has no channels to scale.
var errNoMatrix = errors.New("only matrices, of shape [outputs, inputs], are stored as int8")

// Fits returns an error if tensors of that shape can't be stored by s.
func (s Scheme) Fits(shape tensor.Shape) error {
	if s.Quantized() && len(shape) != 2 {
		return fmt.Errorf("shape %v: %w", shape, errNoMatrix)
	}
	return nil
}

// int8 is the same scheme for codes.
func (s Scheme) int8() int8.Scheme {
	return int8.Scheme{Quantization: tensor.Quantization{Group: s.Group, Scale: s.Scale}, Clip: s.Clip}
}

// largest returns the largest finite magnitude that s stores.
func (s Scheme) largest() float64 {
	if s.Quantized() && s.Scale == dtype.F16 {
		return 8351759.5 // the float32 below 127.5 times the largest scale
	}
	if s.Quantized() {
		return math.MaxFloat32
	}
	return largest(s.Type)
}

// largest returns the largest finite magnitude of a float type.
func largest(t dtype.Type) float64 {
	switch t {
	case dtype.F16:
		return 65504
	case dtype.BF16:
		return 0x1.fep127
	case dtype.F32:
		return math.MaxFloat32
	}
	return math.MaxFloat64
}
