package synth

import (
	"fmt"

	"colakit/formats/dtype"
	"colakit/formats/hf"
	"colakit/formats/tensor"
)

// Source holds the weights of a configuration under their native names. They
// are made when they are read.
type Source struct {
	cfg     hf.Config
	seed    uint64
	stored  dtype.Type
	tensors []hf.Expected
	byName  map[string]int
}

// NewSource returns a source of the given type and seed.
func NewSource(cfg hf.Config, t dtype.Type, seed uint64) *Source {
	s := &Source{cfg: cfg, seed: seed, stored: t, tensors: cfg.Inventory(), byName: map[string]int{}}
	for i, e := range s.tensors {
		s.byName[e.Name] = i
	}
	return s
}

// Descs lists the tensors in the order of the inventory.
func (s *Source) Descs() []tensor.Desc {
	descs := make([]tensor.Desc, len(s.tensors))
	for i, e := range s.tensors {
		descs[i] = tensor.Desc{Name: e.Name, Type: s.stored, Shape: e.Shape}
	}
	return descs
}

// Read makes one tensor.
func (s *Source) Read(name string) (tensor.View, error) {
	i, ok := s.byName[name]
	if !ok {
		return tensor.View{}, fmt.Errorf("%q: %w", name, tensor.ErrNotFound)
	}
	e := s.tensors[i]
	n, err := e.Shape.Elements()
	if err != nil {
		return tensor.View{}, err
	}
	values := make([]float32, n)
	Fill(values, s.cfg, e, s.seed, 0)
	v := tensor.View{
		Desc: tensor.Desc{Name: name, Type: s.stored, Shape: e.Shape},
		Data: make([]byte, int(n)*s.stored.Size()),
	}
	return v, dtype.FromFloat32s(v.Data, values, s.stored)
}

// Close does nothing.
func (s *Source) Close() error { return nil }
