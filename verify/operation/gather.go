package operation

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"colakit/formats/dtype"
	"colakit/formats/tensor"
	"colakit/golden"
	"colakit/reference/generate"
	"colakit/verify/catalog"
)

// Names of inputs from outside of a pass, beside those of package catalog.
const (
	GivenTimesteps = "(timesteps as given)" // before they are rounded, [R]
	Clean          = "(clean latents)"      // of the prompts, [n, c]: what pinned rows are set to
	Before         = "(latents before)"     // noise, or those after the step before, [R, c]
)

// encoded is the site of the prompts' latents.
const encoded = "encode/vae.latents"

// Cached returns the name under which a call holds the cached rows that are of the
// kind of path: of every sample those of its prefix, then those of its earlier
// blocks, [Σ cached, width].
func Cached(path string) string { return catalog.Cache + " " + path }

// NewCall gathers what the value of a site is computed from. The error wraps
// tensor.ErrNotFound where something of it is not known.
func NewCall(r *Run, site generate.Site, weights tensor.Source, values Values) (*Call, error) {
	c := &Call{Run: r, Site: site, Inputs: map[string]Input{}, Nearby: map[string]Input{}, Weights: weights}
	if err := c.find(); err != nil {
		return nil, err
	}
	g := gatherer{c, values}
	if err := g.inputsOf(c.op); err != nil {
		return nil, fmt.Errorf("%s: %w", site, err)
	}
	return c, g.nearby()
}

type gatherer struct {
	*Call
	values Values
}

// inputsOf gathers the inputs of op, and those of the operations before it whose
// values are not known.
func (g gatherer) inputsOf(op *catalog.Op) error {
	for _, path := range op.Inputs {
		if path == catalog.Cache {
			if err := g.cache(op); err != nil {
				return err
			}
			continue
		}
		if _, have := g.Inputs[path]; have {
			continue
		}
		if strings.HasPrefix(path, "(") {
			if err := g.external(path, op); err != nil {
				return err
			}
			continue
		}
		in, ok, err := g.values(g.sibling(path))
		if err != nil {
			return err
		}
		if ok && !(g.Run.Tabled && catalog.IsEmbedding(path)) {
			g.Inputs[path] = in
			continue
		}
		before := g.Run.Catalog().Op(path)
		if before == nil {
			return errMissing(g.sibling(path))
		}
		if err := g.inputsOf(before); err != nil {
			return err
		}
	}
	return g.outside(op)
}

func (c *Call) sibling(path string) string {
	s := c.Site
	s.Path = path
	return s.String()
}

// outside gathers what the catalogue doesn't list: what pinned rows are set to.
func (g gatherer) outside(op *catalog.Op) error {
	if op.Section == catalog.Loop && (op.Path == "z" || op.Path == "z_next") && g.Site.Block == 0 {
		return g.take(Clean, encoded)
	}
	return nil
}

// take reads a recorded value as the input of that name.
func (g gatherer) take(input, name string) error {
	in, ok, err := g.values(name)
	if err == nil && !ok {
		err = errMissing(name)
	}
	g.Inputs[input] = in
	return err
}

// external gathers an input from outside of the pass.
func (g gatherer) external(path string, op *catalog.Op) error {
	s := g.Site
	switch path {
	case catalog.Tokens:
		g.Inputs[path] = g.tokens()
		return nil
	case catalog.Latents:
		switch s.Stage {
		case generate.Prefill:
			return g.prefixes()
		case generate.Denoise:
			return g.take(path, loopName(s.Block, s.Step, "z"))
		}
		return g.take(path, loopName(s.Block, g.Run.Steps-1, "z_next"))
	case catalog.Timesteps:
		return g.timesteps()
	case catalog.Given:
		if op.Path != "z" {
			return nil
		}
		if s.Step > 0 {
			return g.take(Before, loopName(s.Block, s.Step-1, "z_next"))
		}
		return g.take(Before, golden.NoiseName(s.Block))
	}
	return errMissing(path)
}

func loopName(block, step int, path string) string {
	return generate.Site{Stage: generate.Denoise, Block: block, Step: step, Path: path}.String()
}

// tokens returns the ids of all samples.
func (g gatherer) tokens() Input {
	var data []byte
	n := 0
	for _, s := range g.Run.Samples {
		for _, id := range s.IDs {
			data = binary.LittleEndian.AppendUint32(data, uint32(id))
		}
		n += len(s.IDs)
	}
	return Input{tensor.View{Desc: tensor.Desc{Name: catalog.Tokens, Type: dtype.I32, Shape: tensor.Shape{n}}, Data: data}, dtype.I32}
}

// prefixes cuts the clean prefixes out of the encoder's latents.
func (g gatherer) prefixes() error {
	in, ok, err := g.values(encoded)
	if err == nil && !ok {
		err = errMissing(encoded)
	}
	if err != nil {
		return err
	}
	width := rowBytes(in.View)
	out, at := Input{in.View, in.Run}, 0
	out.View.Data = nil
	rows := 0
	for _, s := range g.Run.Samples {
		n := s.Prefix
		if (at+n)*width > len(in.View.Data) {
			return tensor.Damagedf("%s has shape %v, too few rows for the prefixes", encoded, in.View.Shape)
		}
		out.View.Data = append(out.View.Data, in.View.Data[at*width:(at+n)*width]...)
		rows += n
		at += len(s.IDs) / max(g.Run.Config.VAE.PatchSize, 1)
	}
	out.View.Shape = tensor.Shape{rows, g.Run.Config.VAE.LatentDim}
	g.Inputs[catalog.Latents] = out
	return nil
}

