package int8

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/x448/float16"

	"colakit/formats/dtype"
	"colakit/formats/tensor"
)

func scheme(group int, scale dtype.Type, clip Clip) Scheme {
	return Scheme{tensor.Quantization{Group: group, Scale: scale}, clip}
}

var schemes = []Scheme{
	scheme(0, dtype.F32, AbsMax),
	scheme(0, dtype.F16, AbsMax),
	scheme(32, dtype.F32, AbsMax),
	scheme(32, dtype.F16, AbsMax),
	scheme(64, dtype.F16, AbsMax),
	scheme(128, dtype.F16, AbsMax),
	scheme(0, dtype.F32, MSE),
	scheme(0, dtype.F16, MSE),
	scheme(32, dtype.F32, MSE),
	scheme(128, dtype.F16, MSE),
}

// widths have every tail of steps and of groups.
var widths = []int{1, 2, 7, 8, 15, 16, 17, 31, 32, 33, 48, 63, 64, 65, 96, 100, 127, 128, 129, 160, 255, 300}

// matrix is a stored one.
type matrix struct {
	Scheme
	rows, cols int
	x          []float32
	codes      []byte
	scales     []byte
	tally      Tally
}

// stored encodes x and surrounds what is written by a margin that must stay as it is.
func stored(t testing.TB, x []float32, cols int, s Scheme, k kernel) matrix {
	t.Helper()
	const margin, filler = 64, 0x5a
	rows := len(x) / cols
	m := matrix{Scheme: s, rows: rows, cols: cols, x: x}
	whole := [2][]byte{make([]byte, len(x)+2*margin), make([]byte, rows*s.ScalesPerRow(cols)*s.Scale.Size()+2*margin)}
	for _, b := range whole {
		for i := range b {
			b[i] = filler
		}
	}
	m.codes, m.scales = whole[0][margin:len(whole[0])-margin], whole[1][margin:len(whole[1])-margin]
	var err error
	if m.tally, err = quantize(m.codes, m.scales, x, rows, cols, s, k); err != nil {
		t.Fatal(err)
	}
	for _, b := range whole {
		for i := range margin {
			if b[i] != filler || b[len(b)-1-i] != filler {
				t.Fatalf("%s, %v, %d columns: wrote beyond the end", k.name, s, cols)
			}
		}
	}
	return m
}

// scale returns the scale of element i.
func (m matrix) scale(i int) float32 {
	return m.At(m.scales, i/m.cols*m.ScalesPerRow(m.cols)+i%m.cols/m.Width(m.cols))
}

// values returns what the codes stand for.
func (m matrix) values() []float32 {
	y := make([]float32, len(m.x))
	for i := range y {
		y[i] = float32(int8(m.codes[i])) * m.scale(i)
	}
	return y
}

// defined returns the codes and scales that the package's documentation gives a
// group under AbsMax, by other means than the package: in float64, with the
// reference conversion to float16.
func defined(x []float32, scale dtype.Type) (codes []int8, s float32) {
	narrow := func(x float32) float32 { return x }
	next := func(x float32, up float32) float32 { return math.Nextafter32(x, up) }
	if scale == dtype.F16 {
		narrow = func(x float32) float32 { return float16.Fromfloat32(x).Float32() }
		next = func(x float32, up float32) float32 {
			code := float16.Fromfloat32(x).Bits()
			if up > x {
				return float16.Frombits(code + 1).Float32()
			}
			return float16.Frombits(code - 1).Float32()
		}
	}
	quotient := func(x float32) float64 { return float64(float32(float64(x) / float64(s))) }
	a := float32(0)
	for _, v := range x {
		a = float32(math.Max(float64(a), math.Abs(float64(v))))
	}
	codes = make([]int8, len(x))
	if a == 0 {
		return codes, 0
	}
	s = narrow(float32(float64(a) / 127))
	for math.IsInf(float64(float32(127*float64(s))), 0) {
		s = next(s, 0)
	}
	for math.RoundToEven(quotient(a)) > 127 {
		s = next(s, math.MaxFloat32)
	}
	for i, v := range x {
		q := math.RoundToEven(math.Max(-127, math.Min(127, quotient(v))))
		codes[i] = int8(q)
	}
	return codes, s
}

// weights returns n values as those of a trained matrix.
func weights(n int) []float32 {
	r := rand.New(rand.NewPCG(7, 7))
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(r.NormFloat64() * 0.03)
	}
	return x
}

// datasets are kinds of matrices, by what is special about them.
var datasets = map[string]func(r *rand.Rand, x []float32){
	"normal": func(r *rand.Rand, x []float32) { fill(x, func() float64 { return r.NormFloat64() * 0.03 }) },
	"outliers": func(r *rand.Rand, x []float32) {
		fill(x, func() float64 { return 1e-3 * math.Pow(r.NormFloat64(), 5) })
	},
	"sparse": func(r *rand.Rand, x []float32) {
		fill(x, func() float64 { return max(0, r.NormFloat64()-1.5) })
	},
	"zeros":     func(r *rand.Rand, x []float32) { fill(x, func() float64 { return math.Copysign(0, r.Float64()-0.5) }) },
	"subnormal": func(r *rand.Rand, x []float32) { fill(x, func() float64 { return (r.Float64() - 0.5) * 0x1p-139 }) },
	"tiny":      func(r *rand.Rand, x []float32) { fill(x, func() float64 { return r.NormFloat64() * 1e-7 }) },
	"huge": func(r *rand.Rand, x []float32) {
		fill(x, func() float64 { return (r.Float64() - 0.5) * 2 * math.MaxFloat32 })
	},
	"all magnitudes": func(r *rand.Rand, x []float32) {
		fill(x, func() float64 { return math.Ldexp(r.Float64()-0.5, r.IntN(270)-148) })
	},
	"ties": func(r *rand.Rand, x []float32) {
		fill(x, func() float64 { return float64(r.IntN(255)-127) / 2 })
		x[0] = 127
	},
	"any bits": func(r *rand.Rand, x []float32) {
		for i := range x {
			x[i] = math.Float32frombits(r.Uint32())
		}
	},
	"a NaN":    func(r *rand.Rand, x []float32) { spoil(r, x, math.NaN()) },
	"an Inf":   func(r *rand.Rand, x []float32) { spoil(r, x, math.Inf(-1)) },
	"overflow": func(r *rand.Rand, x []float32) { spoil(r, x, 1e7) },
}

func fill(x []float32, next func() float64) {
	for i := range x {
		x[i] = float32(next())
	}
}

func spoil(r *rand.Rand, x []float32, value float64) {
	fill(x, r.NormFloat64)
	x[r.IntN(len(x))] = float32(value)
}

// eachDataset runs test for all kinds of data, widths and schemes.
func eachDataset(t *testing.T, rows int, test func(t *testing.T, x []float32, cols int, s Scheme)) {
	for name, data := range datasets {
		t.Run(name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(3, uint64(len(name))))
			for _, cols := range widths {
				x := make([]float32, rows*cols)
				data(r, x)
				for _, s := range schemes {
					test(t, x, cols, s)
				}
			}
		})
	}
}

func finite(x []float32) bool {
	for _, v := range x {
		if math.IsInf(float64(v), 0) || v != v {
			return false
		}
	}
	return true
}
