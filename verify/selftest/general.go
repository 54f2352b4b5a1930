package selftest

import (
	"fmt"
	"slices"
	"strings"

	"colakit/formats/dtype"
	"colakit/formats/hf"
	"colakit/formats/tensor"
	"colakit/reference/generate"
	"colakit/verify/catalog"
	"colakit/verify/operation"
)

// General returns cases for any model: mistakes in the tensors of every kind of
// operation, every alternative of package operation, the loop's mistakes that need no
// model of a certain shape, and what must pass.
func General(cfg hf.Config) []Case {
	var loop []Case
	for _, c := range slices.Concat(loopFaults, stateFaults) {
		if slices.Contains(anyModel, c.Name) {
			loop = append(loop, c)
		}
	}
	return slices.Concat(
		of(Tensors, generalTensors(cfg)),
		of(Loop, loop),
		of(Operations, generalWays()),
		of(Faultless, generalFaultless()),
	)
}

// anyModel names the cases of the catalogue that are the same for every model.
var anyModel = []string{
	"timesteps-scaled", "pinned-rows-in-time", "branches-exchanged", "uncond-not-computed", "latents-scaled-twice",
	"decoder-before-the-last-step", "commit-before-the-last-step", "commit-missing", "pinned-rows-not-pinned", "pinned-rows-not-restored",
	"guidance-around-cond", "integrator-in-bf16", "step-width-rounded", "integrator-backwards",
}

// generalTensors spoils a tensor of every kind of operation, in the layer in the
// middle.
func generalTensors(cfg hf.Config) []Case {
	var cases []Case
	shapes := map[string]tensor.Shape{}
	for _, e := range cfg.Inventory() {
		if e.Class != hf.Buffer {
			shapes[e.Name] = e.Shape
		}
	}
	seen := map[string]bool{}
	for _, op := range catalog.New(cfg, 7).Ops() {
		if op.Layer >= 0 && op.Layer != layersOf(cfg, op.Section)/2 || op.Derived {
			continue
		}
		for _, module := range op.Tensors {
			for _, name := range []string{module, module + ".weight", module + ".bias"} {
				if shape, ok := shapes[name]; ok && !seen[name] {
					seen[name] = true
					cases = append(cases, spoiltTensor(op, name, shape, shapes)...)
				}
			}
		}
	}
	return cases
}

func layersOf(cfg hf.Config, s catalog.Section) int {
	switch s {
	case catalog.Encoder:
		return cfg.VAE.EncoderNumBlocks
	case catalog.Decoder:
		return cfg.VAE.DecoderNumBlocks
	}
	return cfg.DiT.NumLayers
}

// spoiltTensor returns the mistakes that a tensor allows; op is the first operation
// that uses it.
func spoiltTensor(op *catalog.Op, name string, shape tensor.Shape, shapes map[string]tensor.Shape) []Case {
	var cases []Case
	add := func(kind, imitates string, i Injection, w Want) {
		w.Op, w.Tensor = op.Path, name
		cases = append(cases, Case{Name: kind + ":" + name, Imitates: imitates, Bundle: exactOps, Inject: i, Want: w})
	}
	add("doubled", "a tensor twice as large", every(name, times(2)), Want{})
	if other := elsewhere(op, name); other != "" && shapes[other].Equal(shape) {
		hypothesis := "other weight"
		if strings.HasSuffix(name, ".bias") {
			hypothesis = "other bias"
		}
		add("other-layer", "the tensor of another layer", exchanged(name, other), Want{Hypothesis: hypothesis})
	}
	if len(shape) == 1 {
		add("zeroed", "a tensor that is not read", every(name, becomes(0)), Want{})
		var w Want
		if strings.HasPrefix(name, op.Tensors[len(op.Tensors)-1]) { // nothing mixes the channels again
			w.Says = []string{"channel 1"}
		}
		add("element", "one element is another", element(name, 1, plus(0.5)), w)
		return cases
	}
	at := 1
	if name == hf.EncoderWTE.Weight() {
		at = firstToken // a row that is used
	}
	add("row", "one row is zero", row(name, at, becomes(0)), Want{})
	add("nan", "NaN in one element", element(name, at*rowSize(shape)+1, notANumber), Want{Phase: "NaN and infinity"})
	if len(shape) == 2 && shape[0] == shape[1] {
		add("transposed", "a matrix stored [in, out]", transposed(name), Want{Hypothesis: "transposed"})
	}
	return cases
}

