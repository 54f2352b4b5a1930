package generate

import (
	"context"
	"fmt"
	"slices"
)

// A BlockEngine is an Engine that also runs the loop of a block by itself, so that
// latents, velocities and logits need not leave the device that it computes on. The
// loop of package generate is its oracle: latents and tokens have the same bits. Run
// asks for it where no tap looks on.
//
// While the engine holds a block, Decode and Commit with a Pass whose Z is nil are of
// that block. Errors of the device may come from a later call.
type BlockEngine interface {
	Engine

	// Denoise carries the next block from noise to t = 0 and holds it. The block that
	// is held already is committed before, if Commit has not done it: in a pass of
	// its own, or in that of the first step.
	Denoise(ctx context.Context, f Flow) error

	// Tokens decodes the block that is held and appends it to the decoder's cache, as
	// Decode does, and returns the token of every row as Sample does from its logits.
	// seen is that of Sample; from call to call ids are only added to it, equally many
	// for every sample. broken says which rows had a NaN or an infinity among their
	// logits. It is an error unless s is greedy.
	Tokens(ctx context.Context, seen [][]int32, s Sampling) (ids []int32, broken []bool, err error)
}

// A Flow is the way of a block from noise to t = 0.
type Flow struct {
	Block    int
	Z        []float32 // noise [batch·BlockSize, LatentDim], row-major; pinned rows are clean
	T        []float32 // timestep of every step, 0…1000, not rounded
	Widths   []float32 // of every step, see StepWidth
	Guidance []float32 // of every sample, see GuidanceScales
	// Pinned is the number of rows at the start of every sample's block that keep their
	// values, at t = 0; nil: none.
	Pinned []int
}

// PinnedRows returns the number of pinned rows of sample i.
func (f Flow) PinnedRows(i int) int {
	if f.Pinned == nil {
		return 0
	}
	return f.Pinned[i]
}

// Check returns an error unless the flow is one of a batch of so many samples.
func (f Flow) Check(m Model, samples int) error {
	switch want := samples * m.BlockSize * m.LatentDim; {
	case len(f.Z) != want:
		return fmt.Errorf("%d values of latents, wanted %d: a block of %d rows of %d channels for each of %d samples", len(f.Z), want, m.BlockSize, m.LatentDim, samples)
	case len(f.T) == 0 || len(f.Widths) != len(f.T):
		return fmt.Errorf("%d timesteps and %d widths of steps", len(f.T), len(f.Widths))
	case len(f.Guidance) != samples || f.Pinned != nil && len(f.Pinned) != samples:
		return fmt.Errorf("guidance for %d samples and pinned rows for %d, of %d", len(f.Guidance), len(f.Pinned), samples)
	}
	for i, n := range f.Pinned {
		if n < 0 || n > m.BlockSize {
			return fmt.Errorf("sample %d: %d pinned rows of %d", i, n, m.BlockSize)
		}
	}
	return nil
}

// flow returns that of a block from the noise z, in which it gives pinned rows their
// clean value.
func (r *run) flow(block int, z []float32) Flow {
	r.pin(block, z)
	f := Flow{Block: block, Z: z, T: r.schedule[:r.options.Steps]}
	for i, t := range f.T {
		f.Widths = append(f.Widths, StepWidth(t, r.schedule[i+1], r.options.T))
	}
	f.Guidance = GuidanceScales(r.layouts, r.options.Guidance, block, r.model.Contract)
	if block == 0 {
		for _, l := range r.layouts {
			f.Pinned = append(f.Pinned, l.Pinned)
		}
	}
	return f
}

// held has the engine choose the tokens of the block that it holds.
func (r *run) held(ctx context.Context) ([][]int32, error) {
	each := r.model.BlockSize * r.model.PatchSize
	ids, broken, err := r.blocks.Tokens(ctx, r.seen, r.options.Sampling)
	if err != nil {
		return nil, err
	}
	if want := len(r.layouts) * each; len(ids) != want || len(broken) != want {
		return nil, fmt.Errorf("the engine returned %d tokens and judged %d rows of logits; %d were wanted", len(ids), len(broken), want)
	}
	for i, yes := range broken {
		if yes {
			r.broken[i/each]++
		}
	}
	return slices.Collect(slices.Chunk(ids, each)), nil
}
