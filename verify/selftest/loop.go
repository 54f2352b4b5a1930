package selftest

import (
	"math"

	"colakit/formats/dtype"
	"colakit/formats/tensor"
	"colakit/reference/generate"
)

// This file holds what spoils the loop's own values.

// overPinned overwrites the rows that the first block pins.
func overPinned(value func(i int) float64) func(*Pass, generate.Site, []float64, tensor.Shape) error {
	return func(p *Pass, s generate.Site, v []float64, shape tensor.Shape) error {
		rows, channels := p.Config.DiT.BlockSize, shape[1]
		for i, sample := range p.Info.Samples {
			for j := range sample.PinnedRows * channels {
				if s.Block == 0 {
					v[i*rows*channels+j] = value(j)
				}
			}
		}
		return nil
	}
}

// shortSchedule is linspace(T, 0, steps), which has one timestep too few.
func shortSchedule(p *Pass, s generate.Site, t []float64, _ tensor.Shape) error {
	for i := range t {
		if t[i] != 0 { // not pinned
			t[i] = p.Info.Run.T * (1 - float64(s.Step)/float64(p.Info.Run.Steps-1))
		}
	}
	return nil
}

// sampledLatents adds the standard deviation, exp(logvar/2), up and down.
func sampledLatents(p *Pass, s generate.Site, latents []float64, shape tensor.Shape) error {
	final, err := p.Values(s, "vae.encoder.final")
	if err != nil {
		return err
	}
	c := shape[1]
	for i := range latents {
		logvar := final[i/c*2*c+c+i%c]
		latents[i] += math.Exp(logvar/2) * float64(1-2*(i%2))
	}
	return nil
}

// guidance is what a row's scale depends on.
type guidance struct {
	block int
	scale float64 // of the run
	first float64 // of the row's sample in the first block
}

// guided combines the branches otherwise.
func guided(combine func(g guidance, cond, uncond float64) float64) Injection {
	velocity := at("dit.velocity")
	return spoils(Values{
		At:   branch("", at("velocity")),
		Keep: func(s generate.Site) bool { return s.Stage == generate.Denoise && velocity(s) },
		Spoil: spoil(func(p *Pass, s generate.Site, v []float64, shape tensor.Shape) error {
			cond, err := p.Values(s, generate.Cond+"/dit.velocity")
			if err != nil {
				return err
			}
			uncond, err := p.Values(s, generate.Uncond+"/dit.velocity")
			if err != nil {
				return err
			}
			each := p.Config.DiT.BlockSize * shape[1]
			for i := range v {
				g := guidance{s.Block, p.Info.Run.Guidance, p.Info.Samples[i/each].FirstGuidance}
				v[i] = combine(g, cond[i], uncond[i])
			}
			return nil
		}),
	})
}

// roundedWidth takes a step whose width is the difference of rounded timesteps.
func roundedWidth(p *Pass, s generate.Site, next []float64, _ tensor.Shape) error {
	z, err := p.Values(s, "z")
	if err != nil {
		return err
	}
	v, err := p.Values(s, "velocity")
	if err != nil {
		return err
	}
	used := p.Info.Run.ScheduleUsed
	width := float32((used[s.Step] - used[s.Step+1]) / p.Info.Run.T)
	for i := range next {
		if next[i] != z[i] { // not pinned
			next[i] = float64(float32(z[i]) - dtype.RoundBF16(float32(v[i])*width))
		}
	}
	return nil
}

// backwards mirrors a step.
func backwards(p *Pass, s generate.Site, next []float64, _ tensor.Shape) error {
	z, err := p.Values(s, "z")
	if err != nil {
		return err
	}
	for i := range next {
		next[i] = 2*z[i] - next[i]
	}
	return nil
}
