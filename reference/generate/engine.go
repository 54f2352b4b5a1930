// Package generate is the generation loop of Cola DLM, neutral to the engine
// that computes the model: tokenised prompts are encoded, prefilled, and then
// continued block by block with flow-matching steps, guidance and sampling.
//
// It knows the order of the calls and the arithmetic between them (guidance,
// Euler step, sampling); an Engine knows the model.
package generate

import (
	"context"
	"errors"
	"fmt"

	"colakit/formats/hf"
	"colakit/formats/tensor"
)

// Contract says which roundings a run performs.
type Contract uint8

const (
	// Exact rounds nothing: plain float32 (or float64) and exact timesteps.
	Exact Contract = iota
	// Released rounds to bfloat16 where the released code does under autocast,
	// timesteps included.
	Released
)

// String returns "exact" or "released".
func (c Contract) String() string {
	if c == Released {
		return "released"
	}
	return "exact"
}

// ParseContract is the inverse of String.
func ParseContract(name string) (Contract, error) {
	switch name {
	case "exact":
		return Exact, nil
	case "released":
		return Released, nil
	}
	return Exact, fmt.Errorf("unknown contract %q; known are exact and released", name)
}

// Model holds what the loop must know of the model that an engine computes.
type Model struct {
	BlockSize int  // latents of one generated block (the DiT's block_size)
	PatchSize int  // tokens of one latent (the VAE's patch_size)
	LatentDim int  // channels of a latent
	VocabSize int  // width of the logits; token ids up to and including VocabSize can be embedded
	CrossTalk bool // samples of a batch see each other (block_causal false): batches of one only

	Contract    Contract
	Activations Activations
	// Kernels is true for an engine of its own kernels, which fuse operations and add
	// in an order of their own; false for one that computes as the reference does.
	Kernels bool

	// Schedule is the only one whose timesteps the engine can compute, that of the
	// model's AdaLN table or the one that the engine was made for; nil: any.
	Schedule *hf.Schedule
	// Scheduled: the engine was made for Schedule, and the model has others.
	Scheduled bool
}

// CheckSchedule returns an error unless the engine can compute the timesteps from
// T, cut to an integer, to 0 in so many steps.
func (m Model) CheckSchedule(T float64, steps int) error {
	s := m.Schedule
	if s == nil || s.T == int(T) && s.Steps == steps {
		return nil
	}
	if m.Scheduled {
		return fmt.Errorf("the engine was made for %v and keeps no weights for other timesteps, and this run has T = %d in %d steps: make an engine for that schedule, or for any",
			s, int(T), steps)
	}
	return fmt.Errorf("the model holds an AdaLN table for %v, and this run has T = %d in %d steps: run the table's schedule, or convert the checkpoint with --ada-steps %d or --ada full",
		s, int(T), steps, steps)
}

// CheckBatch refuses batches whose samples would see each other.
func (m Model) CheckBatch(n int) error {
	if m.CrossTalk && n > 1 {
		return fmt.Errorf("a batch of %d: samples of this model (block_causal false) would see each other; run one at a time", n)
	}
	return nil
}

// maxLogits bounds the logits of a block of all samples: 4 GiB of float32 numbers.
const maxLogits = 1 << 30

// CheckLogits refuses a batch of n samples whose logits no usual machine holds.
func (m Model) CheckLogits(n int) error {
	if tokens := m.BlockSize * m.PatchSize; n > maxLogits/max(m.VocabSize*tokens, 1) {
		return fmt.Errorf("a block of %d prompts has block_size %d · patch_size %d tokens each, of vocab_size %d logits: more than %d in all; generate fewer prompts at a time (--batch-size)",
			n, m.BlockSize, m.PatchSize, m.VocabSize, maxLogits)
	}
	return nil
}

// PrefixLengths returns the number of latents of every prefix of a batch, whole blocks
// each.
func (m Model) PrefixLengths(prefix [][]float32) ([]int, error) {
	if len(prefix) == 0 {
		return nil, errors.New("a batch of no samples")
	}
	if err := m.CheckBatch(len(prefix)); err != nil {
		return nil, err
	}
	size := m.LatentDim * m.BlockSize
	lengths := make([]int, len(prefix))
	for i, rows := range prefix {
		if len(rows)%size != 0 {
			return nil, fmt.Errorf("sample %d: a prefix of %d values, which is no multiple of a block's %d", i, len(rows), size)
		}
		lengths[i] = len(rows) / m.LatentDim
	}
	return lengths, nil
}

// A Pass is one call of the denoiser or the decoder for the current block of
// every sample. Rows are the samples' blocks, one after the other.
type Pass struct {
	Block, Step int
	Z           []float32 // latents [batch·BlockSize, LatentDim], row-major; nil: those that a BlockEngine holds
	T           []float32 // timestep of each row, 0…1000, not rounded; nil for Decode and Commit
}

// Engine computes the model. It keeps the key/value caches of one batch. It is
// used by one goroutine at a time. Slices it returns belong to the caller.
type Engine interface {
	Model() Model

	// Encode returns the latents of every sample ([n, LatentDim] row-major, after
	// shifting and scaling). Every ids[i] is padded to a multiple of
	// PatchSize·BlockSize. An id above VocabSize is an error.
	Encode(ctx context.Context, ids [][]int32) ([][]float32, error)

	// Prefill forgets the previous batch and begins one of len(prefix) samples
	// whose clean prefix latents ([n, LatentDim], n a multiple of BlockSize, 0
	// allowed) it writes into the caches of the DiT (at t = 0) and of the decoder.
	Prefill(ctx context.Context, prefix [][]float32) error

	// Velocity returns the conditional and the unconditional velocity of the
	// block [batch·BlockSize, LatentDim]; the caches stay as they are. Under
	// Released the values are bfloat16 numbers.
	Velocity(ctx context.Context, p Pass) (cond, uncond []float32, err error)

	// Decode returns the logits [batch·BlockSize·PatchSize, VocabSize] of the
	// finished block and appends it to the decoder's cache.
	Decode(ctx context.Context, p Pass) ([]float32, error)

	// Commit appends the finished block to the DiT's cache (a pass at t = 0).
	Commit(ctx context.Context, p Pass) error

	// Observe sets the tap that sees every operation from now on; nil for none.
	Observe(Tap)

	Close() error
}

// Partial is an Engine whose kernels fuse operations, so that some values exist
// nowhere in it. Those at Shows of false are neither shown nor replaced: what is
// computed from them is judged from the values ahead of them. What golden bundles
// of every level record must be shown. An engine around another one implements
// Partial if that does.
type Partial interface {
	Engine
	// Shows reports whether the tap is asked for the value. The answer is the same
	// for as long as the engine lives.
	Shows(Site) bool
}

// Tap observes the values of a run.
type Tap interface {
	// Want is asked before anything is copied; a value not wanted costs nothing.
	Want(Site) bool
	// Record is given the value. The view is valid during the call only.
	Record(Site, tensor.View) error
}

// Forcing is a Tap that also replaces values: after Record the engine goes on
// with the returned view (same shape; any float type) where ok is true. Feeding
// an engine the golden's values this way isolates every single operation.
type Forcing interface {
	Tap
	Replace(Site) (v tensor.View, ok bool, err error)
}

// Noise supplies the starting latents of a block.
type Noise interface {
	// Block fills dst ([BlockSize·LatentDim]) for one sample of the batch. Calls
	// come in the order of blocks, and of samples within a block.
	Block(sample, block int, dst []float32) error
}
