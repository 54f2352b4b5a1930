package verify

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Reasons why the rest of a run is not compared.
const (
	outOfTime    = "out of time"
	interrupted  = "interrupted"
	firstFailure = "after the first failure"
	notSelected  = "not selected"
)

// errHalted ends a run before its end; session.stopped says why.
var errHalted = errors.New("the comparison was stopped")

// halt stops the comparison for a reason.
func (s *session) halt(reason string) error {
	if s.stopped == "" {
		s.stopped = reason
	}
	return errHalted
}

// halted returns errHalted once the comparison is to stop.
func (s *session) halted(ctx context.Context) error {
	switch {
	case s.stopped != "":
		return errHalted
	case ctx.Err() != nil:
		return s.halt(interrupted)
	case !s.deadline.IsZero() && time.Now().After(s.deadline):
		return s.halt(outOfTime)
	}
	return nil
}

// compareAll runs every mode, and measures what needs to be measured, until it is
// done or stopped.
func (s *session) compareAll(ctx context.Context) error {
	for _, m := range modes {
		if err := s.run(ctx, m); err != nil {
			return s.because(ctx, string(m), err)
		}
		if m == Isolated {
			if err := s.calibrateChains(ctx); err != nil {
				return s.because(ctx, measuring, err)
			}
			s.judgeRatios(Isolated)
		}
		if err := s.failFast(ctx, m); err != nil {
			return s.because(ctx, measuring, err)
		}
	}
	return s.because(ctx, measuring, s.calibrate(ctx))
}

const measuring = "measuring what errors grow to"

// because says during what an error occurred; nil where it only says that the
// comparison was stopped.
func (s *session) because(ctx context.Context, doing string, err error) error {
	if err != nil && ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		err = s.halt(interrupted)
	}
	if err == nil || s.stopped != "" {
		return nil
	}
	return fmt.Errorf("%s against %s, %s: %w", s.options.Engine.Name, s.options.Name, doing, err)
}

// failFast stops the comparison after a mode with a failure that nothing can make
// good, if that is asked for.
func (s *session) failFast(ctx context.Context, m Mode) error {
	if !s.options.FailFast || s.stopped != "" {
		return nil
	}
	if m == Free {
		if err := s.calibrate(ctx); err != nil {
			return err
		}
	}
	if m != Generation && s.failed(m) {
		_ = s.halt(firstFailure)
	}
	return nil
}

// failed reports whether anything of a mode fails. What hangs on latents of the
// engine's own is left to later modes.
func (s *session) failed(m Mode) bool {
	for _, c := range s.comparisons {
		if c.Failed() && c.phase <= phaseOf(m) {
			return true
		}
	}
	for _, l := range s.logits {
		if d, ok := s.judgeLogits(l); ok && failure(d.checks) != "" {
			return true
		}
	}
	return false
}

// final reports whether a failure stands as it is: of an operation on the golden's
// inputs that no measurement can make good.
func (c *Comparison) final() bool {
	return c.Failed() && (c.phase < phaseIsolated || c.phase == phaseIsolated && !c.chain)
}

// open reports whether failures can't be told from what a measurement would have
// allowed, for the run was stopped before it.
func (s *session) open() bool {
	return (s.stopped == outOfTime || s.stopped == interrupted) && !slices.ContainsFunc(s.comparisons, (*Comparison).final)
}

// leaveOpen takes back failures that a measurement could have made good, which a
// stopped run does not make.
func (s *session) leaveOpen() {
	if !s.open() {
		return
	}
	for _, c := range s.comparisons {
		if c.Failed() {
			c.Open, c.Problem, c.phase = c.Problem, "", phaseNone
		}
	}
}
