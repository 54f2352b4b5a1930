package operation

import (
	"colakit/formats/dtype"
	"colakit/formats/hf"
	"colakit/formats/tensor"
	"colakit/verify/catalog"
)

// vae computes a value of the VAE: n latents, width d, p tokens to a latent.
func (e *evaluation) vae(op *catalog.Op, f *form) matrix {
	cfg := e.Run.Config.VAE
	in := func(i int) matrix { return e.in(f, op.Inputs[i]) }
	rows, cols := e.size(op.Path)
	switch op.Path {
	case "vae.encoder.wte":
		return e.lookup(f, rows, cols)
	case "vae.encoder.patch":
		return e.linear(f, hf.EncoderPatch, e.patches(f, in(0)), cols, 0, cols)
	case "vae.encoder.norm":
		return e.norm(f, "", e.mode(f, in(0)), cfg.LatentDim, cfg.LayerNormEps)
	case "vae.latents":
		return e.scaled(f, e.mode(f, in(0)), cfg.ShiftingFactor, cfg.ScalingFactor)
	case "vae.decoder.in_layer":
		return e.linear(f, hf.DecoderIn, e.external(catalog.Latents, rows, cfg.LatentDim), cols, 0, cols)
	case "vae.decoder.norm":
		return e.norm(f, hf.DecoderNorm, e.tokens(f, in(0)), cfg.Dim, cfg.LayerNormEps)
	case "vae.encoder.final", "vae.decoder.unpatch", catalog.Logits:
		return e.linear(f, hf.Module(op.Tensors[0]), in(0), cols, 0, cols)
	case catalog.TopValues, catalog.TopIDs, catalog.LogSumExp:
		return e.kept(op, f)
	}
	switch op.Name {
	case "in":
		return in(0)
	case "attn.norm", "ffn.norm":
		return e.norm(f, hf.Module(op.Tensors[0]), in(0), cfg.Dim, cfg.LayerNormEps)
	case "attn.residual", "ffn.residual":
		return e.sum(f, in(0), in(1))
	case "ffn.act":
		return e.active(f, cfg.Act, in(0))
	case "attn.out", "ffn.hidden", "ffn.out":
		return e.linear(f, hf.Module(op.Tensors[0]), in(0), cols, 0, cols)
	}
	return e.vaeAttention(op, f, in)
}

// vaeAttention computes what lies between the block's input and attn_out_proj.
func (e *evaluation) vaeAttention(op *catalog.Op, f *form, in func(int) matrix) matrix {
	cfg, g := e.Run.Config.VAE, e.Run.geometry(e.Site, op.Section)
	h, widths := heads{cfg.NumHeads, cfg.KVHeads(), cfg.HeadDim()}, [3]int{cfg.Dim, cfg.KVDim(), cfg.KVDim()}
	_, cols := e.size(op.Path)
	switch op.Name {
	case "attn.qkv":
		y := e.linear(f, hf.Module(op.Tensors[0]), in(0), cols, 0, cols)
		if cfg.ClipQKV != nil && f.clip {
			y = f.hold(clamped(y, *cfg.ClipQKV), y.bf16)
		}
		return y
	case "attn.k_raw", "attn.v":
		return e.partOf(f, in(0), op.Name[5:6], widths, h)
	case "attn.q":
		return e.qkNorm(f, op, e.partOf(f, in(0), "q", widths, h))
	case "attn.k":
		return e.vaeKeys(f, op, g, in(0))
	case "attn.q_rot":
		return e.rotated(f, in(0), e.vaeTurning(false), g, !cfg.RopeFullPrecision)
	case "attn.k_rot":
		return e.rotated(f, in(0), e.vaeTurning(true), g, !cfg.RopeFullPrecision)
	case "attn.scores":
		return e.scores(f, h, g, in(0), in(1))
	}
	return e.attend(f, h, g, in(0), e.all(f, op.Inputs[1], g, in(1)))
}

// qkNorm normalises queries or keys over their whole width, where the model does; the
// result is held as x is.
func (e *evaluation) qkNorm(f *form, op *catalog.Op, x matrix) matrix {
	cfg := e.Run.Config.VAE
	if !cfg.QKNorm || e.err != nil {
		return x
	}
	return f.hold(e.norm(f, hf.Module(op.Tensors[0]), x, x.cols, cfg.LayerNormEps), x.bf16)
}

