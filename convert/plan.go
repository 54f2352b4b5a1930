package convert

import (
	"cmp"
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
	Copy     Action = "copy"     // the same bytes
	Widen    Action = "widen"    // exact, to a wider type
	Round    Action = "round"    // to the nearest value of the type, ties to even
	Quantize Action = "quantize" // to codes and scales
	Compute  Action = "compute"  // from other tensors: those that the plan drops
)

// Step is the plan for one tensor.
type Step struct {
	Tensor    string           `json:"tensor"` // native name
	Class     string           `json:"class"`
	Source    string           `json:"source"` // name in the checkpoint; "" of what is computed
	File      string           `json:"file"`   // of the checkpoint; "" of what is computed
	Shape     tensor.Shape     `json:"shape"`
	From      dtype.Type       `json:"from"`           // in the checkpoint, or as computed
	Load      *dtype.Type      `json:"load,omitempty"` // rounded to it first, as on loading
	To        quantize.Scheme  `json:"to"`
	InsteadOf *quantize.Scheme `json:"instead_of,omitempty"` // To is a fallback from it, for overflow
	Clamped   int64            `json:"clamped,omitempty"`    // values that are clamped, for overflow
	Overflow  string           `json:"overflow,omitempty"`   // what values are beyond which range
	Action    Action           `json:"action"`
	Reason    string           `json:"reason"` // of To
	Bytes     int64            `json:"bytes"`  // in the artifact, scales included
}

// Source is a file that the artifact is made of.
type Source struct {
	File  string `json:"file"` // within the checkpoint
	Bytes int64  `json:"bytes"`
}

// Plan says what a conversion will do. It is plain data, and stored in the artifact.
type Plan struct {
	Type        string          `json:"type"` // as asked for
	Rules       []quantize.Rule `json:"rules,omitempty"`
	Overflow    Overflow        `json:"overflow"`
	SHA256      bool            `json:"sha256,omitempty"` // the sources' SHA-256 is noted
	Sources     []Source        `json:"sources"`
	Steps       []Step          `json:"tensors"`
	AdaTable    *hf.Schedule    `json:"ada_table,omitempty"` // of the AdaLN table; nil: the weights are stored
	Dropped     []Dropped       `json:"dropped,omitempty"`   // what it replaces
	Notes       []string        `json:"notes"`               // what a user should know, one line each
	SourceBytes int64           `json:"source_bytes"`
	OutputBytes int64           `json:"output_bytes"` // exact size of the artifact
}

// newPlan decides what becomes of every tensor.
func newPlan(c *checkpoint, tensors, dropped []found, o Options) (Plan, error) {
	p := Plan{
		Type: o.Type.String(), Rules: o.Rules, Overflow: cmp.Or(o.Overflow, OverflowFail), SHA256: o.SHA256,
		Notes: append([]string{}, c.notes...), AdaTable: o.AdaTable,
	}
	names := map[string]string{}
	for _, f := range c.files {
		p.Sources = append(p.Sources, Source{f.name, f.size})
		p.SourceBytes += f.size
		names[f.path] = f.name
	}
	if o.AdaTable != nil {
		p.Notes = append(p.Notes, fmt.Sprintf("the AdaLN table is for %v: the artifact generates by no other schedule", o.AdaTable))
	}
	policy, err := o.policy(tensors)
	if err != nil {
		return Plan{}, err
	}
	if p.Dropped, err = planDropped(c, dropped, names); err != nil {
		return Plan{}, err
	}
	for _, f := range tensors {
		s, err := p.newStep(f, c.load[f.Model], policy)
		if err != nil {
			return Plan{}, err
		}
		s.File = names[f.path()]
		if r, ok := policy.(recipe); ok && r[f.Name].InsteadOf != nil {
			s.InsteadOf, s.Overflow = r[f.Name].InsteadOf, r[f.Name].Overflow
		}
		p.Steps = append(p.Steps, s)
	}
	return p, nil
}

// policy returns what decides about the tensors, after checking that it can.
func (o Options) policy(tensors []found) (quantize.Policy, error) {
	if o.Recipe != nil {
		return newRecipe(o.Recipe, tensors)
	}
	if len(o.Rules) == 0 {
		return quantize.PolicyFor(o.Type), nil
	}
	var expected []hf.Expected
	for _, f := range tensors {
		if f.Class != hf.AdaTable {
			expected = append(expected, f.Expected)
		}
	}
	rules := quantize.Rules{Rules: o.Rules, Otherwise: quantize.PolicyFor(o.Type)}
	return rules, rules.Check(expected)
}

func (p Plan) newStep(f found, load dtype.Type, policy quantize.Policy) (Step, error) {
	if f.Class == hf.AdaTable {
		return newTableStep(f, *p.AdaTable)
	}
	to, reason := policy.Choose(f.Expected)
	s := Step{
		Tensor: f.Name, Class: f.Class.String(), Source: f.stored.Name, Shape: f.Shape,
		From: f.stored.Type, To: to, Reason: reason,
	}
	if f.Class != hf.Buffer && rounds(s.From, load) {
		s.Load = &load
	}
	if err := s.settle(); err != nil {
		return s, fmt.Errorf("%s: %w", f.path(), err)
	}
	return s, nil
}

// settle enters what follows from the types.
func (s *Step) settle() error {
	s.Action = Widen
	switch {
	case s.To.Quantized():
		s.Action = Quantize
	case s.From == s.To.Type && s.Load == nil:
		s.Action = Copy
	case s.Load != nil || rounds(s.From, s.To.Type):
		s.Action = Round
	}
	data, scales, err := s.To.Layout(s.Shape)
	if err != nil {
		return fmt.Errorf("tensor %q: %w", cmp.Or(s.Source, s.Tensor), err)
	}
	s.Bytes = data + scales
	return nil
}

// desc describes the tensor in the artifact.
func (s Step) desc() tensor.Desc { return s.To.Desc(s.Tensor, s.Shape) }

// cast is what happens to the tensor's elements.
func (s Step) cast() quantize.Cast {
	c := quantize.Cast{From: s.From, To: s.To, Clamp: s.Clamped > 0}
	if s.Load != nil {
		c.Load = *s.Load
	}
	return c
}
