package verify

import (
	"context"
	"math"

	"colakit/formats/tensor"
	"colakit/reference/generate"
	"colakit/verify/catalog"
	"colakit/verify/metric"
)

// A model can make much of small errors: attention without norms, guidance, few
// steps. Where every operation is right by itself and the outputs are not, the
// session measures what errors of the size that the operations were seen to make
// grow to in this model. It runs the engine again as it is, and a few times with
// an error of that size drawn at random at every operation, and compares these
// runs with each other, never with the golden. (Monte Carlo arithmetic: D. S.
// Parker, 1997.) A wrong wiring or cache is in all of these runs, so that nothing
// is made up for it.

// draws is the number of runs with random errors; the squares of what they grow to
// are averaged.
const draws = 3

// calibrate measures what is needed and judges again what failed though every
// operation is right.
func (s *session) calibrate(ctx context.Context) error {
	watched := s.amplified()
	for _, m := range []Mode{Free, Generation} {
		if len(watched[m]) == 0 {
			continue
		}
		g := &growth{session: s, mode: m, watched: watched[m], seen: s.seenErrors()}
		if err := g.measure(ctx); err != nil {
			return err
		}
		s.judgeAgain(m, g)
	}
	s.judgeRatios(Free)
	return nil
}

// amplified returns, by mode, the failures of values whose inputs are not the
// golden's; nothing if any value fails whose inputs are.
func (s *session) amplified() map[Mode]map[string]bool {
	watched := map[Mode]map[string]bool{Free: {}, Generation: {}}
	for _, c := range s.comparisons {
		switch {
		case !c.Failed():
		case c.phase < phaseFree:
			return nil
		case c.phase == phaseFree:
			watched[Free][origin(c)] = true
		default:
			watched[Generation][origin(c)] = true
		}
	}
	for _, l := range s.logits {
		if d, ok := s.judgeLogits(l); ok && failure(d.checks) != "" {
			watched[Free][logitsOf(l.Block)] = true
		}
	}
	for _, block := range s.driftedBlocks() {
		watched[Generation][logitsOf(block)] = true
	}
	if c := s.coverageResult(); len(c.Missing)+len(c.Extra) > 0 {
		return nil
	}
	return watched
}

// origin is the tap that an engine shows for a comparison: the logits for what is
// derived from them.
func origin(c *Comparison) string {
	if c.op.Derived {
		return logitsOf(c.site.Block)
	}
	return c.Name
}

func logitsOf(block int) string {
	return generate.Site{Stage: generate.Decode, Block: block, Path: catalog.Logits}.String()
}

// growth measures, in one mode, how far runs with random errors are from the run
// without.
type growth struct {
	*session
	mode    Mode
	watched map[string]bool
	seen    map[string]*opError

	plain map[string]tensor.View // of the run without
	grown map[string]*grownError
}

// grownError is what errors grew to at a watched value.
type grownError struct {
	square     float64 // Σ rel-L2² / draws
	largest    float64 // of any draw
	divergence float64 // of logits: Σ mean KL / draws
}

// measure makes the runs.
func (g *growth) measure(ctx context.Context) error {
	g.plain, g.grown = map[string]tensor.View{}, map[string]*grownError{}
	for name := range g.watched {
		g.grown[name] = &grownError{}
	}
	for draw := -1; draw < draws; draw++ {
		if err := g.run(ctx, draw); err != nil {
			return err
		}
	}
	return nil
}

// watches reports whether a tap is watched, or derived from logits that are.
func (g *growth) watches(tap string) bool {
	site, err := generate.ParseSite(tap)
	if err != nil {
		return false
	}
	op, known := g.catalog.Lookup(site)
	return g.watched[tap] || known && op.Derived && g.watched[logitsOf(site.Block)]
}

