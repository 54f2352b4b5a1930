package quantize

import (
	"fmt"
	"math"

	"colakit/formats/dtype"
)

// Scheme is the way in which a tensor's elements are stored.
type Scheme struct {
	Type dtype.Type
}

// The schemes. Every one rounds to nearest, ties to even.
var (
	F32  = Scheme{dtype.F32}
	F16  = Scheme{dtype.F16}
	BF16 = Scheme{dtype.BF16}
)

var schemes = []Scheme{F32, F16, BF16}

// String returns the name of the scheme: "f32", "f16" or "bf16".
func (s Scheme) String() string { return s.Type.String() }

// ParseScheme returns the scheme of that name.
func ParseScheme(name string) (Scheme, error) {
	for _, s := range schemes {
		if s.String() == name {
			return s, nil
		}
	}
	return Scheme{}, fmt.Errorf("unknown type %q; known are f32, f16, bf16", name)
}

// MarshalText writes the name.
func (s Scheme) MarshalText() ([]byte, error) { return s.Type.MarshalText() }

// UnmarshalText reads the name.
func (s *Scheme) UnmarshalText(text []byte) (err error) {
	*s, err = ParseScheme(string(text))
	return err
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
