package operation

import (
	"colakit/formats/dtype"
	"colakit/formats/tensor"
)

// codeReading is how the codes of an 8-bit tensor become numbers.
type codeReading struct {
	shift    int  // of rows: row j takes the scales of row j + shift
	group    int  // of groups within a row
	rowScale bool // the first group's scale counts for the whole row
	unsigned bool // codes are 0…255 about 128
	bare     bool // scales are left out
	rounded  bool // code·scale is rounded to bfloat16
}

// numbers returns the elements of a weight.
func numbers(v tensor.View, s sources) ([]float64, error) {
	switch {
	case v.Quantization != nil && s.codes != (codeReading{}):
		return s.codes.numbers(v)
	case s.stored != dtype.Invalid && v.Type.Size() == s.stored.Size():
		v.Type = s.stored
	}
	return v.Float64s()
}

func (c codeReading) numbers(v tensor.View) ([]float64, error) {
	scales, err := v.ScaleFloat32s()
	if err != nil {
		return nil, err
	}
	cols := v.Shape[len(v.Shape)-1]
	groups := v.Quantization.ScalesPerRow(cols)
	out := make([]float64, len(v.Data))
	for i, code := range v.Data {
		row, group := i/cols, i%cols/v.Quantization.Width(cols)
		if group = (group + c.group + groups) % groups; c.rowScale {
			group = 0
		}
		rows := len(v.Data) / cols
		scale := scales[(row+c.shift+rows)%rows*groups+group]
		if c.bare {
			scale = 1
		}
		number := float64(int8(code))
		if c.unsigned {
			number = float64(code) - 128
		}
		out[i] = single(number * float64(scale))
		if c.rounded {
			out[i] = nearestBF16(out[i])
		}
	}
	return out, nil
}
