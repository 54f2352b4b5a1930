package engine

import (
	"math"

	"colakit/formats/hf"
	"colakit/kernels/ops"
	"colakit/reference/generate"
)

// vaeBlock is one block of the VAE's encoder or decoder. With postNorm normAttn
// normalises the residual stream itself, after attention has read it, and normFFN the
// output of the FFN; without, both normalise the inputs of their branch.
type vaeBlock struct {
	qkvProj, outProj  *linear // [d+2k, d], [d, d]
	ffnProj, ffnOut   *linear
	normAttn, normFFN *norm
	qNorm, kNorm      *norm // nil: queries and keys stay as they are
	rope              *rotary
	cache             *ops.Cache
	act               ops.Activation
	clip              float32 // limit of |qkv|; 0: none
	postNorm, decoder bool
	path              string // "vae.decoder.blocks.1."
}

var activations = map[string]ops.Activation{"swiglu": ops.SwiGLU, "silu": ops.SiLU, "gelu": ops.GELU}

// newVAE builds the VAE's two halves and loads their weights.
func newVAE(l *loader, c hf.VAEConfig) (*encoder, *decoder) {
	e := l.engine
	r := &rotary{frequency: l.floats(c.RopeInvFreq()), pairs: len(c.RopeInvFreq()), step: ops.F32}
	if !c.RopeFullPrecision && e.options.Contract == generate.Released {
		r.step = ops.BF16
	}
	e.ropes = append(e.ropes, r)
	geometry := ops.Geometry{Query: c.NumHeads, KV: c.KVHeads(), Width: c.HeadDim()}
	enc, dec := newEncoder(l, c), newDecoder(l, c)
	enc.rope, dec.rope = r, r
	enc.cache = newCache(e.device, c.EncoderNumBlocks, geometry, e.types.act)
	dec.cache = newCache(e.device, c.DecoderNumBlocks, geometry, e.types.act)
	for i := range c.EncoderNumBlocks {
		enc.blocks = append(enc.blocks, newVAEBlock(l, c, hf.EncoderBlock(i), r, &enc.cache.layers[i]))
	}
	for i := range c.DecoderNumBlocks {
		b := newVAEBlock(l, c, hf.DecoderBlock(i), r, &dec.cache.layers[i])
		b.decoder = true
		dec.blocks = append(dec.blocks, b)
	}
	return enc, dec
}

func newVAEBlock(l *loader, c hf.VAEConfig, path string, r *rotary, kv *ops.Cache) *vaeBlock {
	d, k, eps, n := c.Dim, c.KVDim(), c.LayerNormEps, hf.VAEBlockModules(path)
	b := &vaeBlock{
		qkvProj: l.linear(n.QKV, d+2*k, d, c.QKBias), outProj: l.linear(n.AttnOut, d, d, c.Bias),
		ffnProj: l.product(n.FFNProj, c.FFNDim, d, c.Bias, c.Act == "swiglu", c.FFNDim, d), ffnOut: l.linear(n.FFNOut, d, c.FFNHidden(), c.Bias),
		normAttn: l.norm(n.NormAttn, d, eps, c.LayerNormAffine), normFFN: l.norm(n.NormFFN, d, eps, true),
		rope: r, cache: kv, act: activations[c.Act], postNorm: c.PostNorm, path: path,
	}
	if c.ClipQKV != nil {
		b.clip = float32(*c.ClipQKV)
	}
	if c.QKNorm {
		b.qNorm, b.kNorm = l.norm(n.QNorm, d, eps, c.QKNormAffine), l.norm(n.KNorm, k, eps, c.QKNormAffine)
	}
	return b
}

