package verify

import (
	"context"
	"errors"
	"fmt"

	"colakit/golden"
	"colakit/reference/generate"
)

// run repeats the bundle's run in one mode.
func (s *session) run(ctx context.Context, m Mode) error {
	p := s.plans[m]
	if p.idle() {
		return nil
	}
	j := s.newJournal(m)
	o := &observer{session: s, ctx: ctx, mode: m, plan: p, journal: j}
	if err := o.restore(); err != nil || j.over() {
		return err
	}
	o.plan = s.rest(p, j)
	o.exact = s.startExact(ctx, o.plan)
	results, err := s.drive(ctx, s.engine, o.plan, s.options.tap(o), func(p *plan, e *sparse) func(int, [][]int32) error {
		e.journal = j
		return s.blockDone(p, e)
	})
	if err = errors.Join(err, o.exact.close()); err != nil {
		return err
	}
	if m == Generation {
		s.results = results
	}
	return j.end(results)
}

// drive has an engine repeat as much of the bundle's run as the plan needs; done makes
// what follows a block.
func (s *session) drive(ctx context.Context, engine generate.Engine, p *plan, tap generate.Tap, done func(*plan, *sparse) func(int, [][]int32) error) ([]generate.Result, error) {
	o, e := s.settings(p.mode), &sparse{Engine: engine, session: s, plan: p}
	o.Tap, o.OnBlock = tap, done(p, e)
	results, err := generate.Run(ctx, e, s.prompts(), o, generate.NoiseFunc(s.noise))
	if errors.Is(err, errEnough) {
		return nil, nil
	}
	return results, err
}

// settings returns those of the golden's run. Only in generation do its stop rules
// hold: before, exactly the recorded blocks are run.
func (s *session) settings(m Mode) generate.Options {
	r := s.info.Run
	o := generate.Options{
		T: r.T, Steps: r.Steps, Guidance: r.Guidance, MaxNewTokens: r.MaxNewTokens,
		Sampling: generate.Sampling{
			Temperature: r.Temperature, TopK: r.TopK, TopP: r.TopP, RepetitionPenalty: r.RepetitionPenalty,
		},
		PadTokenID: r.PadTokenID, EOSTokenID: r.EOSTokenID, IMEndTokenID: r.IMEndTokenID,
	}
	if s.drawn() {
		o.Draws = &fixedDraws{session: s}
	}
	if m != Generation {
		o.MaxNewTokens = (s.info.Run.Blocks + 1) * s.cfg.DiT.BlockSize * s.cfg.VAE.PatchSize
		o.EOSTokenID, o.IMEndTokenID = nil, nil
	}
	return o
}

// stop ends a run after the last block that the plan needs.
func (p *plan) stop(block int) error {
	if block >= p.last {
		return generate.ErrStop
	}
	return nil
}

// prompts returns the golden's samples without their padding.
func (s *session) prompts() []generate.Prompt {
	prompts := make([]generate.Prompt, len(s.info.Samples))
	for i, sample := range s.info.Samples {
		n := 0
		for n < len(sample.Labels) && sample.Labels[n] != golden.PaddingLabel {
			n++
		}
		prompts[i] = generate.Prompt{Name: fmt.Sprintf("%s: sample %d", s.options.Name, i), Tokens: sample.TokenIDs[:n]}
	}
	return prompts
}

// noise reads the golden's starting latents.
func (s *session) noise(sample, block int, dst []float32) error {
	if block >= s.info.Run.Blocks {
		return fmt.Errorf("%s ends after %d blocks, but the run goes on: its stop rule differs", s.options.Name, s.info.Run.Blocks)
	}
	v, err := s.bundle.Read(golden.NoiseName(block))
	if err != nil {
		return err
	}
	all, err := v.Float32s()
	if err != nil {
		return err
	}
	if (sample+1)*len(dst) > len(all) {
		return fmt.Errorf("%s: %s holds %v values, wanted %d for each of %d samples", s.options.Name, v.Name, v.Shape, len(dst), len(s.info.Samples))
	}
	copy(dst, all[sample*len(dst):])
	return nil
}
