package verify

import (
	"context"
	"fmt"

	"colakit/golden"
	"colakit/reference/generate"
)

// run repeats the bundle's run in one mode.
func (s *session) run(ctx context.Context, m Mode) error {
	o := s.settings(m)
	o.Tap = &observer{session: s, ctx: ctx, mode: m}
	results, err := generate.Run(ctx, s.engine, s.prompts(), o, generate.NoiseFunc(s.noise))
	if err != nil {
		return err
	}
	if m == Generation {
		s.results = results
	}
	return nil
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
	if m != Generation {
		o.MaxNewTokens = (s.info.Run.Blocks + 1) * s.cfg.DiT.BlockSize * s.cfg.VAE.PatchSize
		o.EOSTokenID, o.IMEndTokenID = nil, nil
		o.OnBlock = func(block int, _ [][]int32) error {
			if block+1 >= s.blocks {
				return generate.ErrStop
			}
			return nil
		}
	}
	return o
}

// prompts returns the golden's samples without their padding.
func (s *session) prompts() []generate.Prompt {
	prompts := make([]generate.Prompt, len(s.info.Samples))
	for i, sample := range s.info.Samples {
		n := 0
		for n < len(sample.Labels) && sample.Labels[n] != padding {
			n++
		}
		prompts[i] = generate.Prompt{Name: fmt.Sprintf("%s: sample %d", s.options.Name, i), Tokens: sample.TokenIDs[:n]}
	}
	return prompts
}

// padding is the label of tokens that only fill up a prompt's last block.
const padding = 3

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
