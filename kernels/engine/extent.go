package engine

import "colakit/reference/generate"

// Extent is the largest run that memory is taken for when the engine is made. A larger
// one is possible; what it needs more is taken when it comes to it.
type Extent struct {
	Batch        int // samples at a time; 0: 1
	PromptTokens int // of the longest prompt
	NewTokens    int // of each sample; 0: as many as generate.Defaults has
}

// orDefault fills in what is not known.
func (x Extent) orDefault() Extent {
	x.Batch = max(x.Batch, 1)
	if x.NewTokens <= 0 {
		x.NewTokens = generate.Defaults().MaxNewTokens
	}
	return x
}

// newRows returns the rows that a sample's blocks add to the caches.
func (x Extent) newRows(m generate.Model) int {
	block := m.BlockSize * m.PatchSize
	return (x.orDefault().NewTokens + block - 1) / block * m.BlockSize
}
