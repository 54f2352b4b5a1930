package verify

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"

	"colakit/formats/dtype"
	"colakit/formats/hf"
	"colakit/formats/tensor"
	"colakit/reference/generate"
	"colakit/verify/catalog"
)

// Recorder is the engine and the artifact that a bundle was recorded with, where
// that was no run of the Python package: the limits then have to hold between two
// candidates.
type Recorder struct {
	Model    generate.Model
	Artifact Artifact
	// Shows is that of an engine that is Partial; nil: the engine shows everything.
	Shows func(generate.Site) bool
}

// Reasons why a bundle of another engine lacks a value.
const (
	fusedInRecorder = "fused in the reference engine"
	tableOfRecorder = "replaced by the reference's AdaLN table"
)

// hides says why the recorder could not record a site; "" if it could.
func (r *Recorder) hides(site generate.Site) string {
	switch {
	case r == nil:
		return ""
	case r.Shows != nil && !r.Shows(site):
		return fusedInRecorder
	case r.Model.Schedule != nil && catalog.IsEmbedding(site.Path):
		return tableOfRecorder
	}
	return ""
}

// pair takes into account what the bundle was recorded with: a comparison is judged
// by the rule for the less precise of both sides.
func (s *session) pair() error {
	r := s.options.Recorder
	if r == nil {
		return nil
	}
	if r.Model.Contract != s.contract {
		return fmt.Errorf("%s holds a run of the %s contract, but its recorder runs %s", s.options.Name, s.contract, r.Model.Contract)
	}
	if r.Model.Activations == generate.Int8Activations {
		s.activations = generate.Int8Activations
	}
	s.kernels = s.kernels || r.Model.Kernels
	if c := s.engine.Model().Contract; c != s.contract {
		s.unjudged = fmt.Sprintf("the policy has no rule for a run of the %s contract that is held against one of the %s contract", c, s.contract)
	}
	return s.weights.join(r.Artifact, s.contract, s.activations)
}

// join gives every tensor the less precise type of both artifacts, and the precision
// of float32 where both hold the same values and nothing is quantised on the way: no
// error comes of it.
func (w *weights) join(other Artifact, c generate.Contract, a generate.Activations) error {
	theirs := newWeights(other)
	w.least = dtype.F32
	for i, d := range w.descs.Tensors {
		if d.Name == hf.AdaModulations {
			continue
		}
		j, held := theirs.byName[d.Name]
		if held {
			w.types[i] = apart(d.Type, theirs.types[j], c)
			same, err := sameValues(w.descs.Weights, other.Weights, d.Name)
			if err != nil {
				return err
			}
			if same && (a == generate.FloatActivations || w.types[i] != dtype.I8) {
				w.types[i] = dtype.F32
			}
		}
		w.least = coarser(w.least, w.types[i])
	}
	for j, d := range other.Tensors {
		if _, held := w.byName[d.Name]; !held && d.Name != hf.AdaModulations {
			w.least = coarser(w.least, theirs.types[j])
		}
	}
	return nil
}

// apart is the type by which two stored types of a tensor are judged. The released
// contract rounds to bfloat16 what is float32 or bfloat16 to the same numbers, and
// float16 to others: that counts as float16.
func apart(a, b dtype.Type, c generate.Contract) dtype.Type {
	if worst := coarser(a, b); c == generate.Exact || worst != dtype.BF16 || a != dtype.F16 && b != dtype.F16 {
		return worst
	}
	return dtype.F16
}

// sameValues reports whether two artifacts hold the same bytes of a tensor.
func sameValues(a, b tensor.Source, name string) (bool, error) {
	if a == nil || b == nil {
		return false, nil
	}
	x, err := a.Read(name)
	if err != nil {
		return false, err
	}
	y, err := b.Read(name)
	if errors.Is(err, tensor.ErrNotFound) {
		return false, nil
	}
	return err == nil && x.Type == y.Type && bytes.Equal(x.Data, y.Data) && bytes.Equal(x.Scales, y.Scales) &&
		reflect.DeepEqual(x.Quantization, y.Quantization), err
}
