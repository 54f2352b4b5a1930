package ops

import (
	"math"
	"testing"

	"colakit/kernels/device/devicetest"
	"colakit/kernels/emulated"
	codec "colakit/quantize/int8"
)

type normCase struct {
	name        string
	x           host
	width       int
	gamma, beta []float32
	table       host // [lines, 2·cols]
	line        []int32
	add         host
	out         Type
	stride      int
}

func (c normCase) run(b *bench) []float32 {
	n := Norm{Eps: 1e-5}
	if c.gamma != nil {
		n.Gamma, n.Beta = b.vector(c.gamma), b.vector(c.beta)
	}
	if c.table.rows > 0 {
		n.Modulation.Lines = b.put(c.table)
		if c.line != nil {
			n.Modulation.Line = b.ints(c.line)
		}
	}
	if c.add.rows > 0 {
		n.Add = b.put(c.add)
	}
	y := b.fresh(c.out, c.x.rows, c.x.cols, c.stride)
	b.must(b.o.LayerNorm(y, Vector{}, b.put(c.x), c.width, n))
	return b.get(y)
}

func (c normCase) oracle() []estimate {
	var want []estimate
	for r := range c.x.rows {
		for i := range c.x.cols {
			run := c.x.row(r)[i/c.width*c.width:][:c.width]
			mean, variance := 0.0, 0.0
			for _, v := range run {
				mean += float64(v) / float64(c.width)
			}
			for _, v := range run {
				variance += (float64(v) - mean) * (float64(v) - mean) / float64(c.width)
			}
			rstd := 1 / math.Sqrt(variance+1e-5)
			y := (c.x.at(r, i) - mean) * rstd
			// mean and deviation err by √width roundings of sums of the run's magnitudes
			e := estimate{y, (4 + math.Sqrt(float64(c.width))) * unit(F32) * (math.Abs(y) + (math.Abs(mean)+math.Sqrt(variance))*rstd)}
			want = append(want, c.finish(e, r, i).rounded(c.out))
		}
	}
	return want
}

func (c normCase) finish(e estimate, r, i int) estimate {
	if c.gamma != nil {
		e = e.times(float64(c.gamma[i%c.width])).plus(float64(c.beta[i%c.width]))
	}
	if c.table.rows > 0 {
		line := r
		if c.line != nil {
			line = int(c.line[r])
		}
		scale := float64(rounded(float32(1+c.table.at(line, c.x.cols+i)), c.table.typ))
		e = e.times(scale).plus(c.table.at(line, i))
	}
	if c.add.rows > 0 {
		e = e.plus(c.add.at(r, i))
	}
	return e
}

func normCases() []normCase {
	line := []int32{2, 0, 1, 1, 2, 0, 2}
	return []normCase{
		{name: "bare", x: random(F32, 5, 300, 311, 2, 1), width: 300, out: F32, stride: 300},
		{name: "one element", x: random(F32, 3, 1, 4, 2, 1), width: 1, out: F32, stride: 2},
		{name: "affine, far from zero", x: numbers(F32, 4, 257, 257, vector(4*257, 40, 1, 2)), width: 257, gamma: vector(257, 1, 0.2, 3), beta: vector(257, 0, 1, 4), out: F16, stride: 260},
		{name: "modulated by a table", x: random(BF16, 7, 128, 128, 1, 5), width: 128, table: random(BF16, 3, 256, 259, 1, 6), line: line, out: BF16, stride: 128},
		{name: "modulated row by row", x: random(F16, 7, 130, 130, 1, 5), width: 130, table: random(F32, 7, 260, 260, 1, 6), out: F32, stride: 131},
		{name: "affine and modulated", x: random(BF16, 7, 64, 64, 1, 5), width: 64, gamma: vector(64, 1, 0.2, 3), beta: vector(64, 0, 1, 4), table: random(BF16, 3, 128, 128, 1, 6), line: line, out: BF16, stride: 64},
		{name: "plus the branch", x: random(F32, 6, 96, 97, 1, 7), width: 96, gamma: vector(96, 1, 0.2, 3), beta: vector(96, 0, 1, 4), add: random(BF16, 6, 96, 100, 1, 8), out: F32, stride: 96},
		{name: "all at multiples of 16 bytes", x: random(F32, 6, 104, 104, 1, 7), width: 104, gamma: vector(104, 1, 0.2, 3), beta: vector(104, 0, 1, 4), table: random(F32, 3, 208, 208, 1, 6), line: line[:6], add: random(F16, 6, 104, 112, 1, 8), out: F16, stride: 120},
		{name: "heads of a row", x: random(BF16, 3, 4*24, 300, 1, 9), width: 24, gamma: vector(24, 1, 0.2, 3), beta: vector(24, 0, 1, 4), out: F32, stride: 100},
	}
}

