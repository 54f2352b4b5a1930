package verify

import (
	"slices"

	"colakit/formats/dtype"
	"colakit/golden"
	"colakit/reference/generate"
	"colakit/verify/catalog"
)

// unit resolves what lies between a site's value and the recorded ones before it.
func (s *session) unit(site generate.Site, op *catalog.Op) catalog.Unit {
	return s.catalog.Unit(op, func(path string) bool { return s.given(beside(site, path)) })
}

// computing counts the operations of a unit that do more than copy.
func (s *session) computing(u catalog.Unit) int {
	n := 0
	for _, path := range u.Parts {
		switch op := s.catalog.Op(path); op.Kind {
		case catalog.Copy:
		case catalog.Chain:
			n += len(op.Tensors)
		default:
			n++
		}
	}
	return n
}

// layers counts the blocks of the model that a unit spans.
func (s *session) layers(u catalog.Unit) int {
	spanned := map[int]bool{}
	for _, path := range u.Parts {
		if op := s.catalog.Op(path); op.Layer >= 0 && op.Kind != catalog.Copy {
			spanned[op.Layer] = true
		}
	}
	return len(spanned)
}

// beside is the site of another value of the same pass.
func beside(site generate.Site, path string) generate.Site {
	site.Path = path
	return site
}

// sibling is the tap of another value of the same pass.
func sibling(site generate.Site, path string) string { return beside(site, path).String() }

// facts gathers what the policy may know of a comparison.
func (s *session) facts(m Mode, site generate.Site, u catalog.Unit, tap golden.Tap) Facts {
	keys := s.keys(site)
	f := Facts{
		Mode: m, Contract: s.contract, Activations: s.activations, Kernels: s.kernels, Kind: u.Kind, Type: runType(tap),
		Terms:      float64(u.Terms + u.Attentions*keys),
		Operations: float64(s.computing(u)),
		Modules:    float64(len(u.Tensors) + 3*u.Ahead + u.Paired),
		Position:   float64(keys - 1),
		Operand:    s.operand(site, u.Op),
		Score:      s.magnitude(site, scoresOf(u)),
		Elements:   s.independent(u, tap),
	}
	f.Fused, f.Unjudged = s.fused(u), s.unjudged != ""
	if m == Isolated && u.Kind == catalog.Normalisation {
		f.Offset = s.offset(site, u.Op, tap)
	}
	f.Clipped = slices.ContainsFunc(u.Parts, func(path string) bool { return s.catalog.Op(path).Clips })
	if site.Stage == generate.Denoise {
		f.Timestep = s.info.Run.Schedule[min(site.Step, s.info.Run.Steps)]
	}
	f.Artifact = s.weights.least
	if m == Isolated {
		f.Artifact = s.precision(u)
	}
	if m == Isolated && s.layers(u) > 1 {
		f.Mode, f.Artifact, f.Distant = Free, s.weights.least, true
	}
	if s.drifted(m, site, u) {
		f.Mode, f.Artifact, f.Distant = Generation, s.weights.least, false
	}
	return f
}

// fused reports whether a unit holds an attention of the prior that the golden's
// run left to a fused kernel.
func (s *session) fused(u catalog.Unit) bool {
	return s.info.Attention == "sdpa" && slices.ContainsFunc(u.Parts, func(path string) bool {
		op := s.catalog.Op(path)
		return op.Kind == catalog.Attention && op.Section == catalog.DiT
	})
}

// overall are the facts of what all of the model takes part in.
func (s *session) overall(m Mode) Facts {
	return Facts{Unjudged: s.unjudged != "", Mode: m, Contract: s.contract, Artifact: s.weights.least, Activations: s.activations, Kernels: s.kernels}
}

// drifted reports whether the inputs of a unit come from latents that the bundle
// does not hold: those after the last step, where steps beyond a limit were not
// recorded. The engine made them itself, as in generation.
func (s *session) drifted(m Mode, site generate.Site, u catalog.Unit) bool {
	if s.steps == s.info.Run.Steps {
		return false
	}
	final := site.Stage == generate.Decode || site.Stage == generate.Commit
	if m == Isolated {
		return final && slices.Contains(u.Inputs, catalog.Latents)
	}
	return final || site.Stage == generate.Denoise && site.Block > 0 && site.Branch != generate.Uncond
}

