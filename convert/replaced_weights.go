package convert

import (
	"fmt"
	"sync"

	"colakit/formats/dtype"
	"colakit/formats/tensor"
	"colakit/internal/blake3"
	"colakit/quantize"
)

// replacedWeights are the weights that an AdaLN table replaces, as Transformers loads them,
// under their native names. They are read, not mapped, like all weights; memory is
// the caller's who keeps them.
type replacedWeights struct {
	weights *weights
	dropped []Dropped
	tensors map[string]found

	mu   sync.Mutex
	sums map[string]blake3.Sum // of those that were read
}

var _ tensor.Source = (*replacedWeights)(nil)

func newReplaced(c *Conversion, src *weights) *replacedWeights {
	w := &replacedWeights{weights: src, dropped: c.Dropped, tensors: map[string]found{}, sums: map[string]blake3.Sum{}}
	for _, f := range c.dropped {
		w.tensors[f.Name] = f
	}
	return w
}

// Descs lists the tensors in the order of the plan.
func (w *replacedWeights) Descs() []tensor.Desc {
	descs := make([]tensor.Desc, len(w.dropped))
	for i, d := range w.dropped {
		descs[i] = tensor.Desc{Name: d.Tensor, Type: d.loaded(), Shape: d.Shape}
	}
	return descs
}

// loaded is the type that a tensor is loaded as.
func (d Dropped) loaded() dtype.Type {
	if d.Load != nil {
		return *d.Load
	}
	return d.From
}

// Read returns a tensor. NaN, Inf and values beyond the type that it is loaded as
// are errors.
func (w *replacedWeights) Read(name string) (tensor.View, error) {
	for _, d := range w.dropped {
		if d.Tensor == name {
			return w.read(d, w.tensors[name])
		}
	}
	return tensor.View{}, fmt.Errorf("%w: %q, among those that an AdaLN table replaces", tensor.ErrNotFound, name)
}

func (w *replacedWeights) read(d Dropped, f found) (tensor.View, error) {
	stored := make([]byte, d.Bytes)
	h := w.weights.byPath[f.path()]
	if err := h.read(stored, h.offsets[d.Source]); err != nil {
		return tensor.View{}, err
	}
	w.mu.Lock()
	w.sums[d.Tensor] = blake3.Of(stored)
	w.mu.Unlock()
	if err := d.checkFinite(f.path(), stored); err != nil {
		return tensor.View{}, err
	}
	v := tensor.View{Desc: tensor.Desc{Name: d.Tensor, Type: d.loaded(), Shape: d.Shape}, Data: stored}
	if d.Load == nil {
		return v, nil
	}
	n := len(stored) / d.From.Size()
	v.Data = make([]byte, n*v.Type.Size())
	s := Step{Tensor: d.Tensor, Source: d.Source, Shape: d.Shape, From: d.From, To: quantize.Scheme{Type: v.Type}}
	var t quantize.Tally
	if err := quantize.Convert(v.Data, stored, s.cast(), 0, &t); err != nil {
		return v, fmt.Errorf("%s: tensor %q: %w", f.path(), d.Source, err)
	}
	return v, unstorable(s, f.path(), t)
}

// checkFinite returns an error for a tensor that holds NaN or Inf.
func (d Dropped) checkFinite(path string, data []byte) error {
	finite, _, err := quantize.Scan(data, d.From)
	if finite || err != nil {
		return err
	}
	s, err := quantize.Describe(data, d.From)
	if err != nil {
		return err
	}
	return tensor.Damagedf("%s: tensor %q holds %d NaN and %d Inf, the first at %v: the checkpoint is damaged or its training diverged",
		path, d.Source, s.NaN, s.Inf, coordinates(d.Shape, s.FirstBad))
}

// identify returns the hash of all of them.
func (w *replacedWeights) identify() (TableSource, error) {
	var sums []byte
	for _, d := range w.dropped {
		if _, read := w.sums[d.Tensor]; !read {
			if _, err := w.Read(d.Tensor); err != nil {
				return TableSource{}, err
			}
		}
		sum := w.sums[d.Tensor]
		sums = append(sums, sum[:]...)
	}
	return TableSource{Tensors: len(w.dropped), Weights: blake3.Of(sums)}, nil
}

// Close does nothing: the files are the conversion's.
func (w *replacedWeights) Close() error { return nil }
