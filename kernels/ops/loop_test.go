package ops

import (
	"math"
	"testing"

	"colakit/kernels/device"
	"colakit/kernels/device/devicetest"
	"colakit/kernels/emulated"
	"colakit/reference/generate"
)

// contracts are the roundings of the two contracts.
var contracts = []struct {
	contract generate.Contract
	typ      Type
}{{generate.Exact, F32}, {generate.Released, BF16}}

// TestGuidedStep expects the loop's own values, to the bit.
func TestGuidedStep(t *testing.T) {
	const samples, each, cols, stride = 3, 4, 5, 7
	const rows = samples * each
	guidance, widths := []float32{7, 1, 3.3}, []float32{0.0625, 0.0624, 0.1}
	for _, c := range contracts {
		z, clean := random(F32, rows, cols, cols, 1, 1), random(F32, rows, cols, cols, 1, 2)
		cond, uncond := random(c.typ, rows, cols, stride, 1, 3), random(c.typ, rows, cols, stride, 1, 4)
		pinned := []int32{1, 1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0}
		v, err := generate.Guide(cond.values, uncond.values, guidance, c.contract)
		devicetest.Must(t, err)
		want := append([]float32{}, z.values...)
		devicetest.Must(t, generate.EulerStep(want, v, widths[1], c.contract))
		for r, p := range pinned {
			if p != 0 {
				copy(want[r*cols:(r+1)*cols], clean.row(r))
			}
		}
		got := inEveryOrder(t, func(b *bench) []float32 {
			s := Step{Guidance: b.vector(guidance), Width: b.vector(widths), Index: b.ints([]int32{0}), Each: each, Pinned: b.ints(pinned), Round: c.typ}
			s.Clean, s.Velocity = b.put0(F32, clean.values, rows, cols), b.fresh(F32, rows, cols, cols)
			state := b.put0(F32, z.values, rows, cols)
			b.must(b.o.NextStep(s.Index))
			b.must(b.o.GuidedStep(state, b.put(cond), b.put(uncond), s))
			return append(b.get(state), b.get(s.Velocity)...)
		})
		same(t, got, append(want, v...))
	}
}

// TestBrokenVelocities: a number that is none is noticed in either branch, in pinned
// rows too, and stays noticed.
func TestBrokenVelocities(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(-1))
	for _, c := range []struct {
		cond, uncond []float32
		want         int32
	}{
		{[]float32{1, 2}, []float32{3, math.MaxFloat32}, 0},
		{[]float32{nan, 2}, []float32{3, 4}, 1},
		{[]float32{1, 2}, []float32{3, inf}, 1},
	} {
		b := newBench(t, emulated.Options{})
		s := Step{Guidance: b.vector([]float32{1}), Width: b.vector([]float32{1}), Index: b.ints([]int32{0}), Each: 2, Round: F32}
		s.Pinned, s.Clean, s.Broken = b.ints([]int32{1, 0}), b.put0(F32, []float32{0, 0}, 2, 1), b.ints([]int32{0})
		z, good := b.put0(F32, []float32{0, 0}, 2, 1), b.put0(F32, []float32{1, 1}, 2, 1)
		b.must(b.o.GuidedStep(z, b.put0(F32, c.cond, 2, 1), b.put0(F32, c.uncond, 2, 1), s))
		b.must(b.o.GuidedStep(z, good, good, s))
		if got := devicetest.Get[int32](b, b.o.device, s.Broken.Buffer)[0]; got != c.want {
			t.Errorf("%v and %v: broken %d, wanted %d", c.cond, c.uncond, got, c.want)
		}
	}
}

func TestPinAndLines(t *testing.T) {
	pinned := []int32{0, 1, 1}
	b := newBench(t, emulated.Options{})
	z := b.put0(F32, []float32{1, 2, 3, 4, 5, 6}, 3, 2)
	b.must(b.o.Pin(z, b.ints(pinned), b.put0(F32, []float32{10, 20, 30, 40, 50, 60}, 3, 2)))
	same(t, b.get(z), []float32{1, 2, 30, 40, 50, 60})

	line := Vector{Buffer: devicetest.Alloc(b, b.o.device, 24), Type: I32, N: 6}
	b.must(b.o.TimestepLines(line, b.ints([]int32{7, 8, 9}), b.ints([]int32{2}), b.ints(pinned), 5, 3))
	for i, got := range devicetest.Get[int32](b, b.o.device, line.Buffer) {
		if want := []int32{9, 5, 5, 9, 5, 5}[i]; got != want {
			t.Errorf("row %d reads line %d, wanted %d", i, got, want)
		}
	}
}

// given are draws that a test has written down.
type given []float32

func (g given) Exponential(dst []float32) { copy(dst, g) }

