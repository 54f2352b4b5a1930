package bisect

import (
	"context"
	"fmt"
	"math"
	"slices"

	"colakit/formats/tensor"
	"colakit/reference/generate"
	"colakit/verify/catalog"
	"colakit/verify/metric"
)

// Drift is the distance of a run to that of A alone.
type Drift struct {
	Latents float64 `json:"latents"` // rel-L2 of the final latents of every block: ‖z − z_A‖ / ‖z_A‖
	KL      float64 `json:"kl"`      // mean KL divergence of the logits, A's from the run's
}

// outcome is what a run leaves: the final latents and the logits of all blocks.
type outcome struct {
	latents []float32
	logits  [][]float64
}

// watch is the tap and the engine of one run.
type watch struct {
	generate.Engine
	steps int
	outcome
}

// Want asks for the latents after the last step of a block.
func (w *watch) Want(site generate.Site) bool {
	return site.Stage == generate.Denoise && site.Path == "z_next" && site.Step == w.steps-1
}

// Record keeps them.
func (w *watch) Record(_ generate.Site, v tensor.View) error {
	z, err := v.Float32s()
	w.latents = append(w.latents, z...)
	return err
}

// Decode keeps the logits.
func (w *watch) Decode(ctx context.Context, p generate.Pass) ([]float32, error) {
	logits, err := w.Engine.Decode(ctx, p)
	width := w.Model().VocabSize
	for row := range slices.Chunk(logits, width) {
		wide := make([]float64, width)
		for i, v := range row {
			wide[i] = float64(v)
		}
		w.logits = append(w.logits, wide)
	}
	return logits, err
}

// run generates with some values swapped.
func (s *search) run(ctx context.Context, swapped func(generate.Site, *catalog.Op) bool) (outcome, error) {
	s.hybrid.swapped = swapped
	w := &watch{Engine: s.hybrid, steps: s.o.Run.Steps}
	o := s.o.Run
	o.Tap = w
	_, err := generate.Run(ctx, w, s.o.Prompts, o, s.o.Noise)
	return w.outcome, err
}

// drift measures a run against that of A.
func (s *search) drift(got outcome) (Drift, error) {
	want := s.reference
	if len(got.latents) != len(want.latents) || len(got.logits) != len(want.logits) {
		return Drift{}, fmt.Errorf("a run of %d latents and %d rows of logits, where A has %d and %d", len(got.latents), len(got.logits), len(want.latents), len(want.logits))
	}
	var apart, size float64
	for i, w := range want.latents {
		d := float64(got.latents[i]) - float64(w)
		apart, size = apart+d*d, size+float64(w)*float64(w)
	}
	known := make([]metric.Reference, len(want.logits))
	for i, row := range want.logits {
		known[i] = metric.Whole(row)
	}
	d := Drift{Latents: math.Sqrt(apart / max(size, math.SmallestNonzeroFloat64)), KL: max(0, metric.CompareLogits(got.logits, known, 0).KLMean)}
	if math.IsNaN(d.Latents+d.KL) || math.IsInf(d.Latents+d.KL, 0) {
		return d, fmt.Errorf("the drift is %v, not a finite number: B's values hold NaN or infinity; colaverify compare finds where they come from", d)
	}
	return d, nil
}
