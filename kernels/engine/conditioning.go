package engine

import (
	"fmt"
	"math"
	"slices"

	"colakit/formats/hf"
	"colakit/kernels/device"
	"colakit/kernels/ops"
	"colakit/reference/generate"
)

// conditioner gives what AdaLN adds, which depends on the timestep alone: it computes
// a line of all modulations for each timestep, once, and keeps them on the device.
// With an AdaLN table in the model, or a schedule that the engine is made for, its lines
// are all there are.
type conditioner struct {
	embedding *timestepEmbedding // nil: all lines are there
	linears   []*linear          // every AdaLN's, in the order of a line; nil: all lines are there
	widths    []int              // of their outputs
	frequency ops.Vector         // of the sinusoid

	line  map[float32]int // timestep, rounded as the contract does → line
	lines ops.Matrix      // [capacity, width]
	grown int             // how often it was reallocated; recorded launches hold addresses
}

// timestepEmbedding is sinusoid → Linear → SiLU → Linear → SiLU → Linear.
type timestepEmbedding struct {
	projIn, projHid, projOut *linear // [d, 256], [d, d], [e, d]
}

// maxLines is the number of timesteps beyond which all are forgotten.
const maxLines = 4096

func newConditioner(l *loader, c hf.DiTConfig) *conditioner {
	k := &conditioner{line: map[float32]int{}}
	for _, m := range c.Modulations() {
		k.widths = append(k.widths, m.Width)
	}
	if s := l.engine.schedule; s != nil {
		k.tabled(l, *s)
		return k
	}
	if s := l.engine.options.Schedule; s != nil && k.worthwhile(l.engine, c, *s) {
		k.once(l, c, *s)
		return k
	}
	k.embed(l, c)
	for _, m := range c.Modulations() {
		k.linears = append(k.linears, l.linear(m.Module, m.Width, c.EmbDim, true))
	}
	return k
}

// embed loads the timestep embedding.
func (k *conditioner) embed(l *loader, c hf.DiTConfig) {
	d := c.TxtDim
	k.embedding = &timestepEmbedding{
		projIn:  l.linear(hf.DiTEmbProjIn, d, hf.SinusoidDim, true),
		projHid: l.linear(hf.DiTEmbProjHid, d, d, true),
		projOut: l.linear(hf.DiTEmbProjOut, c.EmbDim, d, true),
	}
	k.frequency = l.floats(sinusoidFrequencies())
}

// sinusoidFrequencies returns f_i = e^(−ln(10000)·i/128), in float32 as PyTorch does.
func sinusoidFrequencies() []float32 {
	const half = hf.SinusoidDim / 2
	f := make([]float32, half)
	for i := range f {
		f[i] = float32(math.Exp(float64(float32(float32(-math.Log(10000))*float32(i)) / half)))
	}
	return f
}

// tabled takes over the lines of the model's AdaLN table.
func (k *conditioner) tabled(l *loader, s hf.Schedule) {
	if l.err != nil {
		return
	}
	view, used, err := generate.ReadModulations(l.src, s, l.engine.options.Contract, k.width())
	var values []float32
	if err == nil {
		values, err = view.Float32s()
	}
	if l.err = err; err != nil {
		return
	}
	for i, at := range used {
		k.line[at] = i // timesteps that are rounded to the same one have the same line
	}
	t := l.engine.types.wide
	raw := viewOf("", values, t, view.Shape).Data
	k.lines = ops.MatrixOf(l.upload(raw), t, len(used), k.width())
}

func (k *conditioner) width() int {
	n := 0
	for _, w := range k.widths {
		n += w
	}
	return n
}

// condition is what the timesteps of a pass contribute: the lines that its rows read.
type condition struct {
	lines ops.Matrix
	of    []int32 // row → line
	line  ops.Vector
	next  int // column of the modulation that comes next
}

// condition learns the timesteps and returns their contribution. The sinusoid and the
// embedding are shown row by row; a replaced one is followed.
func (k *conditioner) condition(p *pass, t []float32) *condition {
	if k.embedding != nil && (p.wants("dit.", "emb.sinusoid") || p.wants("dit.", "emb")) {
		return k.observed(p, t)
	}
	if k.embedding != nil {
		k.learn(p, t)
	}
	of, err := k.linesOf(t)
	p.fail(err)
	return &condition{lines: k.lines, of: of, line: p.ints(of)}
}

// linesOf returns the lines of timesteps, which have to be known.
func (k *conditioner) linesOf(t []float32) ([]int32, error) {
	of := make([]int32, len(t))
	for r, at := range t {
		line, known := k.line[at]
		if !known {
			return of, fmt.Errorf("timestep %v is none of the %d whose modulations there are", at, len(k.line))
		}
		of[r] = int32(line)
	}
	return of, nil
}

// observed computes a line for every row of the pass, by what a tap makes of the way.
func (k *conditioner) observed(p *pass, t []float32) *condition {
	lines := p.matrix(p.types.wide, len(t), k.width())
	k.compute(p, lines, t)
	of := make([]int32, len(t))
	for i := range of {
		of[i] = int32(i)
	}
	return &condition{lines: lines, of: of, line: p.ints(of)}
}

