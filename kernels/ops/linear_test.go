package ops

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"colakit/kernels/emulated"
)

// layerCase is a linear layer and the rows that it is applied to.
type layerCase struct {
	name    string
	x, w    host
	bias    []float32
	codes   []int8 // of int8 weights, in the place of w's values
	scales  host   // [Out, groups]
	group   int
	pairs   bool
	out     Type
	stride  int
	e       Epilogue
	gate    host // [lines, out]
	line    []int32
	resid   host
	noTiles bool
}

func (c *layerCase) weights() Weights {
	w := Weights{Type: c.w.typ, Out: c.w.rows, In: c.w.cols, Bias: c.bias, Pairs: c.pairs, Straight: c.noTiles}
	if c.codes == nil {
		w.Data = c.w.bytes()
		return w
	}
	w.Type, w.Group, w.ScaleType, w.Scales = I8, c.group, c.scales.typ, c.scales.bytes()
	for _, q := range c.codes {
		w.Data = append(w.Data, byte(q))
	}
	return w
}

func (c *layerCase) outputs() int {
	if c.pairs {
		return c.w.rows / 2
	}
	return c.w.rows
}

// run computes the layer.
func (c *layerCase) run(b *bench) []float32 {
	b.Helper()
	l := b.layer(c.weights())
	y := b.fresh(c.out, c.x.rows, c.outputs(), c.stride)
	b.must(b.o.Linear(y, b.put(c.x), Vector{}, l, c.epilogue(b)))
	return b.get(y)
}

func (b *bench) layer(w Weights) *Linear {
	b.Helper()
	t, err := Tile(w)
	b.must(err)
	l, buffer, err := b.o.Put(t)
	b.must(err)
	b.Cleanup(func() { b.o.device.Free(buffer) })
	return l
}

func (c *layerCase) epilogue(b *bench) Epilogue {
	e := c.e
	if c.gate.rows > 0 {
		e.Gate.Lines = b.put(c.gate)
		if c.line != nil {
			e.Gate.Line = b.ints(c.line)
		}
	}
	if c.resid.rows > 0 {
		e.Residual = b.put(c.resid)
	}
	return e
}

// weight returns the weight of input k for output n.
func (c *layerCase) weight(n, k int) float64 {
	if c.codes == nil {
		return c.w.at(n, k)
	}
	group := 0
	if c.group > 0 {
		group = k / c.group
	}
	return float64(c.codes[n*c.w.cols+k]) * c.scales.at(n, group)
}

// product estimates Σ x·w + b. A sum of K products in fp32 in any order errs by some
// √K roundings of partial sums, each at most Σ|x·w|.
func (c *layerCase) product(m, n int) estimate {
	sum, size := 0.0, 0.0
	for k := range c.x.cols {
		p := c.x.at(m, k) * c.weight(n, k)
		sum += p
		size += math.Abs(p)
	}
	e := estimate{sum, size * (2 + math.Sqrt(float64(c.x.cols))) * unit(F32)}
	if c.bias != nil {
		e = e.plus(float64(c.bias[n]))
	}
	e = e.rounded(c.e.Round)
	if limit := float64(c.e.Clip); limit > 0 {
		e.value = math.Max(-limit, math.Min(limit, e.value))
		e = e.rounded(c.e.Round)
	}
	return e
}

// oracle computes the layer in float64.
func (c *layerCase) oracle() []estimate {
	var want []estimate
	for m := range c.x.rows {
		for n := range c.outputs() {
			want = append(want, c.finish(c.activated(m, n), m, n))
		}
	}
	return want
}

func (c *layerCase) activated(m, n int) estimate {
	e := c.product(m, n)
	if c.pairs {
		gate := activationOracle(c.product(m, c.outputs()+n), SiLU).rounded(c.e.Round)
		return estimate{e.value * gate.value, e.err*math.Abs(gate.value) + gate.err*math.Abs(e.value) + e.err*gate.err}.rounded(c.e.Round)
	}
	if c.e.Activation == Identity {
		return e
	}
	return activationOracle(e, c.e.Activation).rounded(c.e.Round)
}

func (c *layerCase) finish(e estimate, m, n int) estimate {
	if c.gate.rows > 0 {
		line := m
		if c.line != nil {
			line = int(c.line[m])
		}
		e = e.times(c.gate.at(line, n)).rounded(c.e.Round)
	}
	if c.resid.rows > 0 {
		e = e.plus(c.resid.at(m, n)).rounded(c.e.Round)
	}
	return e.rounded(c.out)
}

