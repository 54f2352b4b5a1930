package selftest

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	"colakit/formats/dtype"
	"colakit/formats/hf"
	"colakit/formats/tensor"
	"colakit/golden"
	"colakit/reference/generate"
	"colakit/verify/operation"
)

// Pass is what a spoiler knows beside the value that it spoils.
type Pass struct {
	Config  hf.Config
	Bundle  *golden.Bundle
	Info    *golden.Info
	Run     *operation.Run
	Weights tensor.Source

	kept   map[string]tensor.View
	spoilt *atomic.Int64           // counts values
	chosen *atomic.Pointer[string] // the operation that is spoilt, where that is chosen in the run
}

// Value returns what the run went on with at another path of the site's pass; of
// the loop's passes, "cond/dit.velocity" is such a path, too.
func (p *Pass) Value(s generate.Site, path string) (tensor.View, error) {
	s.Path = path
	v, ok := p.kept[s.String()]
	if !ok {
		return v, fmt.Errorf("%s was not kept", s)
	}
	return v, nil
}

// Values returns the elements of Value.
func (p *Pass) Values(s generate.Site, path string) ([]float64, error) {
	v, err := p.Value(s, path)
	if err != nil {
		return nil, err
	}
	return v.Float64s()
}

// spoiler is the tap between a run and the comparison.
type spoiler struct {
	generate.Forcing // the comparison
	pass             *Pass
	values           []Values

	asked  generate.Site // by Want, last
	wanted bool          // by the comparison
	spoilt tensor.View   // what the run goes on with, unless the comparison forces it
	has    bool
}

// interceptor returns the function that puts values between run and comparison.
func interceptor(p Pass, values []Values) func(generate.Forcing) generate.Tap {
	return func(comparison generate.Forcing) generate.Tap {
		own := p
		own.kept = map[string]tensor.View{}
		return &spoiler{Forcing: comparison, pass: &own, values: values}
	}
}

// of returns the first Values that a site matches; nil for none.
func (t *spoiler) of(s generate.Site) *Values {
	for i := range t.values {
		if t.values[i].At(s) {
			return &t.values[i]
		}
	}
	return nil
}

func (t *spoiler) keeps(s generate.Site) bool {
	return slices.ContainsFunc(t.values, func(v Values) bool { return v.Keep != nil && v.Keep(s) })
}

// Want asks for what the comparison wants and what is spoilt or kept.
func (t *spoiler) Want(s generate.Site) bool {
	v := t.of(s)
	hidden := v != nil && v.Hide
	if hidden {
		t.pass.spoilt.Add(1)
	}
	t.asked, t.wanted, t.has = s, !hidden && t.Forcing.Want(s), false
	return t.wanted || v != nil && !hidden || t.keeps(s)
}

// Record shows the comparison the spoilt value.
func (t *spoiler) Record(s generate.Site, v tensor.View) error {
	t.spoilt = v
	if values := t.of(s); values != nil && values.Spoil != nil {
		var err error
		if t.spoilt, err = values.Spoil(t.pass, s, v); err != nil {
			return fmt.Errorf("spoiling %s: %w", s, err)
		}
		if t.spoilt.Type != v.Type || !t.spoilt.Shape.Equal(v.Shape) || !bytes.Equal(t.spoilt.Data, v.Data) {
			t.pass.spoilt.Add(1)
		}
		t.has = t.spoilt.Shape.Equal(v.Shape)
	}
	if !t.wanted {
		return nil
	}
	return t.Forcing.Record(s, t.spoilt)
}

// Replace has the run go on with what the comparison says, else with the spoilt
// value.
func (t *spoiler) Replace(s generate.Site) (v tensor.View, ok bool, err error) {
	if t.wanted || t.asked != s {
		v, ok, err = t.Forcing.Replace(s)
	}
	if err == nil && !ok && t.has {
		v, ok = t.spoilt, true
	}
	t.keep(s, v, ok)
	return v, ok, err
}

func (t *spoiler) keep(s generate.Site, forced tensor.View, ok bool) {
	if !t.keeps(s) {
		return
	}
	if !ok {
		forced = t.spoilt
	}
	forced.Data = slices.Clone(forced.Data)
	t.pass.kept[s.String()] = forced
}

// spoil changes the elements of values, and rounds them to their type again.
func spoil(change func(p *Pass, s generate.Site, v []float64, shape tensor.Shape) error) func(*Pass, generate.Site, tensor.View) (tensor.View, error) {
	return func(p *Pass, s generate.Site, v tensor.View) (tensor.View, error) {
		values, err := v.Float64s()
		if err != nil {
			return v, err
		}
		values = slices.Clone(values)
		if err := change(p, s, values, v.Shape); err != nil {
			return v, err
		}
		v.Data = make([]byte, len(values)*v.Type.Size())
		return v, dtype.FromFloat64s(v.Data, values, v.Type)
	}
}

// each changes every element by itself.
func each(change func(float64) float64) func(*Pass, generate.Site, tensor.View) (tensor.View, error) {
	return spoil(func(_ *Pass, _ generate.Site, v []float64, _ tensor.Shape) error {
		for i := range v {
			v[i] = change(v[i])
		}
		return nil
	})
}

// retyped shows the same numbers under another type.
func retyped(t dtype.Type) func(*Pass, generate.Site, tensor.View) (tensor.View, error) {
	return func(_ *Pass, _ generate.Site, v tensor.View) (tensor.View, error) {
		values, err := v.Float64s()
		if err != nil {
			return v, err
		}
		v.Type, v.Data = t, make([]byte, len(values)*t.Size())
		return v, dtype.FromFloat64s(v.Data, values, t)
	}
}

// turned shows the value with its two dimensions exchanged.
func turned(_ *Pass, _ generate.Site, v tensor.View) (tensor.View, error) {
	v.Shape = tensor.Shape{v.Shape[1], v.Shape[0]}
	return v, nil
}

// spoils is an injection of one Values.
func spoils(v Values) Injection { return Injection{Values: []Values{v}} }

// at selects the sites with one of the paths, in all passes.
func at(paths ...string) func(generate.Site) bool {
	return func(s generate.Site) bool { return slices.Contains(paths, s.Path) }
}

// ending selects the sites whose name ends so.
func ending(suffix string) func(generate.Site) bool {
	return func(s generate.Site) bool { return strings.HasSuffix(s.String(), suffix) }
}

// in selects, of the given sites, those of one stage.
func in(stage generate.Stage, of func(generate.Site) bool) func(generate.Site) bool {
	return func(s generate.Site) bool { return s.Stage == stage && of(s) }
}

// branch selects, of the given sites, those of one branch; "" is the loop's own.
func branch(name string, of func(generate.Site) bool) func(generate.Site) bool {
	return func(s generate.Site) bool { return s.Stage == generate.Denoise && s.Branch == name && of(s) }
}
