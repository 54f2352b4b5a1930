package verify

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"colakit/formats/tensor"
	"colakit/reference/generate"
	"colakit/verify/catalog"
	"colakit/verify/operation"
)

// Diagnosis is what computing the failing operation anew showed: slowly, in float64,
// from the golden's inputs and the artifact's weights, as the model defines it and in
// the other ways of package operation.
type Diagnosis struct {
	Origin  Origin   `json:"origin"`
	Finding string   `json:"finding"`      // a sentence
	Do      []string `json:"do,omitempty"` // the likeliest first

	// Candidate and Golden are the rel-L2 of either side to the value that the model's
	// definition gives.
	Candidate float64 `json:"candidate"`
	Golden    float64 `json:"golden"`

	Matches []Hypothesis `json:"matches,omitempty"` // the ways that explain a side
	Closest []Hypothesis `json:"closest,omitempty"` // where none does: the nearest
	Tried   int          `json:"tried"`
	// Explained is set where Finding says what was done to a tensor, so that it does not
	// matter that no way matches.
	Explained bool   `json:"explained,omitempty"`
	LeftOut   int    `json:"left_out,omitempty"` // ways that would have taken too long
	Also      string `json:"also,omitempty"`     // another value of the operation that the matches explain, too
}

// Origin is the side that a failure comes from.
type Origin string

// The origins.
const (
	OfEngine   Origin = "engine"   // the golden's value is what the definition gives of the artifact's weights; the engine's is not
	OfWeights  Origin = "weights"  // the engine's is; the golden's was computed from other weights
	OfRounding Origin = "rounding" // the engine's is, and the stored weights are as far off as their type makes them
	OfGolden   Origin = "golden"   // the engine's is, and no weights are used
	OfBoth     Origin = "both"     // neither is
	OfNeither  Origin = "neither"  // both are: they differ by their own roundings
	Unknown    Origin = "unknown"  // nothing could be computed; Finding says why
)

// Hypothesis is a way to compute the operation, and how near it comes to a side.
type Hypothesis struct {
	operation.Alternative
	Side  string  `json:"side"`   // "candidate" or "golden": whose value it is near to
	RelL2 float64 `json:"rel_l2"` // of that side to the way's value
	Apart float64 `json:"apart"`  // rel-L2 of the candidate to the golden
}

// The sides of a comparison.
const (
	candidateSide = "candidate"
	goldenSide    = "golden"
)

// String tells the hypothesis with its figures.
func (h Hypothesis) String() string {
	who := "the candidate"
	if h.Side == goldenSide {
		who = "the golden"
	}
	return fmt.Sprintf("%s matches if %s: rel-L2 of it to that %s; candidate and golden are %s apart", who, h.Says, short(h.RelL2), short(h.Apart))
}

// diagnose computes the earliest failing operation anew.
func (s *session) diagnose(ctx context.Context) error {
	first := s.firstFailure()
	if first == nil || s.open() {
		return nil
	}
	if first.phase == phaseRatio {
		first = s.clearest(first)
	}
	i, why, err := s.investigate(ctx, first)
	if err != nil {
		return err
	}
	if why != "" {
		s.diagnosis = &Diagnosis{Origin: Unknown, Finding: "No other ways to compute it were tried: " + why + "."}
		return nil
	}
	if s.diagnosis, err = i.conclude(ctx); err != nil {
		return err
	}
	if s.options.Replay != nil {
		if err := s.options.Replay(s.replay(i, first)); err != nil {
			return err
		}
	}
	return s.confirm(ctx, i, first)
}

// clearest is the value of the same operation that fails by its ratio the most: in
// the others what is wrong may be less than the roundings.
func (s *session) clearest(first *Comparison) *Comparison {
	off := func(c *Comparison) float64 { return math.Abs(math.Log(c.Ratio.RMS)) }
	for _, c := range s.inOrder() {
		if c.Mode == Isolated && c.phase == phaseRatio && c.op == first.op && off(c) > off(first) {
			first = c
		}
	}
	return first
}

// firstFailure is the earliest failure: of the isolated mode, where every operation
// stands for itself, else of a later one.
func (s *session) firstFailure() *Comparison {
	for _, c := range s.inOrder() {
		if c.Failed() {
			return c
		}
	}
	return nil
}

// investigate gathers what the value of a comparison is computed from, and the
// engine's value; why says what is missing.
func (s *session) investigate(ctx context.Context, c *Comparison) (i *investigation, why string, err error) {
	switch {
	case c.Mode != Isolated || c.phase > phaseRatio:
		return nil, "every operation is right by itself", nil
	case s.options.Artifact.Weights == nil:
		return nil, "the verifier was not given the artifact's weights", nil
	case !s.deadline.IsZero() && time.Now().After(s.deadline):
		return nil, "the time was up", nil
	case s.misshaped[c.Name]:
		return nil, "its shape is not the golden's", nil
	}
	call, err := s.call(c.site)
	if errors.Is(err, tensor.ErrNotFound) {
		return nil, "what it is computed from is not recorded", nil
	}
	if err != nil {
		return nil, "", err
	}
	i = &investigation{call: call, facts: c.facts, grown: c.Grown, grownMax: c.GrownMax, retyped: c.phase == phaseStructure}
	if i.golden, err = s.bundle.Read(call.Site.String()); errors.Is(err, tensor.ErrNotFound) || err == nil && !i.golden.Type.Float() {
		return nil, "the golden does not hold its value", nil
	}
	if err != nil {
		return nil, "", err
	}
	if i.candidate, err = s.capture(ctx, call); err != nil || i.candidate.Data == nil {
		return nil, "the engine did not show it again", err
	}
	return i, "", i.measure(ctx)
}

// call gathers the operands of a site as the engine was given them.
func (s *session) call(site generate.Site) (*operation.Call, error) {
	run, err := operation.NewRun(s.info)
	if err != nil {
		return nil, err
	}
	run.Activations, run.Tabled = s.activations, s.tabled
	if site.Path == catalog.TopIDs {
		site.Path = catalog.TopValues // at the ids stand the golden's values
	}
	held := operation.BundleValues(s.bundle)
	return operation.NewCall(run, site, s.options.Artifact.Weights, func(name string) (operation.Input, bool, error) {
		other, err := generate.ParseSite(name)
		inside := err == nil && beside(other, site.Path) == site
		if inside && !s.given(other) {
			return operation.Input{}, false, nil // the engine computes it itself
		}
		return held(name)
	})
}

// confirm looks for another failing value of the same operation, the last one, and
// keeps the matches that explain it, too, if any do.
func (s *session) confirm(ctx context.Context, i *investigation, first *Comparison) error {
	var last *Comparison
	for _, c := range s.inOrder() {
		if c.Mode == Isolated && c.Failed() && c.op == first.op && c != first {
			last = c
		}
	}
	if last == nil || len(s.diagnosis.Matches) == 0 {
		return nil
	}
	other, why, err := s.investigate(ctx, last)
	if err != nil || why != "" {
		return err
	}
	kept, err := other.among(ctx, s.diagnosis.Matches)
	if len(kept) > 0 {
		s.diagnosis.Matches, s.diagnosis.Also = kept, last.Name
	}
	return err
}
