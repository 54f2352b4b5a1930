package engine

import (
	"fmt"

	"colakit/formats/hf"
	"colakit/internal/units"
	"colakit/reference/generate"
)

// Extent is the largest run that memory is taken for when the engine is made. A larger
// one is possible; what it needs more is taken when it comes to it.
type Extent struct {
	Batch        int `json:"batch"`         // samples at a time; 0: 1
	PromptTokens int `json:"prompt_tokens"` // of the longest prompt; 0: 1
	NewTokens    int `json:"new_tokens"`    // of each sample; 0: as many as generate.Defaults has
}

// orDefault fills in what is not known. Samples that would see each other run alone.
func (x Extent) orDefault(cfg hf.Config) Extent {
	x.Batch, x.PromptTokens = max(x.Batch, 1), max(x.PromptTokens, 1)
	if !cfg.VAE.BlockCausal {
		x.Batch = 1
	}
	if x.NewTokens <= 0 {
		x.NewTokens = generate.Defaults().MaxNewTokens
	}
	return x
}

// newRows returns the rows that a sample's blocks add to the caches.
func (x Extent) newRows(m generate.Model) int {
	block := m.BlockSize * m.PatchSize
	return (x.NewTokens + block - 1) / block * m.BlockSize
}

// Share returns the part of the batch that one of n devices has at most.
func (x Extent) Share(n int) Extent {
	x.Batch = (x.Batch + n - 1) / n
	return x
}

// String describes the run.
func (x Extent) String() string {
	return fmt.Sprintf("%s of %s and %s",
		units.Count(int64(x.Batch), "prompt"), units.Count(int64(x.PromptTokens), "token"), units.Count(int64(x.NewTokens), "new token"))
}
