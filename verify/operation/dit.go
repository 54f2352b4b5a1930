package operation

import (
	"math"

	"colakit/formats/hf"
	"colakit/verify/catalog"
)

// dit computes a value of the prior: R rows, width d, a = heads·head_dim.
func (e *evaluation) dit(op *catalog.Op, f *form) matrix {
	cfg := e.Run.Config.DiT
	in := func(i int) matrix { return e.in(f, op.Inputs[i]) }
	rows, cols := e.size(op.Path)
	switch op.Name {
	case "in":
		return in(0)
	case "txt_in":
		return e.linear(f, hf.DiTTxtIn, e.external(catalog.Latents, rows, cfg.TxtInChannels), cols, 0, cols)
	case "emb.sinusoid":
		return e.sinusoid(f, rows)
	case "emb":
		return e.embedding(f, in(0))
	case "txt_out_norm":
		return e.norm(f, hf.DiTTxtOutNorm, in(0), cfg.TxtDim, cfg.NormEps)
	case "msa.norm", "mlp.norm":
		return e.norm(f, "", in(0), cfg.TxtDim, cfg.NormEps)
	case "msa.in", "mlp.in", "txt_out.in":
		return e.modulated(f, in(0), in(1), in(2))
	case "msa.residual", "mlp.residual":
		return e.gated(f, in(0), in(1), in(2))
	case "mlp.act":
		return e.active(f, "gelu-tanh", in(0))
	case "velocity", "msa.qkv", "msa.out", "mlp.hidden", "mlp.out":
		return e.linear(f, hf.Module(op.Tensors[0]), in(0), cols, 0, cols)
	case "msa.q", "msa.k", "msa.v", "msa.q_rot", "msa.k_rot", "msa.scores", "msa.attn":
		return e.ditAttention(op, f, in)
	}
	return e.ada(op, f)
}

// ditAttention computes what lies between proj_qkv and proj_out.
func (e *evaluation) ditAttention(op *catalog.Op, f *form, in func(int) matrix) matrix {
	cfg, g := e.Run.Config.DiT, e.Run.geometry(e.Site, catalog.DiT)
	h := heads{cfg.Heads, cfg.Heads, cfg.HeadDim}
	switch op.Name {
	case "msa.q", "msa.k":
		x := e.partOf(f, in(0), op.Name[4:], [3]int{cfg.InnerDim(), cfg.InnerDim(), cfg.InnerDim()}, h)
		return e.norm(f, hf.Module(op.Tensors[0]), x, cfg.HeadDim, cfg.NormEps)
	case "msa.v":
		return e.partOf(f, in(0), "v", [3]int{cfg.InnerDim(), cfg.InnerDim(), cfg.InnerDim()}, h)
	case "msa.q_rot":
		return e.rotated(f, in(0), e.ditTurning(op.Layer, false), g, false)
	case "msa.k_rot":
		return e.rotated(f, e.all(f, op.Inputs[0], g, in(0)), e.ditTurning(op.Layer, true), g, false)
	case "msa.scores":
		return e.scores(f, h, g, in(0), in(1))
	}
	return e.attend(f, h, g, in(0), e.all(f, op.Inputs[1], g, in(1)))
}

// partOf returns the columns of qkv that are its part "q", "k" or "v"; widths are
// those of q, k and v.
func (e *evaluation) partOf(f *form, qkv matrix, part string, widths [3]int, h heads) matrix {
	if e.err != nil {
		return matrix{}
	}
	from, width := 0, 0
	for i, name := range "qkv" {
		if string(name) == part {
			width = widths[i]
		}
	}
	for at, name := range f.order {
		if string(name) == part {
			from = at * widths[1] // parts that change places with q are as wide as it
			if f.order[0] == 'q' && at > 0 {
				from = widths[0] + (at-1)*widths[1]
			}
		}
	}
	if !f.columns.alternate {
		return qkv.columns(from, from+width)
	}
	out := newMatrix(qkv.rows, width)
	out.bf16 = qkv.bf16
	for r := range out.rows {
		for i := range width {
			out.row(r)[i] = qkv.row(r)[i/h.width*3*h.width+from/width*h.width+i%h.width]
		}
	}
	return out
}