// activationOracle applies an activation; its slope is below 1.13 for all of them.
func activationOracle(e estimate, f Activation) estimate {
	x := e.value
	switch f {
	case GELUTanh:
		x = 0.5 * x * (1 + math.Tanh(math.Sqrt(2/math.Pi)*(x+0.044715*x*x*x)))
	case GELU:
		x = 0.5 * x * (1 + math.Erf(x/math.Sqrt2))
	case SiLU:
		x /= 1 + math.Exp(-x)
	}
	return estimate{x, 1.13*e.err + 8*unit(F32)*(math.Abs(x)+math.Abs(e.value)*unit(F32))}
}

func codes(n int, seed uint64) []int8 {
	r := rand.New(rand.NewPCG(seed, 2))
	q := make([]int8, n)
	for i := range q {
		q[i] = int8(r.IntN(255) - 127)
	}
	return q
}

// layerCases are shapes with tails in every dimension, for every kind of weights;
// short runs leave out the largest products.
func layerCases() []layerCase {
	const short = 300_000
	shapes := []struct{ m, k, n, ldx int }{
		{1, 32, 16, 32}, {7, 40, 17, 48}, {8, 16, 64, 16}, {9, 100, 70, 107}, {17, 544, 130, 544}, {33, 264, 24, 272}, {70, 64, 80, 64}, {3, 1100, 20, 1104},
		{12, 72, 33, 72}, {20, 96, 24, 96}, {2, 40, 24, 40}, {5, 72, 16, 72}, {19, 72, 33, 72},
	}
	var cases []layerCase
	for i, s := range shapes {
		if testing.Short() && s.m*s.k*s.n > short {
			continue
		}
		seed := uint64(100 * i)
		for _, t := range []Type{BF16, F16} {
			x := random(t, s.m, s.k, s.ldx, 1, seed)
			plain := layerCase{name: fmt.Sprintf("%v [%d,%d]x[%d]", t, s.m, s.k, s.n), x: x, w: random(t, s.n, s.k, s.k, 0.1, seed+1), out: F32, stride: s.n + 3, e: Epilogue{Round: F32}}
			if i%2 == 1 {
				plain.bias = vector(s.n, 0, 1, seed+2)
			}
			cases = append(cases, plain)
			coded := plain
			coded.codes, coded.group = codes(s.n*s.k, seed+3), []int{0, 32, 64, 128}[i%4]
			groups := 1
			if coded.group > 0 {
				groups = ceil(s.k, coded.group)
			}
			coded.scales = numbers([]Type{F32, F16}[i/4%2], s.n, groups, groups, vector(s.n*groups, 0.01, 0.001, seed+4))
			coded.name = fmt.Sprintf("int8 groups of %d, %s", coded.group, plain.name)
			cases = append(cases, coded)
		}
		float := layerCase{name: fmt.Sprintf("f32 [%d,%d]x[%d]", s.m, s.k, s.n), x: random(F32, s.m, s.k, s.ldx, 1, seed), w: random(F32, s.n, s.k, s.k, 0.1, seed+1), out: F32, stride: s.n, bias: vector(s.n, 0, 1, seed+2), e: Epilogue{Round: F32}}
		cases = append(cases, float)
	}
	return append(cases, epilogueCases()...)
}

// epilogueCases are one shape with everything that can follow a product.
func epilogueCases() []layerCase {
	const m, k, n = 11, 96, 40
	base := layerCase{x: random(BF16, m, k, k, 1, 1), w: random(BF16, n, k, k, 0.2, 2), bias: vector(n, 0, 1, 3), out: BF16, stride: n + 5}
	var cases []layerCase
	for _, f := range []Activation{GELUTanh, GELU, SiLU} {
		c := base
		c.name, c.e = fmt.Sprintf("activation %d", f), Epilogue{Round: BF16, Activation: f}
		cases = append(cases, c)
		c.name, c.e.Round, c.out = c.name+" unrounded", F32, F32
		cases = append(cases, c)
	}
	gated := base
	gated.name, gated.e = "gate and residual", Epilogue{Round: BF16}
	gated.gate, gated.line = random(BF16, 3, n, n+1, 1, 4), []int32{0, 1, 2, 2, 1, 0, 0, 1, 2, 0, 1}
	gated.resid = random(BF16, m, n, n+2, 1, 5)
	identity := gated
	identity.name, identity.gate, identity.line = "gate of every row", random(BF16, m, n, n, 1, 6), nil
	wide := base
	wide.name, wide.e, wide.out, wide.resid = "clip and fp32 residual", Epilogue{Round: BF16, Clip: 1.3}, F32, random(F32, m, n, n, 1, 7)
	pairs := base
	pairs.name, pairs.e, pairs.pairs, pairs.stride = "swiglu", Epilogue{Round: BF16, Activation: SwiGLU}, true, n/2+1
	odd := pairs
	odd.name, odd.w, odd.bias, odd.out, odd.e.Round = "swiglu of 2 x 13 rows", random(BF16, 26, k, k, 0.2, 8), vector(26, 0, 1, 9), F32, F32
	straight := gated
	straight.name, straight.noTiles, straight.x = "weights of 16 bits as they are", true, random(F32, m, k, k+1, 1, 1)
	return append(cases, gated, identity, wide, pairs, odd, straight)
}

