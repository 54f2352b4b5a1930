package selftest

import (
	"fmt"
	"slices"

	"colakit/formats/dtype"
	"colakit/formats/tensor"
)

// Weights is a tensor.Source some of whose tensors are others than those of the
// source below it, which stays as it is.
type Weights struct {
	below   tensor.Source
	changed map[string]tensor.View
	removed map[string]bool
	added   []string
}

// NewWeights returns the tensors of a source, to be changed. Closing them leaves
// the source open.
func NewWeights(below tensor.Source) *Weights {
	return &Weights{below: below, changed: map[string]tensor.View{}, removed: map[string]bool{}}
}

var _ tensor.Source = (*Weights)(nil)

// Descs lists the tensors as they are now.
func (w *Weights) Descs() []tensor.Desc {
	var descs []tensor.Desc
	for _, d := range w.below.Descs() {
		if v, ok := w.changed[d.Name]; ok {
			d = v.Desc
		}
		if !w.removed[d.Name] {
			descs = append(descs, d)
		}
	}
	for _, name := range w.added {
		descs = append(descs, w.changed[name].Desc)
	}
	return descs
}

// Read returns a tensor as it is now.
func (w *Weights) Read(name string) (tensor.View, error) {
	if w.removed[name] {
		return tensor.View{}, fmt.Errorf("%q: %w", name, tensor.ErrNotFound)
	}
	if v, ok := w.changed[name]; ok {
		return v, nil
	}
	return w.below.Read(name)
}

// Close does nothing.
func (w *Weights) Close() error { return nil }

// Put replaces the tensor of v's name, or adds it.
func (w *Weights) Put(v tensor.View) {
	held := func(d tensor.Desc) bool { return d.Name == v.Name }
	if !slices.ContainsFunc(w.Descs(), held) {
		w.added = append(w.added, v.Name)
	}
	w.changed[v.Name] = v
}

// Remove takes a tensor away.
func (w *Weights) Remove(name string) error {
	_, err := w.Read(name)
	w.removed[name] = true
	return err
}

// Edit changes a tensor's elements, which are rounded to its type.
func (w *Weights) Edit(name string, change func(values []float32, shape tensor.Shape) error) error {
	v, err := w.Read(name)
	if err != nil {
		return err
	}
	values, err := v.Float32s()
	if err != nil {
		return err
	}
	values = slices.Clone(values)
	if err := change(values, v.Shape); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	v.Data = make([]byte, len(values)*v.Type.Size())
	if err := dtype.FromFloat32s(v.Data, values, v.Type); err != nil {
		return err
	}
	w.Put(v)
	return nil
}

// EditCodes changes the bytes of a tensor and of its scales.
func (w *Weights) EditCodes(name string, change func(v *tensor.View)) error {
	v, err := w.Read(name)
	if err != nil {
		return err
	}
	v.Data, v.Scales = slices.Clone(v.Data), slices.Clone(v.Scales)
	change(&v)
	w.Put(v)
	return nil
}

// cast stores a tensor in another type, rounded to nearest even.
func (w *Weights) cast(name string, t dtype.Type) error {
	v, err := w.Read(name)
	if err != nil {
		return err
	}
	values, err := v.Float32s()
	if err != nil {
		return err
	}
	v.Type, v.Data = t, make([]byte, len(values)*t.Size())
	if err := dtype.FromFloat32s(v.Data, values, t); err != nil {
		return err
	}
	w.Put(v)
	return nil
}
