package bisect

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"colakit/formats/hf"
	"colakit/formats/tensor"
	"colakit/reference/generate"
	"colakit/verify/catalog"
)

// Options say what is run, and how it is divided.
type Options struct {
	By      By
	Config  hf.Config
	Prompts []generate.Prompt
	Run     generate.Options // Tap and OnBlock are taken
	Noise   generate.Noise
	// A and B hold the weights of both sides.
	A, B tensor.Source
	// SameEngine says that both sides differ in their weights alone: groups whose
	// tensors are the same on both sides are then known to make no drift.
	SameEngine bool
	Journal    *Journal // of figures that are known already; nil: none
	// Progress is told what was measured last, and how much of about how much is done.
	Progress func(label string, done, total int64)
}

// accounted is the part of the squared drift that the chosen groups have to account
// for.
const accounted = 0.9

// Group is a part of the run, and what it makes of the drift.
type Group struct {
	Name string `json:"name"`
	// Same is true where both sides hold the same tensors: nothing was measured.
	Same    bool     `json:"same,omitempty"`
	Alone   Drift    `json:"alone"`             // only it is B's
	Without Drift    `json:"without"`           // all but it is B's
	Share   float64  `json:"share"`             // of the whole squared drift that goes away without it; may be negative
	Tensors []string `json:"tensors,omitempty"` // that differ
}

// Division is the result for one way to divide a run.
type Division struct {
	By      By      `json:"by"`
	Of      string  `json:"of,omitempty"` // the groups that are divided further; empty: the whole run
	Whole   Drift   `json:"whole"`        // all of them are B's
	Measure string  `json:"measure"`      // "latents", or "kl" where the latents do not move: what groups are ranked by
	Groups  []Group `json:"groups"`       // by Share, the largest first
	Sum     float64 `json:"sum_of_alone"` // of the squared drifts alone, as a part of the whole one; 1: they are independent
	Chosen  []Step  `json:"chosen"`       // the fewest groups, in the order of rank, that account for 90 %
	Reached bool    `json:"reached"`      // they do
}

// Step is one more group that is A's again.
type Step struct {
	Group string  `json:"group"`
	Left  Drift   `json:"left"`  // with it and those before it A's, the rest B's
	Share float64 `json:"share"` // of the whole squared drift that they account for
}

// search is one bisection.
type search struct {
	o         Options
	hybrid    *Hybrid
	reference outcome
	sites     map[generate.Site]*catalog.Op
	differ    map[string]bool     // tensors
	order     map[*catalog.Op]int // in a run
	done      int64
	total     int64
}

func (s *search) progress(label string) {
	s.done++
	if s.o.Progress != nil {
		s.o.Progress(label, min(s.done, s.total), s.total)
	}
}

// begin runs A alone.
func (s *search) begin(ctx context.Context) (err error) {
	s.sites = map[generate.Site]*catalog.Op{}
	s.hybrid.seen = func(site generate.Site, op *catalog.Op) { s.sites[site] = op }
	s.reference, err = s.run(ctx, func(generate.Site, *catalog.Op) bool { return false })
	s.hybrid.seen = nil
	return err
}

// measured returns the drift of a run whose values of some groups are B's. key says
// which, for the journal.
func (s *search) measured(ctx context.Context, key string, swapped func(generate.Site, *catalog.Op) bool) (Drift, error) {
	if d, ok := s.o.Journal.known(key); ok {
		s.progress(key)
		return d, nil
	}
	got, err := s.run(ctx, swapped)
	if err != nil {
		return Drift{}, fmt.Errorf("%s: %w", key, err)
	}
	d, err := s.drift(got)
	if err != nil {
		return d, fmt.Errorf("%s: %w", key, err)
	}
	s.progress(key)
	return d, s.o.Journal.add(key, d)
}

// part is a set of values that is divided.
type part struct {
	name  string // "": the whole run
	holds func(generate.Site, *catalog.Op) bool
}