// rowSize is the number of elements of a row.
func rowSize(shape tensor.Shape) int {
	n, _ := shape[1:].Elements()
	return int(n)
}

// elsewhere is the name of the same tensor in the layer before or behind; "" for one
// that stands outside of the layers.
func elsewhere(op *catalog.Op, name string) string {
	own := fmt.Sprintf(".blocks.%d.", op.Layer)
	for _, other := range []int{op.Layer + 1, op.Layer - 1} {
		if op.Layer >= 0 && other >= 0 && strings.Contains(name, own) {
			return strings.Replace(name, own, fmt.Sprintf(".blocks.%d.", other), 1)
		}
	}
	return ""
}

// generalWays computes an operation in every other way that is known, in the first
// place where that changes something.
func generalWays() []Case {
	var cases []Case
	for _, bundle := range []string{exactOps, releasedOps} {
		for _, name := range operation.Names() {
			cases = append(cases, Case{
				Name: "way:" + strings.ReplaceAll(name, " ", "-") + ":" + bundle, Imitates: name, Bundle: bundle,
				Inject: somewhere(name), Want: Want{Hypothesis: name}, Optional: true,
			})
		}
	}
	return cases
}

// somewhere is otherwise for the first operation of which the alternative changes a
// value by more than roundings do.
func somewhere(name string) Injection {
	i := otherwise(name, "", func(generate.Site) bool { return true })
	spoil := i.Values[0].Spoil
	i.Values[0].Spoil = func(p *Pass, s generate.Site, v tensor.View) (tensor.View, error) {
		chosen := p.chosen.Load()
		_, recorded := p.Bundle.Lookup(s.String())
		op, known := p.Run.Catalog().Lookup(s)
		if !recorded || !known || op.Derived || !v.Type.Float() || chosen != nil && *chosen != s.Path {
			return v, nil
		}
		got, err := spoil(p, s, v)
		if err != nil || chosen != nil {
			return got, err
		}
		if apart, err := far(got, v); err != nil || !apart {
			return v, err
		}
		path := s.Path
		p.chosen.Store(&path)
		return got, nil
	}
	return i
}

// far reports whether two values differ by more than the sums of an operation round: in
// a quarter of the elements where these are bfloat16.
func far(got, want tensor.View) (bool, error) {
	a, err := got.Float64s()
	if err != nil {
		return false, err
	}
	e, err := want.Float64s()
	if err != nil {
		return false, err
	}
	d2, e2, differ := 0.0, 0.0, 0
	for i := range e {
		d2, e2 = d2+(a[i]-e[i])*(a[i]-e[i]), e2+e[i]*e[i]
		if a[i] != e[i] {
			differ++
		}
	}
	if want.Type == dtype.BF16 {
		return 4*differ > len(e), nil
	}
	return d2 > 1e-4*1e-4*e2, nil
}

// generalFaultless are variations of every model that must pass.
func generalFaultless() []Case {
	var cases []Case
	for _, how := range recordings {
		cases = append(cases,
			Case{Name: "as-it-is:" + how.bundle, Imitates: "nothing", Bundle: how.bundle, Exact: true, Want: pass},
			Case{Name: "three-workers:" + how.bundle, Imitates: "work divided among three", Bundle: how.bundle, Setting: Setting{Workers: 3}, Want: pass})
		for _, t := range []dtype.Type{dtype.F16, dtype.BF16} {
			cases = append(cases, Case{Name: t.String() + ":" + how.bundle, Imitates: "weights in " + t.String(), Bundle: how.bundle, Inject: castAll(t), Want: pass})
		}
	}
	return cases
}

// castAll stores every tensor in another type.
func castAll(t dtype.Type) Injection {
	return Injection{Weights: func(w *Weights) error {
		for _, d := range w.Descs() {
			if err := w.cast(d.Name, t); err != nil {
				return err
			}
		}
		return nil
	}}
}
