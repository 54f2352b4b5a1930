package verify

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"colakit/formats/dtype"
	"colakit/formats/tensor"
	"colakit/golden"
	"colakit/reference/generate"
	"colakit/verify/catalog"
	"colakit/verify/metric"
)

// observer is the tap of one mode: it compares what the engine shows with the
// bundle and, where the mode says so, puts the golden's value in its place.
type observer struct {
	*session
	ctx     context.Context
	mode    Mode
	journal *journal // nil: nothing is written down
	plan    *plan    // nil: the golden takes the place of everything that the mode replaces

	exact *exactRun // nil: nothing is known of exact values
}

var _ generate.Forcing = (*observer)(nil)

// Want asks for every value of the plan, for logits, from which other recorded
// values are derived, and for those that the golden's take the place of.
func (o *observer) Want(site generate.Site) bool {
	op, known := o.catalog.Lookup(site)
	_, held := o.order[site.String()]
	if fresh := o.journal.at(site); fresh && o.mode == Isolated {
		o.coverage.offer(o.session, site, op, held)
	}
	if !known || op.Derived {
		return false
	}
	return o.plan.compare[site.String()] || o.plan.derives(site) || held && o.replaces(site, op)
}

// generated reports whether a value is looked at in generation: of the loop's
// values and the model's outputs, the others say nothing there.
func (s *session) generated(site generate.Site) bool {
	op, ok := s.catalog.Lookup(site)
	return ok && (op.Section == catalog.Loop || op.Derived || isLogits(site) || op.Path == catalog.Velocity)
}

func isLogits(site generate.Site) bool {
	return site.Stage == generate.Decode && site.Path == catalog.Logits
}

// Record compares one value.
func (o *observer) Record(site generate.Site, got tensor.View) error {
	if err := errors.Join(o.halted(o.ctx), o.journal.failed()); err != nil {
		return err
	}
	op, _ := o.catalog.Lookup(site)
	if tap, ok := o.bundle.Lookup(site.String()); ok && o.plan.compare[tap.Name] {
		want, err := o.bundle.Read(tap.Name)
		if err != nil {
			return err
		}
		if err := o.compare(site, op, got, tap, want); err != nil {
			return err
		}
	}
	if o.plan.derives(site) {
		return o.compareLogits(site, got)
	}
	return nil
}

// Replace hands out the golden's value: of everything in the isolated mode, of the
// latents between the passes when free-running.
func (o *observer) Replace(site generate.Site) (v tensor.View, ok bool, err error) {
	op, known := o.catalog.Lookup(site)
	tap, held := o.bundle.Lookup(site.String())
	if !known || !held || !o.replaces(site, op) || o.misshaped[tap.Name] {
		return v, false, nil
	}
	v, err = o.bundle.Read(tap.Name)
	return v, err == nil, err
}

func (o *observer) replaces(site generate.Site, op *catalog.Op) bool {
	switch o.mode {
	case Isolated:
		return o.plan == nil || o.plan.feeds(site, op)
	case Free:
		return op.Section == catalog.Loop && (site.Path == "z" || site.Path == "z_next") || site.Stage == generate.Encode && op.Branch && op.Layer < 0
	}
	return false
}

// measurement is what is measured of one value. Everything else about a comparison
// follows from it and the bundle.
type measurement struct {
	Tap     string
	Type    dtype.Type   // of the engine's value
	Shape   tensor.Shape // likewise
	Summary metric.Summary
	Ratio   *metric.Ratio // nil: no exact value is known
}

// compare measures and judges one value.
func (o *observer) compare(site generate.Site, op *catalog.Op, got tensor.View, tap golden.Tap, want tensor.View) error {
	m := measurement{Tap: tap.Name, Type: got.Type, Shape: slices.Clone(got.Shape)}
	j := o.begin(site, op, tap)
	o.progress(tap.Name, int64(len(want.Data)))
	if got.Shape.Equal(tap.Shape) {
		if err := o.measure(j, &m, got, want); err != nil {
			return err
		}
	}
	o.journal.add(m)
	return o.settle(j, m)
}

// judgement is a comparison on its way.
type judgement struct {
	*Comparison
	tap   golden.Tap
	shape tensor.Shape // of the rows that are compared
	rows  *rowSet
	rule  *Rule // nil: shown, not judged
}

// begin gathers what is known of a comparison before anything is measured.
func (o *observer) begin(site generate.Site, op *catalog.Op, tap golden.Tap) judgement {
	u := o.unit(site, op)
	f := o.facts(o.mode, site, u, tap)
	rows := o.rows(site, op, tap.Shape)
	part := tap
	part.Shape = rows.shape(tap.Shape)
	f.Elements = o.independent(u, part)
	c := &Comparison{Name: tap.Name, Mode: o.mode, Kind: u.Kind.String(), site: site, op: op, order: o.order[tap.Name], facts: f}
	c.chain = o.mode == Isolated && f.measurable() && !op.Derived
	j := judgement{Comparison: c, tap: tap, shape: part.Shape, rows: rows}
	if c.looked = o.judges(site, op); c.looked {
		j.rule = rule(f)
	}
	return j
}

