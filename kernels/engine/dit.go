package engine

import (
	"math"

	"colakit/formats/hf"
	"colakit/kernels/ops"
)

// dit is the block-causal prior. Its input is [R, c] noisy or clean latents and a
// timestep for every row, its output the velocity [R, c].
type dit struct {
	txtIn, txtOut *linear
	txtOutNorm    *norm
	blocks        []*ditBlock
	cond          *conditioner
	cache         *cache
	width         int // d
}

// ditBlock is one block of the prior: attention and MLP, each between a modulated
// LayerNorm without parameters and a gate.
type ditBlock struct {
	projQKV, projOut *linear // [3a, d], [d, a]
	mlpIn, mlpOut    *linear // [f, d], [d, f]
	normQ, normK     *norm
	norm             *norm // msa_norm and mlp_norm
	rope             *rotary
	cache            *ops.Cache
	path             string // "dit.blocks.3."
}

func newDiT(l *loader, c hf.DiTConfig) *dit {
	d, e := c.TxtDim, l.engine
	geometry := ops.Geometry{Query: c.Heads, KV: c.Heads, Width: c.HeadDim}
	cond := newConditioner(l, c) // first, for it may need memory for a while
	m := &dit{
		cond:  cond,
		txtIn: l.linear(hf.DiTTxtIn, d, c.TxtInChannels, true), txtOutNorm: l.norm(hf.DiTTxtOutNorm, d, c.NormEps, true),
		txtOut: l.linear(hf.DiTTxtOut, c.TxtOutChannels, d, true), width: d,
		cache: newCache(e.device, c.NumLayers, geometry, e.types.act),
	}
	var ropes sharedRopes
	for i := range c.NumLayers {
		m.blocks = append(m.blocks, newDiTBlock(l, c, i, &ropes, &m.cache.layers[i]))
	}
	return m
}

func newDiTBlock(l *loader, c hf.DiTConfig, i int, ropes *sharedRopes, kv *ops.Cache) *ditBlock {
	d, a, f, n := c.TxtDim, c.InnerDim(), c.HiddenDim(), hf.DiTBlockModules(i)
	return &ditBlock{
		projQKV: l.linear(n.QKV, 3*a, d, c.QKBias), projOut: l.linear(n.Out, d, a, c.QKBias),
		mlpIn: l.linear(n.MLPIn, f, d, true), mlpOut: l.linear(n.MLPOut, d, f, true),
		normQ: l.norm(n.NormQ, c.HeadDim, c.NormEps, true), normK: l.norm(n.NormK, c.HeadDim, c.NormEps, true),
		norm: &norm{width: d, eps: float32(c.NormEps)},
		rope: ropes.of(l, l.frequencies(n.RopeFreqs, c.RopeFrequencies())), cache: kv, path: hf.DiTBlock(i),
	}
}

// velocity runs the whole model on z [R, c] at the timesteps t [R].
func (d *dit) velocity(p *pass, z ops.Matrix, c *condition) ops.Matrix {
	return d.head(p, d.trunk(p, z, c), c)
}

// head maps the residual stream x [R, d] to the velocity.
func (d *dit) head(p *pass, x ops.Matrix, c *condition) ops.Matrix {
	in := c.shiftScale(p, d.width, "dit.", "txt_out_ada.out_in.shift", "txt_out_ada.out_in.scale")
	y := p.modulated("dit.", "txt_out.in", d.txtOutNorm, x, in, d.txtOut)
	v := d.txtOut.apply(p, y, p.types.wide)
	p.see("dit.", "velocity", v)
	return v
}

// trunk runs everything up to the last block. A pass that only fills the caches ends
// here.
func (d *dit) trunk(p *pass, z ops.Matrix, c *condition) ops.Matrix {
	x := d.txtIn.apply(p, z, p.types.wide)
	p.see("dit.", "txt_in", x)
	for i, b := range d.blocks {
		if !p.alive() {
			break
		}
		p.layer(i)
		x = b.forward(p, x, c)
	}
	return x
}

// reach makes sure that the rotary tables hold the positions of the spans.
func (d *dit) reach(p *pass) {
	for _, b := range d.blocks {
		p.do(func() error { return b.rope.reach(p.engine, furthest(p.spans)) })
	}
}

// forward maps the residual stream x [R, d] to [R, d].
func (b *ditBlock) forward(p *pass, x ops.Matrix, c *condition) ops.Matrix {
	d := x.Cols
	p.see(b.path, "in", x)

	in := c.shiftScale(p, d, b.path, "ada.msa_in.shift", "ada.msa_in.scale")
	y := p.modulated(b.path, "msa.in", b.norm, x, in, b.projQKV)
	x = p.branch(b.path, "msa.out", "ada.msa_out.gate", "msa.residual", c, b.projOut, b.attend(p, y), x)

	in = c.shiftScale(p, d, b.path, "ada.mlp_in.shift", "ada.mlp_in.scale")
	y = p.modulated(b.path, "mlp.in", b.norm, x, in, b.mlpIn)
	y = b.mlpIn.activated(p, y, ops.GELUTanh, b.mlpOut, b.path, "mlp.hidden")
	p.see(b.path, "mlp.act", y)
	return p.branch(b.path, "mlp.out", "ada.mlp_out.gate", "mlp.residual", c, b.mlpOut, y, x)
}