// runType is the type that a value had in the golden's run.
func runType(t golden.Tap) dtype.Type {
	if typ, err := dtype.Parse(t.RunType); err == nil {
		return typ
	}
	return t.Type
}

// precision returns the least precise type among the tensors of a unit. Under
// the released contract the run itself rounds the tensors of products to bf16, and
// kernels round all that they multiply to f16 under the exact one.
func (s *session) precision(u catalog.Unit) dtype.Type {
	least := dtype.F32
	if u.Kind != catalog.Copy {
		least = s.operands()
	}
	for _, path := range u.Parts {
		part := s.catalog.Op(path)
		for _, module := range part.Tensors {
			for _, i := range s.weights.of(module) {
				t := s.weights.types[i]
				if s.contract == generate.Released && part.Kind == catalog.Product && t == dtype.BF16 {
					continue
				}
				least = coarser(least, t)
			}
		}
	}
	return least
}

// operands returns the type that the engine rounds everything to before it multiplies,
// where the golden's run does not.
func (s *session) operands() dtype.Type {
	if s.kernels && s.contract == generate.Exact {
		return dtype.F16
	}
	return dtype.F32
}

// keys returns the largest number of keys that a sample's queries see in a pass.
func (s *session) keys(site generate.Site) int {
	most := 0
	for i := range s.info.Samples {
		most = max(most, s.keysOf(site, i))
	}
	if !s.cfg.VAE.BlockCausal && site.Stage != generate.Denoise && site.Stage != generate.Commit {
		return most * len(s.info.Samples) // without a mask all samples are seen
	}
	return most
}

// keysOf returns the number of keys that a sample's last query sees in a pass.
func (s *session) keysOf(site generate.Site, sample int) int {
	switch {
	case site.Stage == generate.Encode || site.Stage == generate.Prefill || site.Branch == generate.Uncond:
		return s.latentsOf(site, sample)
	}
	return s.info.Samples[sample].PrefixLatents + (site.Block+1)*s.cfg.DiT.BlockSize
}

// operand bounds the numbers that an operation adds.
func (s *session) operand(site generate.Site, op *catalog.Op) float64 {
	if op.Operand == nil {
		return 0
	}
	in := make([]float64, len(op.Inputs))
	for i, path := range op.Inputs {
		in[i] = s.magnitude(site, path)
	}
	return op.Operand(in)
}

// magnitude returns the largest element of the golden's value of a path in the
// pass of site; 0 where it is not known.
func (s *session) magnitude(site generate.Site, path string) float64 {
	tap := sibling(site, path)
	if v, ok := s.largest[tap]; ok {
		return v
	}
	if v, err := s.bundle.Read(tap); err == nil && v.Type.Float() { // not compared, or not all of it
		if s.largest[tap], err = largestOf(v); err == nil {
			return s.largest[tap]
		}
	}
	if op := s.catalog.Op(path); op != nil && op.Kind == catalog.Copy && len(op.Inputs) > 0 {
		return s.magnitude(site, op.Inputs[0])
	}
	return 0
}

func scoresOf(u catalog.Unit) string {
	if u.Kind == catalog.Attention {
		return u.Op.Inputs[0]
	}
	return ""
}

// independent counts the elements that can differ independently of each other:
// what depends on the timestep alone is the same in every row of a timestep, and a
// weight of a softmax that is rounded the other way moves all channels of a head.
func (s *session) independent(u catalog.Unit, tap golden.Tap) float64 {
	n, _ := tap.Shape.Elements()
	switch {
	case len(tap.Shape) > 1 && u.TimestepOnly():
		n = int64(tap.Shape[len(tap.Shape)-1])
	case u.Kind == catalog.Attention && u.Op.Section == catalog.DiT:
		n /= int64(s.cfg.DiT.HeadDim)
	case u.Kind == catalog.Attention:
		n /= int64(s.cfg.VAE.HeadDim())
	}
	return float64(n)
}
