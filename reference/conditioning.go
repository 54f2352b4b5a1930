package reference

import (
	"fmt"
	"math"
)

// Everything that AdaLN adds depends on the timestep alone, and a run uses few
// distinct timesteps: the schedule's, again for every block, and 0. A conditioner
// computes each of them once and keeps the results; released sizes then leave a
// third of the prior's parameters out of every pass but the first of its timestep.
// With an AdaLN table in their place, the results are all there is; see newTabled.
type conditioner[T number] struct {
	embedding *TimestepEmbedding[T] // nil: of a table
	linears   []*Linear[T]          // every AdaLN's, in the order of conditioning
	widths    []int                 // of their outputs

	line  map[uint64]int // timestep's bits → line of the outputs
	lines [][]T          // per linear: [len(line), out]
	room  int            // elements in lines beyond which everything is forgotten
}

// conditioning is what the timesteps of one pass contribute to the prior.
type conditioning[T number] struct {
	blocks []blockConditioning[T]
	out    shiftScale[T]
}

type blockConditioning[T number] struct {
	msaIn  shiftScale[T]
	msaOut table[T]
	mlpIn  shiftScale[T]
	mlpOut table[T]
}

func newConditioner[T number](e *TimestepEmbedding[T], blocks []*DiTBlock[T], out *Linear[T]) *conditioner[T] {
	c := &conditioner[T]{embedding: e, room: 64 << 20}
	for _, b := range blocks {
		c.linears = append(c.linears, b.Ada.MSAIn, b.Ada.MSAOut, b.Ada.MLPIn, b.Ada.MLPOut)
	}
	c.linears = append(c.linears, out)
	for _, l := range c.linears {
		c.widths = append(c.widths, l.out)
	}
	c.forget()
	return c
}

func (c *conditioner[T]) forget() {
	c.line = map[uint64]int{}
	c.lines = make([][]T, len(c.linears))
}

// condition returns the contributions of the timesteps t, one for each row. It
// shows the sinusoid and the embedding row by row; a replaced one is followed.
func (c *conditioner[T]) condition(p *pass[T], t []T) conditioning[T] {
	if c.embedding != nil {
		if emb, forced := c.observed(p, t); forced {
			return c.compute(p, emb)
		}
		c.learn(p, t)
	}
	of := make([]int, len(t))
	for r, at := range t {
		line, known := c.line[bits(at)]
		if !known {
			p.fail(fmt.Errorf("timestep %v is none of the %d that the model's AdaLN table holds", at, len(c.line)))
		}
		of[r] = line
	}
	return c.arrange(p, c.lines, of)
}

// observed shows what a tap wants of the way to the embedding, and reports whether
// the embedding [R, d] is another than t's own.
func (c *conditioner[T]) observed(p *pass[T], t []T) (emb value[T], forced bool) {
	if !p.wants("dit.", "emb.sinusoid") && !p.wants("dit.", "emb") {
		return emb, false
	}
	sin, forcedSin := p.exchange("dit.", "emb.sinusoid", sinusoid(p, t))
	emb, forcedEmb := p.exchange("dit.", "emb", c.embedding.forward(p, sin))
	return emb, forcedSin || forcedEmb
}

// compute returns the contributions of an embedding [R, d] that is no timestep's.
func (c *conditioner[T]) compute(p *pass[T], emb value[T]) conditioning[T] {
	outputs := c.outputs(p, emb)
	lines := make([][]T, len(outputs))
	for i, out := range outputs {
		lines[i] = out.data()
	}
	return c.arrange(p, lines, identity(emb.rows()))
}

// learn computes the lines of the timesteps that are new.
func (c *conditioner[T]) learn(p *pass[T], t []T) {
	if len(c.line)*c.width() > c.room {
		c.forget()
	}
	var fresh []T
	for _, at := range t {
		if _, known := c.line[bits(at)]; !known {
			c.line[bits(at)] = len(c.line)
			fresh = append(fresh, at)
		}
	}
	if len(fresh) == 0 {
		return
	}
	for i, out := range c.outputs(p, c.embedding.forward(p, sinusoid(p, fresh))) {
		c.lines[i] = append(c.lines[i], out.data()...)
	}
	if p.err != nil {
		c.forget()
	}
}

// outputs returns Linear(SiLU(emb)) of every AdaLN.
func (c *conditioner[T]) outputs(p *pass[T], emb value[T]) []value[T] {
	active := silu(p, emb)
	outputs := make([]value[T], len(c.linears))
	for i, l := range c.linears {
		outputs[i] = l.forward(p, active)
	}
	return outputs
}

// width returns the elements of one timestep's lines.
func (c *conditioner[T]) width() int {
	n := 0
	for _, w := range c.widths {
		n += w
	}
	return n
}

// arrange gives the lines of every linear to its place in the model.
func (c *conditioner[T]) arrange(p *pass[T], lines [][]T, of []int) conditioning[T] {
	at := func(i int) value[T] {
		m, err := matrixOf(lines[i], len(lines[i])/c.widths[i], c.widths[i])
		if err != nil {
			p.fail(err)
		}
		return value[T]{m, p.released}
	}
	gate := func(i int) table[T] { return table[T]{lines: at(i), of: of, to: c.widths[i]} }
	var out conditioning[T]
	for i := 0; i+4 < len(c.widths); i += 4 {
		out.blocks = append(out.blocks, blockConditioning[T]{
			msaIn: chunked(at(i), of), msaOut: gate(i + 1),
			mlpIn: chunked(at(i+2), of), mlpOut: gate(i + 3),
		})
	}
	out.out = chunked(at(len(c.widths)-1), of)
	return out
}

// bits identifies a timestep.
func bits[T number](t T) uint64 { return math.Float64bits(float64(t)) }
