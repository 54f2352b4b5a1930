package bisect

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"slices"

	"colakit/formats/dtype"
	"colakit/formats/hf"
	"colakit/formats/tensor"
	"colakit/reference/generate"
	"colakit/verify/catalog"
)

// The schema of a report in JSON; the version is raised when a field changes its
// meaning or goes.
const (
	Schema        = "colakit-bisect"
	SchemaVersion = 1
)

// Report is the result of a bisection.
type Report struct {
	Schema  string `json:"schema"`
	Version int    `json:"version"`
	A       string `json:"a"` // what ran
	B       string `json:"b"`
	Division
	// Ops divides the chosen layers further, into single operations; nil where layers
	// were not asked for, or none was chosen.
	Ops *Division `json:"ops,omitempty"`
	// Rules for colaconv convert --rule keep the tensors of what was chosen as A has
	// them, a rule for each; none where the sides differ in more than their tensors.
	Rules []string `json:"rules,omitempty"`
	// Kept is what is left of the drift with the chosen operations, or groups where no
	// layers were divided, as in A and everything else B's.
	Kept  *Drift   `json:"kept,omitempty"`
	Notes []string `json:"notes,omitempty"`
}

// Run bisects the drift between two engines of one model.
func Run(ctx context.Context, a, b generate.Engine, o Options) (*Report, error) {
	c := catalog.New(o.Config, o.Run.Guidance)
	s := &search{o: o, hybrid: newHybrid(a, b, c), order: map[*catalog.Op]int{}}
	for i, op := range c.Ops() {
		s.order[op] = i
	}
	var err error
	if s.differ, err = differing(o.A, o.B); err != nil {
		return nil, err
	}
	if err := s.begin(ctx); err != nil {
		return nil, fmt.Errorf("side A alone: %w", err)
	}
	whole := part{holds: func(generate.Site, *catalog.Op) bool { return true }}
	s.plan(newDivider(o.By, o.Config), whole)
	d, err := s.divide(ctx, o.By, whole)
	if err != nil {
		return nil, err
	}
	r := &Report{Schema: Schema, Version: SchemaVersion, Division: *d}
	if o.By == Layers && len(d.Chosen) > 0 {
		if r.Ops, err = s.within(ctx, d); err != nil {
			return nil, err
		}
	}
	if err := s.keep(ctx, r); err != nil {
		return nil, err
	}
	return r, s.advise(r)
}

// keep measures what the finest choice leaves of the whole drift.
func (s *search) keep(ctx context.Context, r *Report) error {
	switch {
	case r.Ops != nil && len(r.Ops.Chosen) > 0:
		var kept []string
		for _, c := range r.Ops.Chosen {
			kept = append(kept, c.Group)
		}
		d, err := s.measured(ctx, fmt.Sprintf("all but the operations %v", kept), func(_ generate.Site, op *catalog.Op) bool { return !slices.Contains(kept, op.Path) })
		r.Kept = &d
		return err
	case len(r.Chosen) > 0:
		r.Kept = &r.Chosen[len(r.Chosen)-1].Left
	}
	return nil
}

// plan estimates the number of runs.
func (s *search) plan(by divider, of part) {
	for _, g := range s.groups(by, of) {
		if !g.Same {
			s.total += 3
		}
	}
}

// mostDivided is the number of chosen layers that are divided further.
const mostDivided = 4

// within divides the first of the chosen layers into operations.
func (s *search) within(ctx context.Context, d *Division) (*Division, error) {
	var layers []string
	for _, c := range d.Chosen[:min(mostDivided, len(d.Chosen))] {
		layers = append(layers, c.Group)
	}
	of := part{fmt.Sprint(layers), func(_ generate.Site, op *catalog.Op) bool { return slices.Contains(layers, layerOf(op)) }}
	s.plan(newDivider(paths, s.o.Config), of)
	return s.divide(ctx, paths, of)
}

// advise adds what follows from the figures.
func (s *search) advise(r *Report) error {
	finest := &r.Division
	if r.Ops != nil {
		finest = r.Ops
	}
	if finest.Whole == (Drift{}) {
		r.Notes = append(r.Notes, "no drift: both sides come to the same latents and logits")
	}
	if r.Measure == "kl" && r.Whole.KL > 0 {
		r.Notes = append(r.Notes, "the latents do not move: groups are ranked by the divergence of the logits")
	}
	if sum := r.Sum; len(r.Groups) > 0 && r.Whole.Latents > 0 && (sum < 0.8 || sum > 1.25) {
		r.Notes = append(r.Notes, fmt.Sprintf("not additive: the squared drifts of the groups alone sum to %.2f times the whole; errors reinforce or cancel each other, and a share is that of leaving out one group from all", sum))
	}
	if r.Ops != nil && r.Ops.Whole.Latents > 0 && len(r.Chosen) > mostDivided {
		r.Notes = append(r.Notes, fmt.Sprintf("operations of the first %d of %d chosen layers only", mostDivided, len(r.Chosen)))
	}
	if !s.o.SameEngine {
		return nil
	}
	for _, c := range finest.Chosen {
		i := slices.IndexFunc(finest.Groups, func(g Group) bool { return g.Name == c.Group })
		for _, name := range finest.Groups[i].Tensors {
			v, err := s.o.A.Read(name)
			if err != nil {
				return err
			}
			if v.Type == dtype.I8 {
				continue // there is nothing to keep
			}
			r.Rules = append(r.Rules, fmt.Sprintf("^%s$=%s", regexp.QuoteMeta(name), v.Type))
		}
	}
	slices.Sort(r.Rules)
	r.Rules = slices.Compact(r.Rules)
	return nil
}

// differing lists the tensors of A that B holds with other values, or not at all.
func differing(a, b tensor.Source) (map[string]bool, error) {
	differ := map[string]bool{}
	for _, d := range a.Descs() {
		if d.Name == hf.AdaModulations || d.Name == hf.AdaTimesteps {
			continue
		}
		x, err := a.Read(d.Name)
		if err != nil {
			return nil, err
		}
		y, err := b.Read(d.Name)
		if err != nil && !errors.Is(err, tensor.ErrNotFound) {
			return nil, err
		}
		differ[d.Name] = err != nil || x.Type != y.Type || !bytes.Equal(x.Data, y.Data) || !bytes.Equal(x.Scales, y.Scales) || !reflect.DeepEqual(x.Quantization, y.Quantization)
	}
	return differ, nil
}

// WriteJSON writes the report on one line.
func (r *Report) WriteJSON(w io.Writer) error { return json.NewEncoder(w).Encode(r) }
