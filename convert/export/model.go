package export

import (
	"fmt"

	"colakit/formats/cola"
	"colakit/formats/hf"
	"colakit/formats/tensor"
)

// model is an opened artifact.
type model struct {
	*cola.File
	meta     cola.Meta
	config   hf.Config
	expected map[string]hf.Expected // by native name
	order    []tensor.Desc          // its tensors, in the order of the inventory, then the others
	others   []string               // tensors that the configurations do not expect
}

// openModel opens an artifact and holds its tensors against its configurations.
func openModel(path string) (*model, error) {
	f, err := cola.Open(path)
	if err != nil {
		return nil, err
	}
	m := &model{File: f, expected: map[string]hf.Expected{}}
	if err := m.read(); err != nil {
		f.Close()
		return nil, err
	}
	return m, nil
}

func (m *model) read() (err error) {
	if m.meta, err = m.Meta(); err != nil {
		return err
	}
	if m.config, err = hf.ParseConfig(m.meta.DiTConfig, m.meta.VAEConfig); err != nil {
		return fmt.Errorf("%s: %w", m.File.Name(), err)
	}
	if s, ok, err := hf.FindSchedule(m.File); err != nil || ok {
		if err == nil {
			err = fmt.Errorf("it holds an AdaLN table for %v in place of weights, and no other format has a place for one: export an artifact that was converted with --ada full", s)
		}
		return fmt.Errorf("%s: %w", m.File.Name(), err)
	}
	held := map[string]tensor.Desc{}
	for _, d := range m.Descs() {
		held[d.Name] = d
	}
	for _, e := range m.config.Inventory() {
		d, ok := held[e.Name]
		if !ok {
			continue
		}
		if !d.Shape.Equal(e.Shape) {
			return tensor.Damagedf("%s: tensor %q has shape %v, want %v by its configuration", m.File.Name(), d.Name, d.Shape, e.Shape)
		}
		m.expected[e.Name] = e
		m.order = append(m.order, d)
	}
	for _, d := range m.Descs() {
		if _, ok := m.expected[d.Name]; !ok {
			m.order = append(m.order, d)
			m.others = append(m.others, d.Name)
		}
	}
	return nil
}

// class returns the role of a tensor, NoClass for one that no configuration expects.
func (m *model) class(name string) hf.Class { return m.expected[name].Class }

// vector reports whether a tensor keeps 32 bits in every type: biases, norms and
// buffers, few and of effect on whole channels.
func (m *model) vector(d tensor.Desc) bool {
	c := m.class(d.Name)
	return len(d.Shape) < 2 || c == hf.Norm || c == hf.Bias || c == hf.Buffer
}

// lackedBuffers returns the checkpoint's names of the buffers that the artifact does
// not hold: they follow from the configuration, and a checkpoint may leave them out.
func (m *model) lackedBuffers(which hf.Model) (names []string) {
	for _, e := range m.config.Inventory() {
		if _, ok := m.expected[e.Name]; !ok && e.Model == which && e.Class == hf.Buffer {
			names = append(names, e.Source)
		}
	}
	return names
}

// complete returns an error unless the artifact holds all tensors of the layout
// that the public package loads, and no others.
func (m *model) complete(format Format) error {
	for _, e := range m.config.Inventory() {
		if _, ok := m.expected[e.Name]; !ok && !e.Optional {
			return fmt.Errorf("%s holds no tensor %q, and a folder of %v is loaded with all: export an artifact that was converted with all weights",
				m.File.Name(), e.Name, format)
		}
	}
	if len(m.others) > 0 {
		return fmt.Errorf("%s: tensor %q has no place in a folder of %v", m.File.Name(), m.others[0], format)
	}
	return nil
}