// forward maps the residual stream x [n, d] to [n, d].
func (b *vaeBlock) forward(p *pass, x ops.Matrix) ops.Matrix {
	p.see(b.path, "in", x)
	if b.postNorm {
		y := b.attend(p, p.narrow(x, b.qkvProj))
		x = b.normAdd(p, b.normAttn, x, y, "attn.norm", "attn.residual")
		y = b.ffn(p, p.narrow(x, b.ffnProj))
		return b.normAdd(p, b.normFFN, y, x, "ffn.norm", "ffn.residual")
	}
	y := p.modulated(b.path, "attn.norm", b.normAttn, x, ops.Table{}, b.qkvProj)
	x = b.add(p, b.attend(p, y), x, "attn.residual")
	y = p.modulated(b.path, "ffn.norm", b.normFFN, x, ops.Table{}, b.ffnProj)
	return b.add(p, b.ffn(p, y), x, "ffn.residual")
}

// normAdd returns norm(x) + y, which PyTorch keeps in float32.
func (b *vaeBlock) normAdd(p *pass, n *norm, x, y ops.Matrix, norm, residual string) ops.Matrix {
	sum := p.matrix(p.types.norm, x.Rows, x.Cols)
	if p.wants(b.path, norm) {
		plain := p.matrix(p.types.norm, x.Rows, x.Cols)
		n.forward(p, plain, x, ops.Norm{})
		p.see(b.path, norm, plain)
		p.do(func() error { return p.ops.GateResidual(sum, plain, ops.Table{}, y) })
	} else {
		n.forward(p, sum, x, ops.Norm{Add: y})
	}
	p.see(b.path, residual, sum)
	return sum
}

// add returns y + x, the wider of their types.
func (b *vaeBlock) add(p *pass, y, x ops.Matrix, residual string) ops.Matrix {
	sum := p.matrix(x.Type, x.Rows, x.Cols)
	p.do(func() error { return p.ops.GateResidual(sum, y, ops.Table{}, x) })
	p.see(b.path, residual, sum)
	return sum
}

func (b *vaeBlock) ffn(p *pass, x ops.Matrix) ops.Matrix {
	y := b.ffnProj.activated(p, x, b.act, b.ffnOut, b.path, "ffn.hidden")
	p.see(b.path, "ffn.act", y)
	out := b.ffnOut.apply(p, y, p.types.wide)
	p.see(b.path, "ffn.out", out)
	return out
}

// attend maps y [n, d] to the branch's output [n, d].
func (b *vaeBlock) attend(p *pass, y ops.Matrix) ops.Matrix {
	g, path := p.cache.geometry, b.path+"attn."
	d, kd := g.Query*g.Width, g.KV*g.Width
	qkv := p.matrix(p.types.wide, p.rows, d+2*kd)
	b.qkvProj.forward(p, qkv, y, ops.Epilogue{Clip: b.clip})
	p.see(path, "qkv", qkv)
	q, k, v := qkv.Columns(0, d), qkv.Columns(d, d+kd), qkv.Columns(d+kd, d+2*kd)
	if b.decoder {
		p.see(path, "k_raw", k)
		p.see(path, "v", v)
	}
	if b.qNorm != nil {
		q, k = b.normed(p, b.qNorm, q), b.normed(p, b.kNorm, k)
		p.see(path, "q", q)
	}
	turned := p.matrix(p.types.act, p.rows, g.Query*g.Pitch())
	p.do(func() error {
		return p.ops.Heads(turned, *b.cache, q, k, v, ops.Heads{
			Geometry: g, Rotation: b.rope.rotation(), Round: p.types.wide, Scale: float32(1 / math.Sqrt(float64(g.Width))),
			Position: p.positions, Slot: p.slots,
		})
	})
	mixed := p.mix(turned, *b.cache, p.operand(b.outProj))
	p.see(path, "attn", mixed)
	out := b.outProj.apply(p, mixed, p.types.wide)
	p.see(path, "out", out)
	return out
}

// normed returns LayerNorm over the whole width of queries or keys.
func (b *vaeBlock) normed(p *pass, n *norm, x ops.Matrix) ops.Matrix {
	y := p.matrix(p.types.wide, x.Rows, x.Cols)
	n.forward(p, y, x, ops.Norm{})
	return y
}
