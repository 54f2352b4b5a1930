package generate

import (
	"fmt"
	"math/big"

	"colakit/internal/torch"
)

// DefaultNoiseSeed is the base seed of the released benchmark.
const DefaultNoiseSeed = 66

// A NoiseFunc is a function that supplies noise, such as a reader of recorded noise.
type NoiseFunc func(sample, block int, dst []float32) error

// Block implements Noise.
func (f NoiseFunc) Block(sample, block int, dst []float32) error { return f(sample, block, dst) }

// PerSample seeds torch's CPU generator anew for every sample and block, so that
// a sample's noise depends neither on its place in the batch nor on the others.
type PerSample struct {
	Base int64
	IDs  []int64 // of the batch's samples
}

// Block implements Noise.
func (n PerSample) Block(sample, block int, dst []float32) error {
	if sample >= len(n.IDs) {
		return fmt.Errorf("noise for sample %d of a batch of %d", sample, len(n.IDs))
	}
	seed, err := NoiseSeed(n.Base, n.IDs[sample], block)
	if err != nil {
		return err
	}
	torch.New(seed).Normal(dst)
	return nil
}

// NoiseSeed returns base + id·1000 + block·10 000 000 as torch takes it: from
// −2⁶³ to 2⁶⁴−1, negative numbers in two's complement.
func NoiseSeed(base, id int64, block int) (uint64, error) {
	seed := new(big.Int).Mul(big.NewInt(id), big.NewInt(1000))
	seed.Add(seed, big.NewInt(base))
	seed.Add(seed, new(big.Int).Mul(big.NewInt(int64(block)), big.NewInt(10_000_000)))
	switch {
	case seed.IsInt64():
		return uint64(seed.Int64()), nil
	case seed.IsUint64():
		return seed.Uint64(), nil
	}
	return 0, fmt.Errorf("id %d in block %d gives the noise seed %v, beyond the 64 bits that torch takes; use a smaller id", id, block, seed)
}

// Global draws the noise of a whole batch in one call from a generator that goes
// on from block to block and from batch to batch, as torch.manual_seed followed
// by torch.randn does. A batch has a Global of its own.
type Global struct {
	Generator *torch.Generator
	Batch     int // samples of the batch

	drawn []float32
	block int
}

// Block implements Noise. The first sample of a block draws for all.
func (n *Global) Block(sample, block int, dst []float32) error {
	if sample == 0 {
		n.drawn, n.block = make([]float32, n.Batch*len(dst)), block
		n.Generator.Normal(n.drawn)
	}
	end := (sample + 1) * len(dst)
	if block != n.block || end > len(n.drawn) {
		return fmt.Errorf("noise of block %d asked for sample %d of %d out of order", block, sample, n.Batch)
	}
	copy(dst, n.drawn[end-len(dst):end])
	return nil
}
