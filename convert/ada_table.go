package convert

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"colakit/formats/dtype"
	"colakit/formats/hf"
	"colakit/formats/tensor"
	"colakit/internal/blake3"
	"colakit/quantize"
)

// Modulations computes an AdaLN table: the tensors that hf.DiTConfig.AdaTable lists
// for the schedule, in that order, of the schedule's type. Conversions know no
// arithmetic of models; package reference has such a function.
type Modulations func(ctx context.Context, weights tensor.Source, cfg hf.DiTConfig, s hf.Schedule) ([]tensor.View, error)

// Dropped is a tensor of the checkpoint that the artifact does not hold.
type Dropped struct {
	Tensor string       `json:"tensor"` // native name
	Class  string       `json:"class"`
	Source string       `json:"source"` // name in the checkpoint
	File   string       `json:"file"`   // of the checkpoint
	Shape  tensor.Shape `json:"shape"`
	From   dtype.Type   `json:"from"`
	Load   *dtype.Type  `json:"load,omitempty"` // rounded to it before the table is computed
	Bytes  int64        `json:"bytes"`          // in the checkpoint
	Reason string       `json:"reason"`
}

// TableSource identifies the weights that an AdaLN table was computed from.
type TableSource struct {
	Tensors int `json:"tensors"`
	// Weights is the BLAKE3 of the tensors' own, one after the other in the order of
	// the plan's dropped ones, of their bytes as the checkpoint holds them.
	Weights blake3.Sum `json:"weights_blake3"`
}

// String says which weights they are.
func (t *TableSource) String() string {
	if t == nil {
		return "unknown weights"
	}
	return fmt.Sprintf("%d tensors of weights, blake3 %v", t.Tensors, t.Weights)
}

// dropped returns the error for a tensor that was looked for and not found: one that
// says so if the plan dropped it.
func (p *Provenance) dropped(path, name string, err error) error {
	if p == nil {
		return err
	}
	for _, d := range p.Plan.Dropped {
		if d.Tensor == name || d.Source == name {
			return fmt.Errorf("%s: %w: %q was %s; explain %q instead", path, tensor.ErrNotFound, name, d.Reason, hf.AdaModulations)
		}
	}
	return err
}

// reasonDropped says why weights are not in an artifact.
const reasonDropped = "replaced by the AdaLN table"

// checkTable checks what is asked for about the table.
func (o Options) checkTable() error {
	switch {
	case o.AdaTable == nil:
		return nil
	case o.Modulations == nil:
		return errors.New("an AdaLN table is to be stored, and nothing is given that computes it")
	}
	return o.AdaTable.Validate()
}

// withTable puts an AdaLN table in place of the tensors that it replaces, and
// returns these.
func withTable(tensors []found, cfg hf.DiTConfig, s hf.Schedule) (kept, dropped []found) {
	for _, e := range cfg.AdaTable(s) {
		d := tensor.Desc{Name: e.Name, Type: s.Type(), Shape: e.Shape}
		if e.Name == hf.AdaTimesteps {
			d.Type = dtype.F32
		}
		kept = append(kept, found{Expected: e, stored: d})
	}
	replaced := cfg.Replaced()
	for _, f := range tensors {
		if replaced[f.Name] {
			dropped = append(dropped, f)
		} else {
			kept = append(kept, f)
		}
	}
	return kept, dropped
}

// newTableStep is the plan for a tensor of the table. Its type follows from the
// schedule's contract: no rule decides about it.
func newTableStep(f found, s hf.Schedule) (Step, error) {
	step := Step{
		Tensor: f.Name, Class: f.Class.String(), Shape: f.Shape, From: f.stored.Type, To: quantize.Scheme{Type: f.stored.Type},
		Reason: "the modulations of the timesteps of " + s.String(),
	}
	err := step.settle()
	step.Action = Compute
	return step, err
}

// planDropped lists what the artifact does not hold.
func planDropped(c *checkpoint, dropped []found, files map[string]string) ([]Dropped, error) {
	var all []Dropped
	for _, f := range dropped {
		n, err := f.stored.Bytes()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.path(), err)
		}
		d := Dropped{
			Tensor: f.Name, Class: f.Class.String(), Source: f.stored.Name, File: files[f.path()], Shape: f.Shape,
			From: f.stored.Type, Bytes: n, Reason: reasonDropped,
		}
		if load := c.load[f.Model]; rounds(f.stored.Type, load) {
			d.Load = &load
		}
		all = append(all, d)
	}
	return all, nil
}

// tableMemory returns what the table takes while the artifact is written, and what
// computing it takes before: the largest matrix that it replaces, read, rounded as on
// loading and, under the released contract, rounded for the product.
func (c *Conversion) tableMemory() (held, computing int64) {
	for _, s := range c.Steps {
		if s.Action == Compute {
			held += 3 * s.Bytes // and as float32
		}
	}
	for _, d := range c.Dropped {
		n, _ := d.Shape.Elements() // was checked when it was planned
		computing = max(computing, d.Bytes+6*n)
	}
	return held, 2 * computing // the matrix before is not collected yet
}

// computeTable computes the AdaLN table, if one is planned.
func (c *Conversion) computeTable(ctx context.Context, src *weights, progress func(Progress)) error {
	if c.AdaTable == nil {
		return nil
	}
	if progress != nil {
		progress(Progress{Doing: "AdaLN table", Total: c.read})
	}
	w := newReplaced(c, src)
	views, err := c.modulations(ctx, w, c.source.config.DiT, *c.AdaTable)
	if err != nil {
		return err
	}
	if c.tableSource, err = w.identify(); err != nil {
		return err
	}
	c.table, err = c.checkModulations(views)
	return err
}

// checkModulations holds what was computed against the plan.
func (c *Conversion) checkModulations(views []tensor.View) (map[string][]byte, error) {
	table := map[string][]byte{}
	for _, v := range views {
		i := slices.IndexFunc(c.Steps, func(s Step) bool { return s.Tensor == v.Name && s.Action == Compute })
		if i < 0 || !v.Shape.Equal(c.Steps[i].Shape) || v.Type != c.Steps[i].From || int64(len(v.Data)) != c.Steps[i].Bytes {
			return nil, fmt.Errorf("the AdaLN table came out with tensor %q, %v of shape %v, which is not as planned", v.Name, v.Type, v.Shape)
		}
		table[v.Name] = v.Data
	}
	for _, s := range c.Steps {
		if s.Action == Compute && table[s.Tensor] == nil {
			return nil, fmt.Errorf("the AdaLN table came out without tensor %q", s.Tensor)
		}
	}
	return table, nil
}
