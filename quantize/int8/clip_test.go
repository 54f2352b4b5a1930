package int8

import (
	"math"
	"math/rand/v2"
	"testing"

	"colakit/formats/dtype"
)

// squaredError is Σ(x − float32(q)·s)² in float64, for a group encoded with scale s.
func squaredError(x []float32, s float32) (sum float64) {
	if s == 0 {
		return 0
	}
	for _, v := range x {
		q := math.RoundToEven(math.Max(-127, math.Min(127, float64(v/s))))
		d := float64(v) - float64(float32(q)*s)
		sum += d * d
	}
	return sum
}

func TestClippingIsNeverWorse(t *testing.T) {
	eachDataset(t, 3, checkClipping)
}

// checkClipping compares every group and every row with AbsMax.
func checkClipping(t *testing.T, x []float32, cols int, s Scheme) {
	if s.Clip == MSE {
		checkClippingBy(t, fastest, x, cols, s)
	}
}

func checkClippingBy(t *testing.T, k kernel, x []float32, cols int, s Scheme) {
	clipped := stored(t, x, cols, s, k)
	s.Clip = AbsMax
	whole := stored(t, x, cols, s, fastest)
	for row := 0; row < len(x); row += cols {
		if !storable(x[row:row+cols], s) {
			continue
		}
		for from := row; from < row+cols; from += s.Width(cols) {
			group := x[from:min(from+s.Width(cols), row+cols)]
			a, b := clipped.scale(from), whole.scale(from)
			if a > b || (a == 0) != (b == 0) {
				t.Fatalf("%v, %d columns: scale %v, by the largest magnitude %v", s, cols, a, b)
			}
			if e, f := squaredError(group, a), squaredError(group, b); e > f*(1+1e-12) {
				t.Fatalf("%v, %d columns: error %v, by the largest magnitude %v", s, cols, e, f)
			}
		}
	}
	c, w := clipped.tally.Figures(), whole.tally.Figures()
	if !(c.RelL2 <= c.AbsMaxRelL2) || c.AbsMaxRelL2 != w.RelL2 {
		t.Fatalf("%v, %d columns: error %v, said to be %v by the largest magnitude, where it is %v", s, cols, c.RelL2, c.AbsMaxRelL2, w.RelL2)
	}
}

// TestClippingNearsTheOptimum compares the search with one in steps of 1/1024.
func TestClippingNearsTheOptimum(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 9))
	outliers := func(n int, share, size float64) []float32 {
		x := make([]float32, n)
		for i := range x {
			x[i] = float32(r.NormFloat64())
			if r.Float64() < share {
				x[i] *= float32(size)
			}
		}
		return x
	}
	heavy := make([]float32, 1<<15)
	fill(heavy, func() float64 { return math.Copysign(r.ExpFloat64(), r.Float64()-0.5) })
	for _, c := range []struct {
		name   string
		x      []float32
		gain   float64 // at least: error by the largest magnitude / error
		within float64 // of the least error; with few elements it is a jagged function
	}{
		{"normal", outliers(2048, 0, 0), 1, 1.01},
		{"few outliers", outliers(2048, 0.001, 8), 1.01, 1.01},
		{"one among many", append(outliers(1<<15, 0, 0), 6.5), 1.05, 1.0005},
		{"one of 100 deviations", append(outliers(2047, 0, 0), 100), 1, 1.01},
		{"groups", outliers(32, 0, 0), 1, 1.1},
		{"heavy tails", heavy, 1.1, 1.0005},
	} {
		s := scheme(0, dtype.F32, MSE)
		got := stored(t, c.x, len(c.x), s, fastest)
		widest := stored(t, c.x, len(c.x), scheme(0, dtype.F32, AbsMax), fastest).scale(0)
		least := math.Inf(1)
		for f := range 1024 {
			least = min(least, squaredError(c.x, widest*float32(f+1)/1024))
		}
		found := squaredError(c.x, got.scale(0))
		if !(found <= least*c.within) {
			t.Errorf("%s: error %v, the least is %v", c.name, found, least)
		}
		if gain := squaredError(c.x, widest) / found; !(gain >= c.gain) {
			t.Errorf("%s: clipping makes the error %v times smaller, want %v", c.name, gain, c.gain)
		}
	}
}

// TestSearchBeatsTheGrid compares the search, which stops early, with all 64
// factors. It reckons in float32, so it may miss the least error by a little.
func TestSearchBeatsTheGrid(t *testing.T) {
	eachDataset(t, 1, func(t *testing.T, x []float32, cols int, s Scheme) {
		widest, ok := s.scaleFor(math.Float32frombits(peakOf(x)))
		if s.Clip != MSE || !ok || widest < leastSearched {
			return
		}
		e := newEncoder(cols, s, fastest)
		found := squaredError(x, e.search(x, widest))
		for f := 8; f <= units; f += 8 {
			if err := squaredError(x, s.narrowed(widest, f)); !(found <= err*1.001) {
				t.Fatalf("%v, %d columns: error %v, at factor %d/%d it is %v", s, cols, found, f, units, err)
			}
		}
	})
}

// TestSearchPassesAHump has its least error where all elements but one are on
// codes, beyond factors that get worse and worse.
func TestSearchPassesAHump(t *testing.T) {
	x := make([]float32, 90000)
	for i := range x {
		x[i] = float32(i%64) + 0.5
	}
	x[0] = 127
	if got := stored(t, x, len(x), scheme(0, dtype.F32, MSE), fastest).scale(0); got != 0.5 {
		t.Errorf("scale %v, want 0.5", got)
	}
}

// TestClippingTrustsNoSearch lets a search insist on a scale that serves one
// group, whose elements lie between codes otherwise, and harms the others, whose
// elements lie on codes: these keep their own.
func TestClippingTrustsNoSearch(t *testing.T) {
	const groups, insisted = 4, 508.0 / units
	x := make([]float32, groups*32)
	for i := range x {
		x[i] = float32(i*37%127) + 0.5
		if i >= 32 {
			x[i] -= 0.5
		}
		if i%32 == 0 {
			x[i] = 127
		}
	}
	k := plain
	k.trial = func(x []float32, inverses *[trials]float32) (sums [trials]float32) {
		for t, inverse := range inverses {
			sums[t] = (abs(1/inverse-insisted) + 0.001) * inverse * inverse
		}
		return sums
	}
	checkClippingBy(t, k, x, len(x), scheme(32, dtype.F32, MSE))
	m := stored(t, x, len(x), scheme(32, dtype.F32, MSE), k)
	for g, want := range []float32{insisted, 1, 1, 1} {
		if got := m.scale(32 * g); got != want {
			t.Errorf("group %d has scale %v, want %v", g, got, want)
		}
	}
}

func peakOf(x []float32) uint32 {
	var peak [1]uint32
	plainPeaks(peak[:], x, len(x))
	return peak[0]
}