// sinusoid returns [sin(t·f), cos(t·f)] of the pass's timesteps, [R, 256]. Frequencies
// and angles are float32 numbers.
func (e *evaluation) sinusoid(f *form, rows int) matrix {
	used, given := e.external(catalog.Timesteps, rows, 1), e.external(GivenTimesteps, rows, 1)
	if e.err != nil {
		return matrix{}
	}
	const half = hf.SinusoidDim / 2
	y := newMatrix(rows, 2*half)
	for r := range rows {
		t := f.time(given.data[r], used.data[r], e.Call)
		for i := range half {
			freq := single(math.Exp(single(single(single(-math.Log(f.base))*float64(i)) / f.under)))
			sin, cos := math.Sincos(single(t * freq))
			a, b := i, half+i
			if f.cosineFirst {
				a, b = b, a
			}
			if f.alternates {
				a, b = 2*i, 2*i+1
			}
			y.row(r)[a], y.row(r)[b] = sin, cos
		}
	}
	return f.hold(y, e.released())
}

// embedding returns Linear(SiLU(Linear(SiLU(Linear(sinusoid))))), [R, d].
func (e *evaluation) embedding(f *form, x matrix) matrix {
	d := e.Run.Config.DiT.EmbDim
	x = e.linear(f, hf.DiTEmbProjIn, x, d, 0, d)
	x = e.linear(f, hf.DiTEmbProjHid, e.active(f, f.silu, x), d, 0, d)
	return e.linear(f, hf.DiTEmbProjOut, e.active(f, f.silu, x), d, 0, d)
}

// ada returns a shift, a scale or a gate: Linear(SiLU(embedding)), of which shift
// and scale are the first and the second half.
func (e *evaluation) ada(op *catalog.Op, f *form) matrix {
	d := e.Run.Config.DiT.TxtDim
	out, from := 2*d, 0
	switch name := op.Name[len(op.Name)-5:]; {
	case name == ".gate":
		out = d
	case (name == "scale") != f.otherHalf:
		from = d
	}
	if e.Run.Tabled {
		return e.tabled(op, f, from, d)
	}
	x := e.in(f, op.Inputs[0])
	if f.pairwise {
		all := e.linear(f, hf.Module(op.Tensors[0]), e.active(f, f.silu, x), out, 0, out)
		return alternating(all, from/d)
	}
	return e.linear(f, hf.Module(op.Tensors[0]), e.active(f, f.silu, x), out, from, from+d)
}

// alternating returns every second column.
func alternating(m matrix, from int) matrix {
	y := newMatrix(m.rows, m.cols/2)
	y.bf16 = m.bf16
	for r := range y.rows {
		for i := range y.cols {
			y.row(r)[i] = m.row(r)[2*i+from]
		}
	}
	return y
}

// tabled reads d columns of a modulation out of an AdaLN table, which has a line for
// every timestep of the schedule.
func (e *evaluation) tabled(op *catalog.Op, f *form, from, d int) matrix {
	rows, _ := e.size(op.Path)
	given := e.external(GivenTimesteps, rows, 1)
	view, err := e.Weights.Read(hf.AdaModulations)
	if err != nil {
		return e.fail(err)
	}
	lines, err := matrixOf(Input{View: view, Run: view.Type}, e.Run.Steps+1, e.Run.Config.DiT.ModulationWidth())
	if err != nil || e.err != nil {
		return e.fail(err)
	}
	for _, m := range e.Run.Config.DiT.Modulations() {
		if string(m.Module) == op.Tensors[0] {
			break
		}
		from += m.Width
	}
	y := newMatrix(rows, d)
	for r, t := range given.data {
		line := e.Run.line(f.time(t, t, e.Call))
		copy(y.row(r), lines.row(line)[from:from+d])
	}
	return f.hold(y, e.released())
}

// line returns the index of the schedule's timestep nearest to t.
func (r *Run) line(t float64) int {
	best, schedule := 0, r.schedule()
	for i, at := range schedule {
		if math.Abs(float64(at)-t) < math.Abs(float64(schedule[best])-t) {
			best = i
		}
	}
	return best
}