// learn computes the lines of the timesteps that are new.
func (k *conditioner) learn(p *pass, t []float32) {
	fresh := k.unknown(t)
	if len(fresh) == 0 {
		return
	}
	if len(k.line)+len(fresh) > maxLines {
		clear(k.line)
		fresh = k.unknown(t)
	}
	first := len(k.line)
	p.do(func() error { return k.reserve(p.engine, first+len(fresh)) })
	if p.err != nil {
		return
	}
	k.compute(p, k.lines.Slice(first, first+len(fresh)), fresh)
	if p.err != nil {
		return
	}
	for i, at := range fresh {
		k.line[at] = first + i
	}
}

// unknown returns the distinct timesteps that have no line.
func (k *conditioner) unknown(t []float32) []float32 {
	var fresh []float32
	for _, at := range t {
		if _, known := k.line[at]; !known && !slices.Contains(fresh, at) {
			fresh = append(fresh, at)
		}
	}
	return fresh
}

// reserve makes room for n lines and keeps those that are there.
func (k *conditioner) reserve(e *engine, n int) error {
	if n <= k.lines.Rows {
		return nil
	}
	n = max(n, 2*k.lines.Rows, 32)
	t := e.types.wide
	b, err := e.device.Alloc(int64(n) * int64(k.width()) * int64(t.Size()))
	if err != nil {
		return err
	}
	if old := k.lines; old.Rows > 0 {
		if err := e.device.Copy(b, 0, old.Buffer, 0, old.Buffer.Bytes); err != nil {
			return err
		}
		if err := e.drop(old.Buffer); err != nil {
			return err
		}
	}
	e.weights = append(e.weights, b)
	k.lines = ops.MatrixOf(b, t, n, k.width())
	k.grown++
	return nil
}

// drop frees a buffer that is kept among the weights.
func (e *engine) drop(b device.Buffer) error {
	e.weights = slices.DeleteFunc(e.weights, func(w device.Buffer) bool { return w == b })
	return e.device.Free(b)
}

// compute computes the lines of the timesteps t.
func (k *conditioner) compute(p *pass, lines ops.Matrix, t []float32) {
	active := k.active(p, t)
	column := 0
	for i, l := range k.linears {
		l.forward(p, lines.Columns(column, column+k.widths[i]), p.narrow(active, l), ops.Epilogue{})
		column += k.widths[i]
	}
}

// active returns what every AdaLN layer is given for the timesteps t.
func (k *conditioner) active(p *pass, t []float32) ops.Matrix {
	e, act := k.embedding, p.types.act
	at := p.floats(t, len(t), 1)
	sinusoid := p.matrix(p.types.act, len(t), hf.SinusoidDim)
	times := ops.Vector{Buffer: at.Buffer, Offset: at.Offset, Type: ops.F32, N: len(t)}
	p.do(func() error { return p.ops.Sinusoid(sinusoid, times, k.frequency, ops.F32) })
	p.see("dit.", "emb.sinusoid", sinusoid)
	x := p.matrix(act, len(t), e.projIn.Out)
	e.projIn.forward(p, x, p.narrow(sinusoid, e.projIn), ops.Epilogue{Activation: ops.SiLU})
	y := p.matrix(act, len(t), e.projHid.Out)
	e.projHid.forward(p, y, p.narrow(x, e.projHid), ops.Epilogue{Activation: ops.SiLU})
	emb := e.projOut.apply(p, y, p.types.wide)
	p.see("dit.", "emb", emb)
	active := p.matrix(act, len(t), e.projOut.Out)
	p.do(func() error { return p.ops.Activate(active, emb, ops.SiLU) })
	return active
}

// shiftScale returns the next modulation of 2·d columns, shift and scale.
func (c *condition) shiftScale(p *pass, d int, module, shift, scale string) ops.Table {
	return c.take(p, module, []string{shift, scale}, d)
}

// gate returns the next modulation of d columns.
func (c *condition) gate(p *pass, d int, module, op string) ops.Table {
	return c.take(p, module, []string{op}, d)
}

// take returns the next columns, one run of d for each name, after showing each as
// [R, d]; a replaced one has a line for every row.
func (c *condition) take(p *pass, module string, names []string, d int) ops.Table {
	m := c.lines.Columns(c.next, c.next+d*len(names))
	c.next += m.Cols
	if !slices.ContainsFunc(names, func(op string) bool { return p.wants(module, op) }) {
		return ops.Table{Lines: m, Line: c.line}
	}
	rows, err := p.load(m)
	if err != nil {
		p.fail(err)
		return ops.Table{}
	}
	full, width := make([]float32, len(c.of)*m.Cols), m.Cols
	for r, line := range c.of {
		copy(full[r*width:], rows[int(line)*width:(int(line)+1)*width])
	}
	out := p.floatsOf(full, m.Type, len(c.of), width)
	for i, op := range names {
		p.see(module, op, out.Columns(i*d, (i+1)*d))
	}
	return ops.Table{Lines: out}
}

// floatsOf uploads values as rows of the given type.
func (p *pass) floatsOf(values []float32, t ops.Type, rows, cols int) ops.Matrix {
	m := p.matrix(t, rows, cols)
	p.do(func() error { return p.store(m, values) })
	return m
}
