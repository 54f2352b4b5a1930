package verify

import (
	"context"
	"fmt"
	"maps"

	"colakit/formats/dtype"
	"colakit/reference/generate"
	"colakit/verify/catalog"
)

// Where a bundle records little, a value lies many operations behind the golden's
// last one. What their roundings add up to there depends on the model: the limits
// that hold for the released size would hide faults of a smaller model, and can be
// too small for one that makes much of errors. So the session measures it as
// calibrate does, with the golden's inputs and an error of every operation's own
// size.

// measurable reports whether what a chain's errors grow to can be measured: not
// where a kernel rounds elsewhere, nor where the sizes of the errors of rounded
// weights are known of no operation alone.
func (f Facts) measurable() bool {
	rounded := f.Contract == generate.Exact && (f.Artifact == dtype.F16 || f.Artifact == dtype.BF16)
	return (f.Kind == catalog.Chain || f.Distant) && f.Mode != Generation && (f.Artifact == dtype.F32 || rounded) && !f.Fused
}

// narrows reports whether a measurement replaces the limits instead of raising
// them: errors of rounded weights are no draw from a distribution of this run.
func (f Facts) narrows() bool { return f.Distant && f.Artifact == dtype.F32 }

// calibrateChains judges the chains again that are not obviously right.
func (s *session) calibrateChains(ctx context.Context) error {
	watched := map[string]bool{}
	var chains []*Comparison
	for _, c := range s.comparisons {
		switch {
		case c.phase != phaseNone && c.phase < phaseIsolated:
			return nil // a wrong shape or type, or NaN
		case c.chain && c.doubtful():
			chains, watched[c.Name] = append(chains, c), true
		case c.chain && c.facts.narrows():
			s.judgeBy(c, unmeasured(c.facts, c.Summary), phaseIsolated)
		case c.phase == phaseIsolated:
			return nil // explains what follows
		}
	}
	if len(chains) == 0 {
		return nil
	}
	g := &growth{session: s, mode: Isolated, watched: watched, seen: s.ownErrors()}
	if err := g.measure(ctx); err != nil {
		return err
	}
	most := map[string]*grownError{} // of an operation, over the passes: roundings are rare events
	for _, c := range chains {
		most[c.op.Path] = g.grown[c.Name].or(most[c.op.Path])
	}
	for _, c := range chains {
		s.measured(c, most[c.op.Path])
		if c.facts.narrows() {
			s.judgeBy(c, measured(c.base, unmeasured(c.facts, c.Summary), c.Grown, c.GrownMax), phaseIsolated)
		} else {
			s.judgeBy(c, amplified(c.base, c.Grown, c.GrownMax), phaseIsolated)
		}
	}
	return nil
}

// or returns the larger of two errors in every figure.
func (e *grownError) or(other *grownError) *grownError {
	if other == nil {
		return e
	}
	return &grownError{max(e.square, other.square), max(e.largest, other.largest), max(e.divergence, other.divergence)}
}

// doubtful reports whether a chain breaks its limits or, where those are wide, has
// an error that can't be told from a fault without a measurement.
func (c *Comparison) doubtful() bool {
	return c.Failed() || c.facts.narrows() && failure(unmeasured(c.facts, c.Summary)) != ""
}

// ownErrors returns the errors that operations make by themselves.
func (s *session) ownErrors() map[string]*opError {
	keys := 0
	for _, sample := range s.info.Samples {
		keys = max(keys, sample.PrefixLatents+s.info.Run.Blocks*s.cfg.DiT.BlockSize)
	}
	errors := map[string]*opError{}
	for _, op := range s.catalog.Ops() {
		switch {
		case op.Kind == catalog.Copy && len(op.Tensors) == 0 || op.Derived || op.Section == catalog.Loop:
		case op.Kind == catalog.Attention:
			errors[op.Path] = ownError(float64(keys), dtype.F32)
		default:
			errors[op.Path] = ownError(float64(op.Terms), s.precision(catalog.Unit{Parts: []string{op.Path}}))
		}
	}
	if s.partial != nil {
		s.fuseErrors(errors, s.showsSomewhere)
	}
	return errors
}

// fuseErrors adds the errors of operations whose values are not shown to those of
// the next that are, where they can be drawn.
func (s *session) fuseErrors(errors map[string]*opError, shown func(path string) bool) {
	fused := map[string]*opError{}
	for _, op := range s.catalog.Ops() {
		if errors[op.Path] == nil || !shown(op.Path) {
			continue
		}
		sum := *errors[op.Path]
		for _, part := range s.catalog.Unit(op, shown).Parts {
			if e := errors[part]; e != nil && part != op.Path {
				sum.square += e.square
			}
		}
		fused[op.Path] = &sum
	}
	clear(errors)
	maps.Copy(errors, fused)
}

// resolution notes how small an error can be seen where the golden's inputs are far
// away; "" where none are.
func (s *session) resolution() string {
	n, least := 0, 0.0
	for _, c := range s.comparisons {
		if c.Mode == Isolated && c.facts.Distant && len(c.Checks) > 0 {
			n, least = n+1, max(least, c.Checks[0].Limit)
		}
	}
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("resolution: at level %s %d values lie more than a layer behind the golden's inputs; errors below a rel-L2 of %s are not seen there", s.info.Level, n, short(least))
}