func TestLinear(t *testing.T) {
	for _, c := range layerCases() {
		t.Run(c.name, func(t *testing.T) { check(t, inEveryOrder(t, c.run), c.oracle()) })
	}
}

// TestLinearRounds expects the released contract's roundings to the bit, where the
// products' sums are exact in fp32.
func TestLinearRounds(t *testing.T) {
	const m, k, n = 5, 256, 48
	dyadic := func(rows int, seed uint64) []float32 {
		r := rand.New(rand.NewPCG(seed, 3))
		v := make([]float32, rows*k)
		for i := range v {
			v[i] = float32(r.IntN(31)-15) / 8
		}
		return v
	}
	c := layerCase{x: numbers(BF16, m, k, k, dyadic(m, 1)), w: numbers(BF16, n, k, k, dyadic(n, 2)), out: BF16, stride: n, e: Epilogue{Round: BF16, Clip: 21.3}}
	c.bias = numbers(BF16, 1, n, n, vector(n, 0, 4, 3)).values
	c.gate, c.resid = random(BF16, m, n, n, 1, 4), random(BF16, m, n, n, 2, 5)
	var want []float32
	for i := range m {
		for j := range n {
			sum := float32(0)
			for l := range k {
				sum += float32(c.x.at(i, l) * c.w.at(j, l))
			}
			y := rounded(sum+c.bias[j], BF16)
			y = rounded(min(max(y, -21.3), 21.3), BF16)
			y = rounded(y*float32(c.gate.at(i, j)), BF16)
			want = append(want, rounded(y+float32(c.resid.at(i, j)), BF16))
		}
	}
	same(t, inEveryOrder(t, c.run), want)
}

// TestLinearOfAnyBatch expects the same bits for a row whatever the other rows are
// and however many, in one launch and cut into several, with and without parts.
func TestLinearOfAnyBatch(t *testing.T) {
	for _, s := range []struct{ k, n int }{{256, 40}, {1024, 72}} {
		all := layerCase{x: random(F16, 150, s.k, s.k, 1, 1), w: random(F16, s.n, s.k, s.k, 0.1, 2), out: F32, stride: s.n, e: Epilogue{Round: F32}}
		b := newBench(t, emulated.Options{})
		together := all.run(b)
		for _, cut := range [][2]int{{0, 1}, {3, 11}, {60, 77}, {100, 150}} {
			some := all
			some.x = all.x.slice(cut[0], cut[1])
			same(t, some.run(b), together[cut[0]*s.n:cut[1]*s.n])
		}
		if p := b.o.plan(b.layer(all.weights()), b.put(all.x)); (p.parts > 1) != (s.k == 1024) {
			t.Errorf("%d columns are cut into %d parts", s.k, p.parts)
		}
	}
}

// TestLinearOfParts expects the same bits whichever part of the columns ends last.
func TestLinearOfParts(t *testing.T) {
	c := layerCase{x: random(F16, 5, 2560, 2560, 1, 1), w: random(F16, 24, 2560, 2560, 0.1, 2), out: F32, stride: 24, e: Epilogue{Round: F32}}
	b := newBench(t, emulated.Options{})
	if p := b.o.plan(b.layer(c.weights()), b.put(c.x)); p.parts < 3 {
		t.Fatalf("the plan %+v has too few parts", p)
	}
	check(t, inEveryOrder(t, c.run), c.oracle())
}

// TestLinearInManyLaunches runs rows that do not fit into the workspace at once.
func TestLinearInManyLaunches(t *testing.T) {
	if testing.Short() {
		t.Skip("not run: -short")
	}
	c := layerCase{x: random(BF16, 200, 1056, 1056, 1, 1), w: random(BF16, 640, 1056, 1056, 0.1, 2), out: F32, stride: 640, e: Epilogue{Round: F32}}
	c.line = make([]int32, 200)
	for i := range c.line {
		c.line[i] = int32(i % 7)
	}
	c.gate = random(F32, 7, 640, 640, 1, 3)
	b := newBench(t, emulated.Options{})
	if p := b.o.plan(b.layer(c.weights()), b.put(c.x)); p.parts < 2 || p.rows >= 200 {
		t.Fatalf("the plan %+v does not cut the rows", p)
	}
	got, some := c.run(b), c
	some.x, some.line = c.x.slice(190, 200), c.line[190:]
	same(t, got[190*640:], some.run(b))
	check(t, some.run(b), some.oracle())
}
