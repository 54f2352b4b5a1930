package convert

import (
	"errors"
	"fmt"
	"math"

	"colakit/formats/hf"
	"colakit/formats/tensor"
	"colakit/internal/blake3"
	"colakit/internal/mmap"
	"colakit/internal/units"
	"colakit/quantize"
)

// Explanation says why a tensor is as it is: where it comes from, what decided
// about its type, what that cost, and what it holds now. Of what is not an
// artifact only the last is known.
type Explanation struct {
	Schema string `json:"schema"` // ExplainSchema
	File   string `json:"file"`
	Format Format `json:"format"`
	TensorLine
	Class      string               `json:"class,omitempty"`   // hf.Class, by the configuration
	SQNR       *Value               `json:"sqnr_db,omitempty"` // of Figures
	Made       *Making              `json:"made,omitempty"`    // of an artifact
	Content    *blake3.Sum          `json:"content_blake3,omitempty"`
	Statistics *quantize.Statistics `json:"statistics,omitempty"`
	Damage     string               `json:"damage,omitempty"`
}

// Making says how an artifact was made.
type Making struct {
	Tool   string     `json:"tool"`
	Type   string     `json:"type"`             // as asked for
	Source *SourceSum `json:"source,omitempty"` // the file that held the tensor
	// AdaTable and Weights say for which schedule a tensor of the AdaLN table was
	// computed, and from which weights.
	AdaTable *hf.Schedule `json:"ada_table,omitempty"`
	Weights  *TableSource `json:"weights,omitempty"`
	State    string       `json:"state"` // of its verification
	Root     blake3.Sum   `json:"root"`  // of the artifact
}

// Explain explains one tensor of a file of any format. A damaged tensor is
// explained as far as it can be, and the error says what is wrong.
func Explain(path, name string) (Explanation, error) {
	c, err := OpenAny(path)
	if err != nil {
		return Explanation{}, err
	}
	defer c.Close()
	t, damage := c.inspectTensor(name)
	if t.Name == "" {
		return Explanation{}, damage
	}
	e := Explanation{Schema: ExplainSchema, File: c.Path, Format: c.Format, TensorLine: t.TensorLine,
		Statistics: t.Statistics, Damage: t.Damage, Class: c.class(t.Name)}
	if t.Result != nil {
		db := Value(-20 * math.Log10(t.Result.RelL2))
		e.SQNR = &db
	}
	if err := c.explainMaking(&e); err != nil {
		return e, errors.Join(damage, err)
	}
	e.Content, err = c.content(t.Name)
	return e, errors.Join(damage, err)
}

// explainMaking enters what the provenance of an artifact says.
func (c *Collection) explainMaking(e *Explanation) error {
	s, ok := c.store.(colaStore)
	if !ok {
		return nil
	}
	p, err := c.provenance()
	if err != nil {
		return err
	}
	e.Made = &Making{Tool: p.Tool, Type: p.Plan.Type, State: p.Verification.State, Root: s.Root()}
	if e.Step == nil {
		return nil
	}
	if e.Step.Action == Compute {
		e.Made.AdaTable, e.Made.Weights = p.Plan.AdaTable, p.AdaTable
	}
	for i := range p.Sources {
		if p.Sources[i].File == e.Step.File {
			e.Made.Source = &p.Sources[i]
		}
	}
	return nil
}

// class returns the role of a tensor by the configurations; "" for one that they
// do not expect, or without them.
func (c *Collection) class(name string) string {
	var expected []hf.Expected
	if d, err := hf.ParseDiTConfig(hf.Architecture(c.Meta.DiTConfig)); err == nil {
		expected = append(expected, d.Inventory()...)
		expected = append(expected, d.AdaTable(hf.Schedule{})...)
	}
	if v, err := hf.ParseVAEConfig(hf.Architecture(c.Meta.VAEConfig)); err == nil {
		expected = append(expected, v.Inventory()...)
	}
	for _, e := range expected {
		if e.Name == name {
			return e.Class.String()
		}
	}
	return ""
}

// content returns the BLAKE3 of a tensor's bytes, of codes if it has scales: what
// is the same in every format that stores them alike.
func (c *Collection) content(name string) (*blake3.Sum, error) {
	n, err := c.store.read(c.byName[name])
	if err != nil && !errors.Is(err, tensor.ErrDamaged) {
		return nil, err
	}
	var sum blake3.Sum
	if err := mmap.Guard(n.path, func() error { sum = blake3.Of(n.Data); return nil }); err != nil {
		return nil, tensor.Damagedf("%s: tensor %q: %w", c.Path, name, err)
	}
	return &sum, c.store.Forget(n.Data)
}

func (m *Making) sourceText() string {
	if m == nil || m.Source == nil {
		return "not in the provenance"
	}
	return fmt.Sprintf("%s, %s, blake3 %v", show(m.Source.File), units.Bytes(m.Source.Bytes), m.Source.BLAKE3)
}
