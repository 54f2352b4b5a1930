package convert

import (
	"errors"
	"fmt"

	"colakit/formats/tensor"
	"colakit/quantize"
)

// TensorInspection describes one tensor.
type TensorInspection struct {
	Schema string `json:"schema"` // TensorSchema
	File   string `json:"file"`
	Format Format `json:"format"`
	TensorLine
	Statistics *quantize.Statistics `json:"statistics,omitempty"`
	First      []Value              `json:"first"` // elements, row-major
	Damage     string               `json:"damage,omitempty"`
}

// firstValues is the number of elements that are shown.
const firstValues = 8

// InspectTensor reads one tensor, by its native name or the one in its file. If
// its checksum is wrong it is described all the same, and the error says so.
func InspectTensor(path, name string) (TensorInspection, error) {
	c, err := OpenAny(path)
	if err != nil {
		return TensorInspection{}, err
	}
	defer c.Close()
	return c.inspectTensor(name)
}

func (c *Collection) inspectTensor(name string) (TensorInspection, error) {
	t := TensorInspection{Schema: TensorSchema, File: c.Path, Format: c.Format}
	p, err := c.provenance()
	if err != nil {
		return t, err
	}
	k, err := c.find(name)
	if err != nil {
		return t, p.dropped(c.Path, name, err)
	}
	h := c.holdings[k]
	steps, results := p.byTensor()
	t.TensorLine = TensorLine{h, steps[h.Name], results[h.Name]}
	n, damage := c.store.read(k)
	if damage != nil {
		if !errors.Is(damage, tensor.ErrDamaged) {
			return t, damage
		}
		t.Damage = damage.Error()
	}
	if !n.known() || int64(len(n.Data)) == 0 && n.count > 0 {
		return t, damage // nothing to compute with
	}
	stats, first, err := c.observe(n)
	t.Statistics, t.First = stats, first
	return t, errors.Join(damage, err)
}

// observe reads all elements of a tensor.
func (c *Collection) observe(n numbers) (*quantize.Statistics, []Value, error) {
	o, d := quantize.NewObserver(), decoder{}
	first := []Value{}
	values := make([]float64, min(n.count, pieceElements))
	for i := range n.tiles() {
		at, count := n.tile(i)
		if err := d.decode(values[:count], n, at); err != nil {
			return nil, nil, fmt.Errorf("%s: tensor %q: %w", c.Path, n.Name, err)
		}
		o.See(values[:count])
		for _, x := range values[:min(count, firstValues-len(first))] {
			first = append(first, Value(x))
		}
		if err := c.store.Forget(n.part(at, count)); err != nil {
			return nil, nil, err
		}
	}
	s := o.Statistics()
	return &s, first, nil
}
