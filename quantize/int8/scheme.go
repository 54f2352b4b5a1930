package int8

import (
	"fmt"
	"math"

	"colakit/formats/dtype"
	"colakit/formats/tensor"
)

// Scheme is a way to store a matrix. Its groups are of 0, 32, 64 or 128 elements.
type Scheme struct {
	tensor.Quantization
	Clip Clip
}

// Clip is how scales are chosen.
type Clip uint8

const (
	AbsMax Clip = iota // by the largest magnitude: nothing is clipped
	MSE                // by the least squared error
)

var clips = [...]string{AbsMax: "none", MSE: "mse"}

// String returns "none" or "mse".
func (c Clip) String() string {
	if int(c) < len(clips) {
		return clips[c]
	}
	return "invalid"
}

// ParseClip returns the Clip of that name.
func ParseClip(name string) (Clip, error) {
	for c, known := range clips {
		if name == known {
			return Clip(c), nil
		}
	}
	return 0, fmt.Errorf("unknown clipping %q; known are none, mse", name)
}

// String returns the scheme as "int8", "int8-g32-f16" or "int8-g64-mse": the
// scales are float32 and of whole rows where it does not say otherwise.
func (s Scheme) String() string {
	name := "int8"
	if s.Group > 0 {
		name += fmt.Sprintf("-g%d", s.Group)
	}
	if s.Scale != dtype.F32 {
		name += "-" + s.Scale.String()
	}
	if s.Clip != AbsMax {
		name += "-" + s.Clip.String()
	}
	return name
}

// Check returns an error for a scheme that this package does not implement.
func (s Scheme) Check() error {
	if err := s.Quantization.Check(); err != nil {
		return err
	}
	switch s.Group {
	case 0, 32, 64, 128:
	default:
		return fmt.Errorf("groups of %d elements; possible are 32, 64, 128 and 0 for whole rows", s.Group)
	}
	if int(s.Clip) >= len(clips) {
		return fmt.Errorf("unknown clipping %d", s.Clip)
	}
	return nil
}

// check returns an error unless the lengths are those of a matrix of that shape.
func (s Scheme) check(codes, scales, values, rows, cols int) error {
	if err := s.Check(); err != nil {
		return err
	}
	if !possible(rows, cols) || !possible(rows*cols, s.Scale.Size()) {
		return fmt.Errorf("a matrix of shape [%d, %d] is not possible", rows, cols)
	}
	n, scaleBytes := rows*cols, rows*s.ScalesPerRow(cols)*s.Scale.Size()
	if codes != n || values != n || scales != scaleBytes {
		return fmt.Errorf("%d values, %d codes and %d bytes of scales; a matrix of shape [%d, %d] has %d, %d and %d",
			values, codes, scales, rows, cols, n, n, scaleBytes)
	}
	return nil
}

// possible reports whether there is a matrix of that shape.
func possible(rows, cols int) bool {
	return rows >= 0 && cols >= 0 && (cols == 0 || rows <= math.MaxInt/cols)
}

// largest is the largest scale: beyond it there is no finite value, or 127 times
// it is none.
func (s Scheme) largest() float32 {
	if s.Scale == dtype.F16 {
		return 65504
	}
	return 8454659 * 0x1p98
}
