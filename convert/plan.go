package convert

import (
	"fmt"

	"colakit/formats/dtype"
	"colakit/formats/hf"
	"colakit/formats/tensor"
	"colakit/quantize"
)

// Action says what a conversion does to a tensor's elements.
type Action string

// The actions.
const (
	Copy  Action = "copy"  // the same bytes
	Widen Action = "widen" // exact, to a wider type
	Round Action = "round" // to the nearest value of the type, ties to even
)

// Step is the plan for one tensor.
type Step struct {
	Tensor string          `json:"tensor"` // native name
	Class  string          `json:"class"`
	Source string          `json:"source"` // name in the checkpoint
	File   string          `json:"file"`   // of the checkpoint
	Shape  tensor.Shape    `json:"shape"`
	From   dtype.Type      `json:"from"`
	Load   *dtype.Type     `json:"load,omitempty"` // rounded to it first, as on loading
	To     quantize.Scheme `json:"to"`
	Action Action          `json:"action"`
	Reason string          `json:"reason"` // of To
	Bytes  int64           `json:"bytes"`  // in the artifact
}

// Source is a file that the artifact is made of.
type Source struct {
	File  string `json:"file"` // within the checkpoint
	Bytes int64  `json:"bytes"`
}

// Plan says what a conversion will do. It is plain data, and stored in the artifact.
type Plan struct {
	Type        string   `json:"type"` // as asked for
	Sources     []Source `json:"sources"`
	Steps       []Step   `json:"tensors"`
	Notes       []string `json:"notes"` // what a user should know, one line each
	SourceBytes int64    `json:"source_bytes"`
	OutputBytes int64    `json:"output_bytes"` // exact size of the artifact
}

// newPlan decides what becomes of every tensor.
func newPlan(c *checkpoint, tensors []found, o Options) (Plan, error) {
	p := Plan{Type: o.Type.String(), Notes: append([]string{}, c.notes...)}
	names := map[string]string{}
	for _, f := range c.files {
		p.Sources = append(p.Sources, Source{f.name, f.size})
		p.SourceBytes += f.size
		names[f.path] = f.name
	}
	policy := quantize.Uniform{Matrices: o.Type}
	for _, f := range tensors {
		s, err := newStep(f, c.load[f.Model], policy)
		if err != nil {
			return Plan{}, err
		}
		s.File = names[f.file.Path()]
		p.Steps = append(p.Steps, s)
	}
	return p, nil
}

func newStep(f found, load dtype.Type, policy quantize.Policy) (Step, error) {
	to, reason := policy.Choose(f.Expected)
	s := Step{
		Tensor: f.Name, Class: f.Class.String(), Source: f.stored.Name, Shape: f.Shape,
		From: f.stored.Type, To: to, Reason: reason, Action: Widen,
	}
	from := f.stored.Type
	if f.Class != hf.Buffer && rounds(from, load) {
		s.Load = &load
	}
	switch {
	case from == to.Type && s.Load == nil:
		s.Action = Copy
	case s.Load != nil || rounds(from, to.Type):
		s.Action = Round
	}
	bytes, err := s.desc().Bytes()
	if err != nil {
		return s, fmt.Errorf("%s: %w", f.file.Path(), err)
	}
	s.Bytes = bytes
	return s, nil
}

// desc describes the tensor in the artifact.
func (s Step) desc() tensor.Desc {
	return tensor.Desc{Name: s.Tensor, Type: s.To.Type, Shape: s.Shape}
}

// cast is what happens to the tensor's elements.
func (s Step) cast() quantize.Cast {
	c := quantize.Cast{From: s.From, To: s.To}
	if s.Load != nil {
		c.Load = *s.Load
	}
	return c
}