// divide measures every group of a part alone and left out, and chooses the fewest.
func (s *search) divide(ctx context.Context, by By, of part) (*Division, error) {
	d := &Division{By: by, Of: of.name}
	group := newDivider(by, s.o.Config)
	d.Groups = s.groups(group, of)
	// only returns the values of the part whose group's name satisfies is.
	only := func(is func(string) bool) func(generate.Site, *catalog.Op) bool {
		return func(site generate.Site, op *catalog.Op) bool { return of.holds(site, op) && is(group.of(site, op)) }
	}
	prefix := fmt.Sprintf("%s of %s: ", by, cmp.Or(of.name, "the run"))
	var err error
	if d.Whole, err = s.measured(ctx, prefix+"all", only(func(string) bool { return true })); err != nil {
		return nil, err
	}
	d.Measure = "latents"
	if d.Whole.Latents == 0 {
		d.Measure = "kl"
	}
	for i := range d.Groups {
		g := &d.Groups[i]
		if g.Same {
			g.Without = d.Whole
			continue
		}
		if g.Alone, err = s.measured(ctx, prefix+g.Name+" alone", only(func(name string) bool { return name == g.Name })); err != nil {
			return nil, err
		}
		if g.Without, err = s.measured(ctx, prefix+"all but "+g.Name, only(func(name string) bool { return name != g.Name })); err != nil {
			return nil, err
		}
		g.Share = d.share(g.Without)
		d.Sum += d.square(g.Alone) / math.Max(d.square(d.Whole), math.SmallestNonzeroFloat64)
	}
	slices.SortStableFunc(d.Groups, func(a, b Group) int {
		switch {
		case a.Share != b.Share:
			return sign(b.Share - a.Share)
		case d.square(a.Alone) != d.square(b.Alone):
			return sign(d.square(b.Alone) - d.square(a.Alone))
		}
		return sign(b.Alone.KL - a.Alone.KL)
	})
	return d, s.choose(ctx, d, prefix, only)
}

// choose gives the groups back to A in the order of rank, until what is left is small.
func (s *search) choose(ctx context.Context, d *Division, prefix string, only func(func(string) bool) func(generate.Site, *catalog.Op) bool) error {
	if d.square(d.Whole) == 0 {
		return nil
	}
	var kept []string
	for _, g := range d.Groups {
		if g.Same || d.Reached {
			break
		}
		kept = append(kept, g.Name)
		left := g.Without
		if len(kept) > 1 {
			var err error
			left, err = s.measured(ctx, prefix+"all but "+strings.Join(kept, ", "), only(func(name string) bool { return !slices.Contains(kept, name) }))
			if err != nil {
				return err
			}
		}
		d.Chosen = append(d.Chosen, Step{g.Name, left, d.share(left)})
		d.Reached = d.share(left) >= accounted
	}
	return nil
}

// square is the squared drift; a KL divergence grows with the square by itself.
func (d *Division) square(x Drift) float64 {
	if d.Measure == "kl" {
		return x.KL
	}
	return x.Latents * x.Latents
}

// share is the part of the whole squared drift that is gone where x is left.
func (d *Division) share(x Drift) float64 {
	whole := d.square(d.Whole)
	if whole == 0 {
		return 0
	}
	return 1 - d.square(x)/whole
}

// groups lists the groups of a part in the order of a run, with the tensors that differ.
func (s *search) groups(by divider, of part) []Group {
	type found struct {
		at      int
		tensors map[string]bool
	}
	all := map[string]*found{}
	for site, op := range s.sites {
		if !of.holds(site, op) {
			continue
		}
		name := by.of(site, op)
		f := all[name]
		if f == nil {
			f = &found{math.MaxInt, map[string]bool{}}
			all[name] = f
		}
		f.at = min(f.at, s.order[op])
		for _, t := range tensorsOf(op) {
			if s.differ[t] {
				f.tensors[t] = true
			}
		}
	}
	var groups []Group
	for name, f := range all {
		g := Group{Name: name, Same: s.o.SameEngine && len(f.tensors) == 0}
		for t := range f.tensors {
			g.Tensors = append(g.Tensors, t)
		}
		slices.Sort(g.Tensors)
		groups = append(groups, g)
	}
	slices.SortFunc(groups, func(a, b Group) int {
		if x, y := all[a.Name].at, all[b.Name].at; x != y {
			return x - y
		}
		return strings.Compare(a.Name, b.Name)
	})
	return groups
}

func sign(v float64) int {
	switch {
	case v > 0:
		return 1
	case v < 0:
		return -1
	}
	return 0
}