// run makes one run; the first, draw −1, is without errors.
func (g *growth) run(ctx context.Context, draw int) error {
	p := g.plan(g.mode, g.watches)
	tap := &perturber{observer: observer{session: g.session, ctx: ctx, mode: g.mode}, growth: g, draw: draw}
	_, err := g.drive(ctx, g.engine, p, g.options.tap(tap), g.againDone)
	return err
}

// look keeps a watched value of the run without errors, or compares it with that.
func (g *growth) look(ctx context.Context, name string, v tensor.View, draw int) error {
	if !g.watched[name] {
		return nil
	}
	if draw < 0 {
		v.Data = append([]byte(nil), v.Data...)
		g.plain[name] = v
		return nil
	}
	sum, err := metric.Compare(ctx, v, g.plain[name], metric.Options{})
	if err != nil {
		return err
	}
	grown := g.grown[name]
	grown.square += sum.RelL2 * sum.RelL2 / draws
	grown.largest = max(grown.largest, sum.MaxAbs.Value)
	site, err := generate.ParseSite(name)
	if err != nil || !isLogits(site) {
		return err
	}
	own, err := rowsOf(g.plain[name])
	if err != nil {
		return err
	}
	rows, err := rowsOf(v)
	if err != nil {
		return err
	}
	known := make([]metric.Reference, len(own))
	for i, row := range own {
		known[i] = metric.Whole(row)
	}
	grown.divergence += metric.CompareLogits(rows, known, 0).KLMean / draws
	return nil
}

// judgeAgain raises the limits of what failed by what was measured.
func (s *session) judgeAgain(m Mode, g *growth) {
	for _, c := range s.comparisons {
		if !c.Failed() || c.phase != phaseOf(m) {
			continue
		}
		s.measured(c, g.grown[origin(c)])
		s.judgeBy(c, amplified(c.base, c.Grown, c.GrownMax), phaseOf(m))
	}
	for i := range s.logits {
		if l := &s.logits[i]; l.Mode == m {
			if grown := g.grown[logitsOf(l.Block)]; grown != nil {
				l.Grown = grown.divergence
				s.grownLogits[l.Block] = math.Sqrt(grown.square)
			}
		}
	}
}

// measured notes at a comparison what errors were measured to grow to there.
func (s *session) measured(c *Comparison, grown *grownError) {
	c.Grown, c.GrownMax, c.Calibrated = math.Sqrt(grown.square), grown.largest, true
	s.grown = max(s.grown, c.Grown)
}

// judgeBy replaces the limits of a comparison; what breaks them fails in phase p.
func (s *session) judgeBy(c *Comparison, checks []Check, p phase) {
	c.base, c.Checks = checks, s.override(c.Rule).of(checks)
	c.Share, c.Problem, c.phase = used(c.Checks), "", phaseNone
	if why := failure(c.Checks); why != "" {
		c.fail(p, why)
	}
}

// opError is the error that an operation was seen to make when isolated.
type opError struct {
	square, count       float64 // Σ rel-L2², comparisons
	differing, elements float64
}

// seenErrors sums up the isolated errors by operation.
func (s *session) seenErrors() map[string]*opError {
	seen := map[string]*opError{}
	for _, c := range s.comparisons {
		if c.Mode != Isolated || c.op.Derived || c.op.Section == catalog.Loop {
			continue
		}
		e := seen[c.op.Path]
		if e == nil {
			e = &opError{}
			seen[c.op.Path] = e
		}
		e.square += c.Summary.RelL2 * c.Summary.RelL2
		e.count++
		e.differing += float64(c.Summary.Differing)
		e.elements += float64(c.Summary.N)
	}
	if !s.options.Select.All() {
		s.addUnseen(seen)
	}
	return seen
}

// addUnseen adds the errors that operations make by themselves where the bundle
// records their values, but none of them is selected.
func (s *session) addUnseen(seen map[string]*opError) {
	errors := s.ownErrors()
	s.fuseErrors(errors, s.recordedSomewhere)
	for path, e := range errors {
		if seen[path] == nil {
			seen[path] = e
		}
	}
}
