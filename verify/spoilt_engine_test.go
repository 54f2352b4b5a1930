package verify_test

import (
	"context"
	"slices"
	"strings"

	"colakit/formats/tensor"
	"colakit/reference/generate"
)

// wrapped is an engine with some of its methods spoilt.
type wrapped struct {
	generate.Engine
	pass   func(stage generate.Stage, p generate.Pass) generate.Pass
	commit func() bool // whether a block is committed
	encode func([][]float32)
	branch func(cond, uncond []float32) (c, u []float32)
	logits func(p generate.Pass, logits []float32)
	tap    func(generate.Tap) generate.Tap
}

func (w *wrapped) change(s generate.Stage, p generate.Pass) generate.Pass {
	if w.pass == nil {
		return p
	}
	p.Z, p.T = slices.Clone(p.Z), slices.Clone(p.T)
	return w.pass(s, p)
}

func (w *wrapped) Encode(ctx context.Context, ids [][]int32) ([][]float32, error) {
	latents, err := w.Engine.Encode(ctx, ids)
	if w.encode != nil && err == nil {
		w.encode(latents)
	}
	return latents, err
}

func (w *wrapped) Velocity(ctx context.Context, p generate.Pass) (cond, uncond []float32, err error) {
	cond, uncond, err = w.Engine.Velocity(ctx, w.change(generate.Denoise, p))
	if w.branch != nil && err == nil {
		cond, uncond = w.branch(cond, uncond)
	}
	return cond, uncond, err
}

func (w *wrapped) Decode(ctx context.Context, p generate.Pass) ([]float32, error) {
	logits, err := w.Engine.Decode(ctx, w.change(generate.Decode, p))
	if w.logits != nil && err == nil {
		w.logits(p, logits)
	}
	return logits, err
}

func (w *wrapped) Commit(ctx context.Context, p generate.Pass) error {
	if w.commit != nil && !w.commit() {
		return nil
	}
	return w.Engine.Commit(ctx, w.change(generate.Commit, p))
}

func (w *wrapped) Observe(tap generate.Tap) {
	if w.tap != nil && tap != nil {
		tap = w.tap(tap)
	}
	w.Engine.Observe(tap)
}

// filter changes what a tap is shown.
type filter struct {
	generate.Forcing
	hide string                        // suffix of a site never shown
	view func(tensor.View) tensor.View // of the sites that end in at
	at   string
}

func (f *filter) Want(s generate.Site) bool {
	return (f.hide == "" || !strings.HasSuffix(s.String(), f.hide)) && f.Forcing.Want(s)
}

func (f *filter) Record(s generate.Site, v tensor.View) error {
	if f.view != nil && strings.HasSuffix(s.String(), f.at) {
		v = f.view(v)
	}
	return f.Forcing.Record(s, v)
}

func (f *filter) Replace(s generate.Site) (tensor.View, bool, error) {
	if f.view != nil && strings.HasSuffix(s.String(), f.at) {
		return tensor.View{}, false, nil
	}
	return f.Forcing.Replace(s)
}

func seen(f filter) func(generate.Tap) generate.Tap {
	return func(tap generate.Tap) generate.Tap {
		own := f
		own.Forcing = tap.(generate.Forcing)
		return &own
	}
}

// Engines that compute otherwise.
var (
	timesRounded = wrapped{pass: roundedTime}
	pinnedInTime = wrapped{pass: func(_ generate.Stage, p generate.Pass) generate.Pass {
		for i := range p.T {
			p.T[i] = slices.Max(p.T)
		}
		return p
	}}
	branchesExchanged = wrapped{branch: func(c, u []float32) ([]float32, []float32) { return u, c }}
	otherLatents      = wrapped{pass: func(s generate.Stage, p generate.Pass) generate.Pass {
		if s == generate.Decode {
			p.Z[5] += 0.01
		}
		return p
	}}
	roundingMissing = wrapped{tap: seen(filter{at: "dit.blocks.1.mlp.act", view: func(v tensor.View) tensor.View {
		values, _ := v.Float32s()
		return tensor.FromFloat32s(v.Name, v.Shape, values)
	}})}
	shapeTurned = wrapped{tap: seen(filter{at: "dit.blocks.1.mlp.act", view: func(v tensor.View) tensor.View {
		v.Shape = tensor.Shape{v.Shape[1], v.Shape[0]}
		return v
	}})}
)