// modulated returns norm·(1 + scale) + shift as an input of the layer next. It is shown
// before it is rounded for that.
func (p *pass) modulated(module, op string, n *norm, x ops.Matrix, in ops.Table, next *linear) ops.Matrix {
	t := p.operand(next)
	if p.wants(module, op) {
		t = p.types.norm
	}
	y := p.matrix(t, x.Rows, x.Cols)
	n.forward(p, y, x, ops.Norm{Modulation: in})
	p.see(module, op, y)
	return p.narrow(y, next)
}

// branch ends a branch: the last linear layer, its gate, and the residual stream.
func (p *pass) branch(path, out, gate, residual string, c *condition, l *linear, y, x ops.Matrix) ops.Matrix {
	sum := p.matrix(x.Type, x.Rows, x.Cols)
	if p.wants(path, out) || p.wants(path, gate) {
		hid := l.apply(p, y, p.types.wide)
		p.see(path, out, hid)
		g := c.gate(p, x.Cols, path, gate)
		p.do(func() error { return p.ops.GateResidual(sum, hid, g, x) })
	} else {
		l.forward(p, sum, p.narrow(y, l), ops.Epilogue{Gate: c.gate(p, x.Cols, path, gate), Residual: x})
	}
	p.see(path, residual, sum)
	return sum
}

// attend returns the heads' outputs [R, a] for y [R, d].
func (b *ditBlock) attend(p *pass, y ops.Matrix) ops.Matrix {
	g := p.cache.geometry
	a, path := g.Query*g.Width, b.path+"msa."
	qkv := b.projQKV.apply(p, y, p.types.wide)
	p.see(path, "qkv", qkv)
	h := ops.Heads{
		Geometry: g, Rotation: b.rope.rotation(), Eps: b.normQ.eps,
		GammaQ: b.normQ.gamma, BetaQ: b.normQ.beta, GammaK: b.normK.gamma, BetaK: b.normK.beta,
		Round: p.types.wide, Scale: float32(1 / math.Sqrt(float64(g.Width))), Position: p.positions, Slot: p.slots,
	}
	q, k, v := qkv.Columns(0, a), qkv.Columns(a, 2*a), qkv.Columns(2*a, 3*a)
	turned := p.matrix(p.types.act, p.rows, g.Query*g.Pitch())
	if p.wants(path, "q") || p.wants(path, "k") {
		q, k, v = b.observed(p, turned, q, k, v, h)
		h.GammaQ, h.BetaQ, h.GammaK, h.BetaK = ops.Vector{}, ops.Vector{}, ops.Vector{}, ops.Vector{}
	} else if p.keep {
		p.see(path, "v", v, p.rows, g.KV, g.Width)
	}
	p.do(func() error { return p.ops.Heads(turned, *b.cache, q, k, v, h) })
	out := p.mix(turned, *b.cache, p.operand(b.projOut))
	p.see(path, "attn", out)
	return out
}

// observed shows queries and keys between their norm and the rotation.
func (b *ditBlock) observed(p *pass, turned, q, k, v ops.Matrix, h ops.Heads) (_, _, _ ops.Matrix) {
	path, g := b.path+"msa.", h.Geometry
	h.QPlain, h.KPlain = p.matrix(ops.F32, p.rows, q.Cols), p.matrix(ops.F32, p.rows, k.Cols)
	p.do(func() error { return p.ops.Heads(turned, *b.cache, q, k, v, h) })
	p.see(path, "q", h.QPlain, p.rows, g.Query, g.Width)
	p.see(path, "k", h.KPlain, p.rows, g.KV, g.Width)
	if p.keep {
		p.see(path, "v", v, p.rows, g.KV, g.Width)
	}
	wide := p.matrix(ops.F32, p.rows, v.Cols)
	p.do(func() error { return p.ops.Convert(wide, v, false) })
	return h.QPlain, h.KPlain, wide
}

// mix returns softmax(q·Kᵀ)·V, [R, Query·Width], as an operand of the given type.
func (p *pass) mix(q ops.Matrix, kv ops.Cache, t ops.Type) ops.Matrix {
	g := p.cache.geometry
	out := p.matrix(t, p.rows, g.Query*g.Width)
	p.do(func() error {
		return p.ops.Attention(out, q, kv, ops.Attention{
			Geometry: g, Tiles: p.tiles, Pages: p.pages, PageShift: pageShift, Keys: p.keys, Round: p.types.wide,
		})
	})
	return out
}

// furthest returns the number of positions that the spans reach.
func furthest(spans []ops.Span) int {
	n := 0
	for _, s := range spans {
		n = max(n, s.Keys())
	}
	return n
}