// TestSampling expects the tokens that the reference chooses.
func TestSampling(t *testing.T) {
	const samples, each, vocab = 2, 2, 300
	rows := samples * each
	settings := []generate.Sampling{
		{RepetitionPenalty: 1.1}, {Temperature: 0.8, TopK: 50, TopP: 0.9, RepetitionPenalty: 1.1}, // these by short runs, too
		{RepetitionPenalty: 1},
		{Temperature: 1, RepetitionPenalty: 1}, {Temperature: 0.7, TopK: 5, RepetitionPenalty: 1.3}, {Temperature: 1.5, TopP: 0.6, RepetitionPenalty: 1},
		{Temperature: 1, TopK: 1, RepetitionPenalty: 1}, {Temperature: 1, TopP: 1e-9, RepetitionPenalty: 1},
	}
	if testing.Short() {
		settings = settings[:2]
	}
	for i, s := range settings {
		for _, c := range contracts {
			logits := random(c.typ, rows, vocab, vocab+2, 3, uint64(i+1))
			mark(logits)
			seen := [][]int32{{3, 8, 3, 400, -1, 100}, {200, 201, 202}}
			draws := make(given, rows*vocab)
			for j, v := range devicetest.Random(len(draws), 9) {
				draws[j] = v*v + 1e-3
			}
			want, err := generate.Sample(append([]float32{}, logits.values...), vocab, seen, s, c.contract, draws)
			devicetest.Must(t, err)
			got := inEveryOrder(t, func(b *bench) []float32 { return b.sample(logits, seen, s, c.typ, draws, each) })
			for r := range want {
				if got[r] != float32(want[r]) {
					t.Errorf("%+v, %v, row %d: token %v, the reference takes %d", s, c.contract, r, got[r], want[r])
				}
			}
			if broken := got[len(want):]; s.Greedy() {
				same(t, broken, []float32{1, 1, 0, 0})
			}
		}
	}
}

// mark puts ties, NaN and infinities among the logits.
func mark(logits host) {
	copy(logits.row(0), []float32{float32(math.NaN()), 20, 20, 20})
	copy(logits.row(1)[100:], []float32{float32(math.Inf(1)), float32(math.Inf(1)), float32(math.Inf(-1))})
	for i := range logits.row(2) {
		logits.row(2)[i] = float32(i % 3) // many equals
	}
	clear(logits.row(3))
}

// sample returns the tokens and, of greedy sampling, which rows had no finite numbers.
func (b *bench) sample(logits host, seen [][]int32, s generate.Sampling, round Type, draws []float32, each int) []float32 {
	marks := Vector{Buffer: devicetest.Alloc(b, b.o.device, int64(len(seen)*logits.cols)), Type: U8, N: len(seen) * logits.cols}
	b.must(b.o.device.Zero(marks.Buffer, 0, marks.Buffer.Bytes))
	for i, ids := range seen {
		mine := marks
		mine.Offset, mine.N = int64(i*logits.cols), logits.cols
		b.must(b.o.MarkSeen(mine, b.ints(ids), logits.cols, len(ids)))
	}
	o := Sampling{Each: each, Seen: marks, Penalty: float32(s.RepetitionPenalty), Round: round, Temperature: float32(s.Temperature), TopK: s.TopK, TopP: float32(s.TopP)}
	ids, broken := Vector{Buffer: devicetest.Alloc(b, b.o.device, int64(4*logits.rows)), Type: I32, N: logits.rows}, Vector{}
	if s.Greedy() {
		broken = Vector{Buffer: devicetest.Alloc(b, b.o.device, int64(4*logits.rows)), Type: I32, N: logits.rows}
		b.must(b.o.Argmax(ids, broken, b.put(logits), o))
	} else {
		b.must(b.o.Draw(ids, b.fresh(F32, logits.rows, logits.cols, logits.cols), b.put(logits), b.put0(F32, draws, logits.rows, logits.cols), o))
	}
	var all []float32
	for _, v := range []Vector{ids, broken} {
		if v.none() {
			continue
		}
		for _, id := range devicetest.Get[int32](b, b.o.device, v.Buffer) {
			all = append(all, float32(id))
		}
	}
	return all
}

// TestOneGraphForAllSteps replays a captured step.
func TestOneGraphForAllSteps(t *testing.T) {
	b := newBench(t, emulated.Options{})
	s := Step{Guidance: b.vector([]float32{1}), Width: b.vector([]float32{1, 10, 100}), Index: b.ints([]int32{0}), Each: 1, Round: F32}
	z, v, zero := b.put0(F32, []float32{0}, 1, 1), b.put0(F32, []float32{1}, 1, 1), b.put0(F32, []float32{0}, 1, 1)
	var graph device.Graph
	graph, err := b.o.device.Capture(func() error {
		if err := b.o.GuidedStep(z, v, zero, s); err != nil {
			return err
		}
		return b.o.NextStep(s.Index)
	})
	b.must(err)
	for range 3 {
		b.must(graph.Launch())
	}
	b.must(graph.Close())
	same(t, b.get(z), []float32{-111})
}