// measure measures the rows that are compared.
func (o *observer) measure(j judgement, m *measurement, got, want tensor.View) error {
	if o.mode == Free {
		if err := o.watchGuidance(j.site, got, want); err != nil {
			return err
		}
	}
	got, want, err := j.rows.ofBoth(got, want)
	if err != nil {
		return err
	}
	options := metric.Options{Unit: j.facts.Type}
	if j.rule != nil && j.rule.band != nil {
		options.Band = j.rule.band(j.facts)
	}
	if m.Summary, err = metric.Compare(o.ctx, got, want, options); err != nil {
		return err
	}
	m.Ratio, err = o.measureRatio(j, got, want)
	return err
}

// settle judges what was measured.
func (o *observer) settle(j judgement, m measurement) error {
	if !m.Shape.Equal(j.tap.Shape) {
		o.misshaped[j.Name] = true // the golden's cannot stand in for it
		j.fail(phaseStructure, fmt.Sprintf("shape %v, the golden's is %v", m.Shape, j.tap.Shape))
		return o.keep(j.Comparison)
	}
	j.Summary = m.Summary
	j.Index = j.rows.index(m.Summary.MaxAbs.At, j.shape)
	o.verdict(j.Comparison, j.rule, j.facts, m.Type)
	if mask := m.Summary.Mask; mask.Mismatch > 0 {
		j.Index = j.rows.index(mask.First, j.shape)
	}
	if m.Ratio != nil {
		j.Ratio = newRatio(j.facts, *m.Ratio)
		j.Ratio.Checks = o.override(j.Ratio.Rule).of(j.Ratio.base)
	}
	if o.mode == Isolated {
		o.coverage.elements += m.Summary.N
		if j.rows == nil {
			o.largest[j.Name] = m.Summary.MaxRef
		}
	}
	return o.keep(j.Comparison)
}

// keep takes a finished comparison to the others.
func (o *observer) keep(c *Comparison) error {
	o.comparisons = append(o.comparisons, c)
	o.coverage.see(o.mode, c.Name)
	if o.options.FailFast && o.mode == Isolated && c.final() {
		return o.halt(firstFailure)
	}
	return nil
}

// verdict applies the rule, after what no rule can make good.
func (o *observer) verdict(c *Comparison, judge *Rule, f Facts, got dtype.Type) {
	if judge != nil {
		c.Rule, c.base = judge.Name, judge.limits(f, c.Summary)
		if floor, ok := o.info.Floors[c.Name]; ok && f.Mode == Generation {
			c.base, c.Calibrated = calibrated(c.base, floor, c.Summary), true
		}
		c.Checks = o.override(c.Rule).of(c.base)
		c.Share = used(c.Checks)
	}
	switch m := c.Summary.Mask; {
	case !sameType(got, f.Type) && !f.Kernels && !f.Unjudged:
		c.fail(phaseStructure, fmt.Sprintf("type %v, the golden's run has %v: a rounding is missing or too many", got, f.Type))
	case m.Mismatch > 0:
		c.fail(phaseMask, fmt.Sprintf("%d NaN and %d infinite elements, the golden has %d and %d", m.GotNaN, m.GotInf, m.WantNaN, m.WantInf))
	default:
		if why := failure(c.Checks); why != "" {
			c.fail(phaseOf(f.Mode), why)
		}
	}
}

// sameType reports whether the engine's value has the type of the golden's run;
// an engine that computes in float64 is as good where nothing is rounded.
func sameType(got, want dtype.Type) bool {
	return got == want || got == dtype.F64 && want == dtype.F32
}

// judges reports whether a value is judged in the mode: everything when isolated,
// the outputs of branches and models when free-running, a block's final latents in
// generation.
func (o *observer) judges(site generate.Site, op *catalog.Op) bool {
	switch o.mode {
	case Isolated:
		return true
	case Free:
		return op.Branch
	}
	return site.Path == "z_next" && site.Step == o.steps-1
}

func (o *observer) progress(label string, bytes int64) {
	o.done += bytes
	if o.options.Progress != nil {
		o.options.Progress(label, min(o.done, o.total), o.total)
	}
}

// index turns a row-major position into coordinates; nil for −1.
func index(at int64, shape tensor.Shape) []int {
	if at < 0 {
		return nil
	}
	coordinates := make([]int, len(shape))
	for i := len(shape) - 1; i >= 0; i-- {
		coordinates[i] = int(at % int64(shape[i]))
		at /= int64(shape[i])
	}
	return coordinates
}

// phase orders failures by what they say about later ones.
type phase uint8

const (
	phaseNone phase = iota
	phaseNames
	phaseStructure
	phaseMask
	phaseIsolated
	phaseRatio
	phaseFree
	phaseGeneration
	phaseTokens
)

var phaseNames_ = [...]string{"", "names", "shapes and types", "NaN and infinity", "isolated", "ratio", "free-running", "generation", "tokens"}

func (p phase) String() string { return phaseNames_[p] }

func phaseOf(m Mode) phase {
	return []phase{phaseIsolated, phaseFree, phaseGeneration}[slices.Index([]Mode{Isolated, Free, Generation}, m)]
}

func (c *Comparison) fail(p phase, why string) { c.phase, c.Problem = p, why }