func TestLayerNorm(t *testing.T) {
	for _, c := range normCases() {
		t.Run(c.name, func(t *testing.T) { check(t, inEveryOrder(t, c.run), c.oracle()) })
	}
}

// TestQuantise expects the codec's codes and scales, to the bit.
func TestQuantise(t *testing.T) {
	const rows, cols, stride = 7, 37, 48
	x := random(BF16, rows, cols, 41, 3, 1)
	clear(x.values[cols : 2*cols])                   // a row of zeros
	x.values[2*cols+5] = float32(math.Ldexp(1, 100)) // one value that dwarfs the others
	for i := range cols {
		x.values[3*cols+i] = float32(math.Ldexp(float64(i-9), -133)) // subnormal scales
		x.values[4*cols+i] = float32(i-18) * 0.5                     // ties
	}
	x.values[4*cols] = 127 // of a scale of 1
	x = numbers(BF16, rows, cols, 41, x.values)
	codes, scales := make([]int8, rows*cols), make([]float32, rows)
	devicetest.Must(t, codec.QuantizeTokens(codes, scales, x.values, rows, cols))
	var want []float32
	for r := range rows {
		want = append(want, scales[r])
		for c := range stride {
			q := int8(0)
			if c < cols {
				q = codes[r*cols+c]
			}
			want = append(want, float32(q))
		}
	}
	got := inEveryOrder(t, func(b *bench) []float32 {
		q, scale := b.destination(rows, cols, stride)
		b.must(b.o.Quantise(q, scale, b.put(x), BF16))
		return b.getCodes(q, scale)
	})
	same(t, got, want)
}

func (b *bench) destination(rows, cols, stride int) (q Matrix, scale Vector) {
	q = Matrix{Buffer: devicetest.Alloc(b, b.o.device, int64(rows*stride)), Type: I8, Rows: rows, Cols: cols, Stride: stride}
	return q, Vector{Buffer: devicetest.Alloc(b, b.o.device, int64(4*rows)), Type: F32, N: rows}
}

// getCodes returns the scale and the codes up to the stride of every row.
func (b *bench) getCodes(q Matrix, scale Vector) []float32 {
	codes, scales := devicetest.Get[int8](b, b.o.device, q.Buffer), devicetest.Get[float32](b, b.o.device, scale.Buffer)
	var all []float32
	for r := range q.Rows {
		all = append(all, scales[r])
		for _, c := range codes[r*q.Stride : (r+1)*q.Stride] {
			all = append(all, float32(c))
		}
	}
	return all
}

// TestQuantiseNotFinite expects a row that is not finite to be codes of 0
// with a scale of NaN, and the rows beside it to be as they are alone.
func TestQuantiseNotFinite(t *testing.T) {
	x := random(F32, 3, 40, 40, 1, 1)
	x.values[45], x.values[90] = float32(math.NaN()), float32(math.Inf(-1))
	b := newBench(t, emulated.Options{})
	q, scale := b.destination(3, 40, 40)
	b.must(b.o.Quantise(q, scale, b.put(x), F32))
	got := b.getCodes(q, scale)
	for r, finite := range []bool{true, false, false} {
		row := got[41*r : 41*(r+1)]
		if (row[0] == row[0]) != finite || (row[1] != 0 || row[2] != 0) != finite {
			t.Errorf("row %d, finite %v: scale %v, codes %v", r, finite, row[0], row[1:])
		}
	}
}

// TestLayerNormIntoCodes expects the codes of the rounded norm: those of both
// operations one after the other.
func TestLayerNormIntoCodes(t *testing.T) {
	const rows, cols, stride = 5, 72, 80
	x, table := random(BF16, rows, cols, cols, 1, 1), random(BF16, rows, 2*cols, 2*cols, 1, 2)
	fused := inEveryOrder(t, func(b *bench) []float32 {
		q, scale := b.destination(rows, cols, stride)
		b.must(b.o.LayerNorm(q, scale, b.put(x), cols, Norm{Eps: 1e-6, Modulation: Table{Lines: b.put(table)}, Round: BF16}))
		return b.getCodes(q, scale)
	})
	apart := inEveryOrder(t, func(b *bench) []float32 {
		y := b.fresh(BF16, rows, cols, cols)
		b.must(b.o.LayerNorm(y, Vector{}, b.put(x), cols, Norm{Eps: 1e-6, Modulation: Table{Lines: b.put(table)}}))
		q, scale := b.destination(rows, cols, stride)
		b.must(b.o.Quantise(q, scale, y, BF16))
		return b.getCodes(q, scale)
	})
	same(t, fused, apart)
}
