package int8

import (
	"bytes"
	"math"
	"testing"

	"colakit/formats/dtype"
)

// TestDefinition holds plain Go to the package's documentation.
func TestDefinition(t *testing.T) {
	eachDataset(t, 3, func(t *testing.T, x []float32, cols int, s Scheme) {
		if s.Clip != AbsMax {
			return
		}
		m := stored(t, x, cols, s, plain)
		for row := 0; row < len(x); row += cols {
			if !storable(x[row:row+cols], s) {
				continue
			}
			for from := row; from < row+cols; from += s.Width(cols) {
				to := min(from+s.Width(cols), row+cols)
				codes, scale := defined(x[from:to], s.Scale)
				if got := m.scale(from); got != scale {
					t.Fatalf("%v, %d columns: scale %v for %v, want %v", s, cols, got, x[from:to], scale)
				}
				for i, want := range codes {
					if got := int8(m.codes[from+i]); got != want {
						t.Fatalf("%v, %d columns: %v with scale %v has code %d, want %d", s, cols, x[from+i], scale, got, want)
					}
				}
			}
		}
	})
}

func storable(row []float32, s Scheme) bool {
	for _, v := range row {
		if s.Scale == dtype.F16 && abs(v) >= 127.5*65504 {
			return false
		}
	}
	return finite(row)
}

// TestTwins holds the kernels to plain Go, bit for bit.
func TestTwins(t *testing.T) {
	eachDataset(t, 3, checkTwins)
}

func checkTwins(t *testing.T, x []float32, cols int, s Scheme) {
	want := stored(t, x, cols, s, plain)
	for _, k := range kernels() {
		got := stored(t, x, cols, s, k)
		if !bytes.Equal(got.codes, want.codes) {
			t.Fatalf("%s: %v, %d columns: other codes than plain Go", k.name, s, cols)
		}
		if !bytes.Equal(got.scales, want.scales) {
			t.Fatalf("%s: %v, %d columns: other scales than plain Go", k.name, s, cols)
		}
		if got.tally != want.tally {
			t.Fatalf("%s: %v, %d columns: figures\n%+v, of plain Go\n%+v", k.name, s, cols, got.tally.Figures(), want.tally.Figures())
		}
	}
}

// TestEveryQuotient encodes, with every kernel, numbers at and beside every tie
// between two codes, and numbers with every upper half, for several scales.
func TestEveryQuotient(t *testing.T) {
	largest := scheme(0, dtype.F32, AbsMax).largest()
	for _, scale := range []float32{1, 3, 1.0 / 3, 0.0123, 0x1p-126, 0x1p-149, 5 * 0x1p-149, 0x1p100, largest} {
		for _, k := range kernels() {
			checkQuotients(t, k, aroundTies(scale), scale)
			checkQuotients(t, k, upperHalves(scale), scale)
		}
	}
}

func aroundTies(scale float32) (x []float32) {
	for half := range 2*maxCode + 4 {
		tie := float32(half) / 2 * scale
		for _, v := range []float32{tie, math.Nextafter32(tie, 0), math.Nextafter32(tie, math.MaxFloat32)} {
			x = append(x, v, -v)
		}
	}
	return x
}

// upperHalves returns finite numbers up to 2³⁰ scales, which a search could meet.
func upperHalves(scale float32) (x []float32) {
	for code := range uint32(1 << 16) {
		v := math.Float32frombits(code<<16 | code*40503&0xffff)
		if float64(abs(v)) < 0x1p30*float64(scale) && v == v {
			x = append(x, v)
		}
	}
	return x
}

func checkQuotients(t *testing.T, k kernel, x []float32, scale float32) {
	t.Helper()
	codes, sums := make([]byte, len(x)), emptySums()
	k.encode(codes, x, []float32{scale}, len(x), &sums)
	var clipped, zeros int64
	for i, v := range x {
		quotient := float64(float32(float64(v) / float64(scale)))
		want := int8(math.RoundToEven(math.Max(-127, math.Min(127, quotient))))
		if got := int8(codes[i]); got != want {
			t.Fatalf("%s: %v with scale %v has code %d, want %d", k.name, v, scale, got, want)
		}
		if math.Abs(quotient) >= 127.5 {
			clipped++
		}
		if want == 0 {
			zeros++
		}
	}
	if sums.clipped != clipped || sums.zeros != zeros {
		t.Fatalf("%s: scale %v clips %d and makes %d zeros, want %d and %d", k.name, scale, sums.clipped, sums.zeros, clipped, zeros)
	}
}