// vaeKeys normalises the keys of the cache and of the pass.
func (e *evaluation) vaeKeys(f *form, op *catalog.Op, g geometry, raw matrix) matrix {
	all := e.all(f, op.Inputs[0], g, raw)
	y := e.qkNorm(f, op, all)
	if e.err != nil || !f.fresh {
		return y
	}
	for _, s := range g.spans {
		for i := range s.cached {
			copy(y.row(s.firstKey+i), all.row(s.firstKey+i))
		}
	}
	return y
}

// lookup returns the embeddings of the tokens' ids, [tokens, d], in float32.
func (e *evaluation) lookup(f *form, rows, d int) matrix {
	in, table := e.Inputs[catalog.Tokens], e.table(f, d)
	if e.err != nil {
		return matrix{}
	}
	if in.View.Type != dtype.I32 || len(in.View.Data) != 4*rows {
		return e.fail(tensor.Damagedf("%d bytes of token ids, wanted %d of 4", len(in.View.Data), rows))
	}
	y := newMatrix(rows, d)
	for r := range rows {
		b := in.View.Data[4*r:]
		id := int(int32(uint32(b[0])|uint32(b[1])<<8|uint32(b[2])<<16|uint32(b[3])<<24)) + f.ids
		if id = min(max(id, 0), table.Shape[0]-1); id < 0 {
			return e.fail(tensor.Damagedf("%s holds no rows", table.Name))
		}
		size := table.Type.Size()
		row := tensor.View{Desc: tensor.Desc{Type: table.Type, Shape: tensor.Shape{1, d}, Quantization: table.Quantization}, Data: table.Data[id*d*size : (id+1)*d*size]}
		if q := table.Quantization; q != nil {
			n := q.ScalesPerRow(d) * q.Scale.Size()
			row.Scales = table.Scales[id*n : (id+1)*n]
		}
		values, err := row.Float64s()
		if err != nil {
			return e.fail(err)
		}
		copy(y.row(r), values)
	}
	return f.hold(y, false)
}

// table reads the token embedding, [rows, d].
func (e *evaluation) table(f *form, d int) tensor.View {
	name, _ := f.nameOf(hf.EncoderWTE.Weight())
	v, err := e.Weights.Read(name)
	if err == nil && (len(v.Shape) != 2 || v.Shape[1] != d) {
		err = tensor.Damagedf("%s has shape %v, wanted [vocabulary, %d]", name, v.Shape, d)
	}
	if size, bad := v.Bytes(); err == nil && (bad != nil || size != int64(len(v.Data))) {
		err = tensor.Damagedf("%s: %d bytes are not shape %v of %v", name, len(v.Data), v.Shape, v.Type)
	}
	if size, bad := v.ScaleBytes(); err == nil && (bad != nil || size != int64(len(v.Scales))) {
		err = tensor.Damagedf("%s: %d bytes of scales do not fit shape %v", name, len(v.Scales), v.Shape)
	}
	if err != nil {
		e.fail(err)
	}
	return v
}

// mode returns the mean of the posterior: the first c columns, or all there are.
func (e *evaluation) mode(f *form, x matrix) matrix {
	c := e.Run.Config.VAE.LatentDim
	if e.err != nil || x.cols == c {
		return x
	}
	if f.otherHalf {
		return x.columns(x.cols-c, x.cols)
	}
	return x.columns(0, c)
}

// patches arranges x [p·n, d] as the convolution reads it, [n, d·p]: column i·p + s is
// channel i of the token s of a latent.
func (e *evaluation) patches(f *form, x matrix) matrix {
	p := e.Run.Config.VAE.PatchSize
	if e.err != nil {
		return matrix{}
	}
	y := newMatrix(x.rows/p, x.cols*p)
	y.bf16 = x.bf16
	for r := range x.rows {
		for i, v := range x.row(r) {
			at := i*p + r%p
			if f.slotFirst {
				at = r%p*x.cols + i
			}
			y.row(r / p)[at] = v
		}
	}
	return y
}

// tokens arranges x [n, d·p] as [n·p, d]: column c·p + s is channel c of the token s.
func (e *evaluation) tokens(f *form, x matrix) matrix {
	p := e.Run.Config.VAE.PatchSize
	if e.err != nil {
		return matrix{}
	}
	d := x.cols / p
	y := newMatrix(x.rows*p, d)
	y.bf16 = x.bf16
	for r := range y.rows {
		for c := range d {
			at := c*p + r%p
			if f.slotFirst {
				at = r%p*d + c
			}
			y.row(r)[c] = x.row(r / p)[at]
		}
	}
	return y
}