// rowBytes returns the bytes of one row of a tensor.
func rowBytes(v tensor.View) int {
	if len(v.Shape) == 0 || v.Shape[0] == 0 {
		return 0
	}
	return len(v.Data) / v.Shape[0]
}

// timesteps gathers the timesteps of the rows of a pass of the prior: those of the
// loop, or 0 in a pass that fills caches.
func (g gatherer) timesteps() error {
	if g.Site.Stage != generate.Denoise {
		rows := g.Run.geometry(g.Site, catalog.DiT).rows
		none := Input{tensor.FromFloat32s(catalog.Timesteps, tensor.Shape{rows}, make([]float32, rows)), dtype.F32}
		g.Inputs[catalog.Timesteps], g.Inputs[GivenTimesteps] = none, none
		return nil
	}
	if err := g.take(GivenTimesteps, loopName(g.Site.Block, g.Site.Step, "t")); err != nil {
		return err
	}
	return g.take(catalog.Timesteps, loopName(g.Site.Block, g.Site.Step, "t_used"))
}

// cachedOf is what an operation finds in the cache.
var cachedOf = map[string]string{"msa.k_rot": "msa.k", "msa.attn": "msa.v", "attn.k": "attn.k_raw", "attn.attn": "attn.v"}

// cache gathers the cached rows that an operation reads.
func (g gatherer) cache(op *catalog.Op) error {
	kind, reads := cachedOf[op.Name]
	if !reads || op.Section == catalog.Encoder {
		return nil // the VAE's rotation reads its keys whole
	}
	path := strings.TrimSuffix(op.Path, op.Name) + kind
	if _, have := g.Inputs[Cached(path)]; have {
		return nil
	}
	of := g.Run.geometry(g.Site, op.Section)
	rows, like := make([][]byte, len(of.spans)), Input{}
	for origin := range g.Site.Block + 1 { // the prefix, then the blocks before this one
		if of.cachesNothing(g.Run, origin) {
			continue
		}
		site := generate.Site{Stage: generate.Prefill, Path: path}
		if origin > 0 {
			site.Stage, site.Block = cacheStage(op.Section), origin-1
		}
		in, ok, err := g.values(site.String())
		if err == nil && !ok {
			err = errMissing(site.String())
		}
		if err == nil {
			like, err = in, g.spread(rows, in, origin, of)
		}
		if err != nil {
			return err
		}
	}
	g.Inputs[Cached(path)] = joined(Cached(path), rows, like)
	return nil
}

func cacheStage(s catalog.Section) generate.Stage {
	if s == catalog.Decoder {
		return generate.Decode
	}
	return generate.Commit
}

// cachesNothing reports whether no sample of a pass finds rows of the given origin
// in the cache: 0 the prefix, else block origin−1.
func (g geometry) cachesNothing(r *Run, origin int) bool {
	for _, s := range g.spans {
		if s.cached > 0 && (origin > 0 || r.Samples[s.sample].Prefix > 0) {
			return false
		}
	}
	return true
}

// spread appends each sample's rows of one origin to its rows.
func (g gatherer) spread(rows [][]byte, in Input, origin int, of geometry) error {
	width, at := rowBytes(in.View), 0
	for i, s := range of.spans {
		n := g.Run.Config.DiT.BlockSize
		if origin == 0 {
			n = g.Run.Samples[i].Prefix
		}
		if (at+n)*width > len(in.View.Data) {
			return tensor.Damagedf("%s has shape %v, too few rows for its samples", in.View.Name, in.View.Shape)
		}
		if s.cached > 0 {
			rows[i] = append(rows[i], in.View.Data[at*width:(at+n)*width]...)
		}
		at += n
	}
	return nil
}

// joined concatenates the samples' rows, which are of the kind of like.
func joined(name string, rows [][]byte, like Input) Input {
	if like.Run == dtype.Invalid {
		like.Run, like.View.Type, like.View.Shape = dtype.F32, dtype.F32, tensor.Shape{0}
	}
	out := Input{tensor.View{Desc: tensor.Desc{Name: name, Type: like.View.Type}, Data: bytes.Join(rows, nil)}, like.Run}
	out.View.Shape = slices.Clone(like.View.Shape)
	if width := rowBytes(like.View); width > 0 {
		out.View.Shape[0] = len(out.View.Data) / width
	}
	return out
}

// nearby gathers other values of the pass and the layer that have the size of an
// input.
func (g gatherer) nearby() error {
	sizes := map[[2]int]bool{}
	for path := range g.Inputs {
		if g.Run.Catalog().Op(path) != nil {
			rows, cols := g.size(path)
			sizes[[2]int{rows, cols}] = true
		}
	}
	for _, op := range g.Run.Catalog().Ops() {
		if op.Section != g.op.Section || op.Layer != g.op.Layer || op == g.op || op.Derived {
			continue
		}
		if rows, cols := g.size(op.Path); !sizes[[2]int{rows, cols}] {
			continue
		}
		in, ok, err := g.values(g.sibling(op.Path))
		if err != nil {
			return err
		}
		if _, isInput := g.Inputs[op.Path]; ok && !isInput {
			g.Nearby[op.Path] = in
		}
	}
	return nil
}