func TestErrorIsHalfAScale(t *testing.T) {
	eachDataset(t, 3, checkBound)
}

// checkBound holds codes to what the documentation promises.
func checkBound(t *testing.T, x []float32, cols int, s Scheme) {
	m := stored(t, x, cols, s, fastest)
	f := m.tally.Figures()
	if s.Clip == AbsMax && f.Clipped != 0 {
		t.Fatalf("%v, %d columns: %d elements clipped", s, cols, f.Clipped)
	}
	beyond := int64(0)
	for i, y := range m.values() {
		switch scale := float64(m.scale(i)); {
		case int8(m.codes[i]) == -128:
			t.Fatalf("%v, %d columns: code −128 for %v", s, cols, x[i])
		case !storable(x[i/cols*cols:(i/cols+1)*cols], s):
			if m.codes[i] != 0 || scale != 0 {
				t.Fatalf("%v, %d columns: code %d in a row that can't be stored", s, cols, m.codes[i])
			}
		case scale == 0 && x[i] != 0:
			t.Fatalf("%v, %d columns: scale 0 for %v", s, cols, x[i])
		case !(math.Abs(float64(x[i])-float64(y)) <= scale/2*(1+0x1p-16)):
			beyond++
		}
	}
	if beyond > f.Clipped {
		t.Fatalf("%v, %d columns: %d elements err by more than half a scale, %d are clipped", s, cols, beyond, f.Clipped)
	}
}

// TestScaleFor tries all f16 scales and the numbers around them.
func TestScaleFor(t *testing.T) {
	s := scheme(0, dtype.F16, AbsMax)
	for code := range uint16(0x7c00) {
		for _, factor := range []float32{126.9, 127, 127.06, 127.4, 127.49999, 127.5, 128} {
			peak := dtype.F16ToFloat32(code) * factor
			scale, ok := s.scaleFor(peak)
			if !ok {
				if peak < 127.5*65504 {
					t.Fatalf("%v has no scale", peak)
				}
				continue
			}
			if s.round(scale) != scale || peak > 0 && !(peak/scale < beyond) {
				t.Fatalf("%v has scale %v", peak, scale)
			}
			if next := s.next(scale); math.Abs(float64(next)-float64(peak)/127) < math.Abs(float64(scale)-float64(peak)/127) && scale < 65504 {
				t.Fatalf("%v has scale %v, though %v is nearer", peak, scale, next)
			}
		}
	}
}

func TestCorners(t *testing.T) {
	inf := math.Inf(1)
	const sub, max32 = math.SmallestNonzeroFloat32, math.MaxFloat32
	f32, f16 := scheme(0, dtype.F32, AbsMax), scheme(0, dtype.F16, AbsMax)
	for _, c := range []struct {
		name  string
		s     Scheme
		x     []float64
		scale float64
		codes []int8
	}{
		{"ordinary", f32, []float64{1.27, -0.005, 0.015, 0.64}, float64(float32(1.27) / 127), []int8{127, 0, 2, 64}},
		{"ties to even", f32, []float64{127, 0.5, 1.5, -2.5, 126.5}, 1, []int8{127, 0, 2, -2, 126}},
		{"zeros", f32, []float64{0, math.Copysign(0, -1)}, 0, []int8{0, 0}},
		{"the least number", f32, []float64{sub, -sub}, sub, []int8{1, -1}},
		{"as many steps as codes", f32, []float64{127 * sub, -126 * sub}, sub, []int8{127, -126}},
		{"one step more", f32, []float64{128 * sub, -sub}, 2 * sub, []int8{64, 0}},
		{"rounded up", f32, []float64{190 * sub, 2 * sub}, 2 * sub, []int8{95, 1}},
		{"the largest number", f32, []float64{max32, -max32 / 2}, 8454659 * 0x1p98, []int8{127, -64}},
		{"f16, ordinary", f16, []float64{127, 1}, 1, []int8{127, 1}},
		{"f16, below its least scale", f16, []float64{1e-10, 0}, 0x1p-24, []int8{0, 0}},
		{"f16, at its least scale", f16, []float64{127 * 0x1p-24, 0x1p-24}, 0x1p-24, []int8{127, 1}},
		{"f16, rounded up", f16, []float64{190 * 0x1p-24, 0}, 0x1p-23, []int8{95, 0}},
		{"f16, its largest scale", f16, []float64{127.4 * 65504, 65504}, 65504, []int8{127, 1}},
		{"f16, overflow", f16, []float64{127.5 * 65504, 65504}, 0, []int8{0, 0}},
		{"f16, the largest number", f16, []float64{max32, 1}, 0, []int8{0, 0}},
		{"NaN", f32, []float64{1, math.NaN()}, 0, []int8{0, 0}},
		{"Inf", f32, []float64{1, inf}, 0, []int8{0, 0}},
		{"-Inf", f16, []float64{-inf, 1}, 0, []int8{0, 0}},
	} {
		x := make([]float32, len(c.x))
		for i := range x {
			x[i] = float32(c.x[i])
		}
		for _, k := range kernels() {
			m := stored(t, x, len(x), c.s, k)
			if got := float64(m.scale(0)); got != c.scale {
				t.Errorf("%s, %s: scale %v, want %v", c.name, k.name, got, c.scale)
			}
			for i, want := range c.codes {
				if got := int8(m.codes[i]); got != want {
					t.Errorf("%s, %s: code %d is %d, want %d", c.name, k.name, i, got, want)
				}
			}
			seen := m.tally.NaN.Count + m.tally.Inf.Count + m.tally.Overflow.Count
			if refused := c.scale == 0 && c.x[0] != 0; refused != (seen == 1) {
				t.Errorf("%s, %s: %d elements that can't be stored were seen", c.name, k.name, seen)
			}
		}
	}
}

