package generate

import (
	"context"
	"fmt"
	"slices"

	"colakit/formats/tensor"
)

// fake is an engine whose every value can be foretold. Latents count up from the
// token ids; cond = z/2 + t, uncond = z/4; the logits favour what script says.
type fake struct {
	model  Model
	script func(sample, block, position int) int32
	calls  []string
	prefix [][]float32
	passes []Pass // of Velocity, copied
	final  [][]float32
	tap    Tap
}

func newFake(m Model) *fake {
	return &fake{model: m, script: func(_, block, position int) int32 { return int32(block + position) }}
}

func (f *fake) Model() Model { return f.model }
func (f *fake) Close() error { return nil }

func (f *fake) Observe(t Tap) { f.tap = t }

func latent(token int32, channel int) float32 { return float32(token) + float32(channel)/8 }

func (f *fake) Encode(_ context.Context, ids [][]int32) ([][]float32, error) {
	f.calls = append(f.calls, "encode")
	latents := make([][]float32, len(ids))
	for i, sample := range ids {
		for group := range slices.Chunk(sample, f.model.PatchSize) {
			for c := range f.model.LatentDim {
				latents[i] = append(latents[i], latent(group[0], c))
			}
		}
	}
	return latents, nil
}

func (f *fake) Prefill(_ context.Context, prefix [][]float32) error {
	f.calls, f.prefix = append(f.calls, "prefill"), prefix
	return nil
}

func (f *fake) Velocity(_ context.Context, p Pass) (cond, uncond []float32, err error) {
	f.passes = append(f.passes, Pass{p.Block, p.Step, slices.Clone(p.Z), slices.Clone(p.T)})
	cond, uncond = make([]float32, len(p.Z)), make([]float32, len(p.Z))
	for i, z := range p.Z {
		cond[i] = z/2 + p.T[i/f.model.LatentDim]
		uncond[i] = z / 4
	}
	return cond, uncond, nil
}

func (f *fake) Decode(_ context.Context, p Pass) ([]float32, error) {
	f.calls = append(f.calls, fmt.Sprintf("decode %d", p.Block))
	f.final = append(f.final, slices.Clone(p.Z))
	each := f.model.BlockSize * f.model.PatchSize
	rows := len(p.Z) / f.model.LatentDim * f.model.PatchSize
	logits := make([]float32, rows*f.model.VocabSize)
	for r := range rows {
		logits[r*f.model.VocabSize+int(f.script(r/each, p.Block, r%each))] = 1
	}
	return logits, nil
}

func (f *fake) Commit(_ context.Context, p Pass) error {
	f.calls = append(f.calls, fmt.Sprintf("commit %d", p.Block))
	return nil
}

// recorder is a tap that copies what it wants.
type recorder struct {
	only  func(Site) bool
	names []string
	views map[string]tensor.View
	force map[string][]float32
}

func (r *recorder) Want(s Site) bool { return r.only == nil || r.only(s) }

func (r *recorder) Record(s Site, v tensor.View) error {
	v.Data = slices.Clone(v.Data)
	if r.views == nil {
		r.views = map[string]tensor.View{}
	}
	r.names, r.views[s.String()] = append(r.names, s.String()), v
	return nil
}

func (r *recorder) Replace(s Site) (tensor.View, bool, error) {
	values, ok := r.force[s.String()]
	return tensor.FromFloat32s(s.String(), tensor.Shape{len(values)}, values), ok, nil
}

func zeroNoise(_, _ int, dst []float32) error { clear(dst); return nil }

func prompt(tokens ...int32) Prompt { return Prompt{Name: "here", Tokens: tokens} }

func prompts(lengths ...int) []Prompt {
	all := make([]Prompt, len(lengths))
	for i, n := range lengths {
		all[i] = Prompt{Name: fmt.Sprintf("prompt %d", i), Tokens: make([]int32, n)}
		for j := range all[i].Tokens {
			all[i].Tokens[j] = int32(j%8 + 1)
		}
	}
	return all
}