func TestQuantizeRefuses(t *testing.T) {
	good := scheme(32, dtype.F32, AbsMax)
	for name, c := range map[string]struct {
		codes, scales, values, rows, cols int
		s                                 Scheme
	}{
		"too few codes":         {63, 8, 64, 1, 64, good},
		"too few scales":        {64, 4, 64, 1, 64, good},
		"scales of f16":         {64, 8, 64, 1, 64, scheme(32, dtype.F16, AbsMax)},
		"too many values":       {64, 8, 65, 1, 64, good},
		"negative rows":         {0, 0, 0, -1, 64, good},
		"rows that overflow":    {0, 0, 0, math.MaxInt, 64, good},
		"a group of 16":         {64, 16, 64, 1, 64, scheme(16, dtype.F32, AbsMax)},
		"a group of -32":        {64, 16, 64, 1, 64, scheme(-32, dtype.F32, AbsMax)},
		"scales of bf16":        {64, 2, 64, 1, 64, scheme(0, dtype.BF16, AbsMax)},
		"no type of scale":      {64, 4, 64, 1, 64, scheme(0, dtype.Invalid, AbsMax)},
		"a clipping unheard of": {64, 4, 64, 1, 64, scheme(0, dtype.F32, 2)},
	} {
		if _, err := Quantize(make([]byte, c.codes), make([]byte, c.scales), make([]float32, c.values), c.rows, c.cols, c.s); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestEmptyMatrices(t *testing.T) {
	for _, shape := range [][2]int{{0, 0}, {0, 64}, {5, 0}} {
		tally, err := Quantize(nil, nil, nil, shape[0], shape[1], scheme(32, dtype.F16, MSE))
		if err != nil || tally.Elements() != 0 || tally.Rows() != int64(shape[0]) {
			t.Errorf("%v: %d elements in %d rows, %v", shape, tally.Elements(), tally.Rows(), err)
		}
	}
}

func TestNames(t *testing.T) {
	for want, s := range map[string]Scheme{
		"int8":             scheme(0, dtype.F32, AbsMax),
		"int8-g32-f16":     scheme(32, dtype.F16, AbsMax),
		"int8-g64-mse":     scheme(64, dtype.F32, MSE),
		"int8-f16-mse":     scheme(0, dtype.F16, MSE),
		"int8-g32-invalid": scheme(32, dtype.F32, 7),
	} {
		if got := s.String(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	for _, c := range []Clip{AbsMax, MSE} {
		if got, err := ParseClip(c.String()); err != nil || got != c {
			t.Errorf("%v reads back as %v, %v", c, got, err)
		}
	}
	if _, err := ParseClip("invalid"); err == nil {
		t.Error("an unknown clipping is taken")
	}
}
