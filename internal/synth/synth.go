// Package synth makes checkpoints of given shapes with pseudo-random weights:
// for tests, and for trying a conversion at the released sizes without the
// released weights. The same configuration and seed give the same bytes.
package synth

import (
	"hash/fnv"
	"math"

	"colakit/formats/hf"
)

// Fill writes elements start, start+1, … of a tensor to dst. Matrices are
// normal with variance 1/fan-in, embeddings with variance 1, norms lie about 1
// and biases about 0, so that activations stay of order 1 through any number
// of blocks. Rotary frequencies are the true ones.
func Fill(dst []float32, cfg hf.Config, e hf.Expected, seed uint64, start int64) {
	if e.Class == hf.Buffer {
		copy(dst, cfg.DiT.RopeFrequencies()[start:])
		return
	}
	mean, std := distribution(e)
	key := tensorKey(seed, e.Name)
	for i := range dst {
		dst[i] = mean + std*normal(mix(key+uint64(start)+uint64(i)))
	}
}

// distribution returns the mean and the standard deviation of a tensor.
func distribution(e hf.Expected) (mean, std float32) {
	switch e.Class {
	case hf.Norm:
		return 1, 0.1
	case hf.Bias:
		return 0, 0.05
	case hf.Embedding:
		return 0, 1
	}
	fanIn := 1
	for _, d := range e.Shape[1:] {
		fanIn *= d
	}
	return 0, float32(1 / math.Sqrt(float64(fanIn)))
}

// tensorKey spreads the tensors over the generator's range.
func tensorKey(seed uint64, name string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(name))
	return mix(h.Sum64() ^ mix(seed))
}

// mix is SplitMix64: the output for the counter x.
func mix(x uint64) uint64 {
	x *= 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// normal maps 64 random bits to a number of mean 0 and variance 1 that is nearly
// normal: the sum of four uniform 16-bit numbers. Its magnitude is below 3.5.
func normal(bits uint64) float32 {
	const mean = 4 * 65535 / 2
	const scale = 1.0 / 37837.2 // 1/√(4·(2³²−1)/12)
	sum := int32(bits&0xffff) + int32(bits>>16&0xffff) + int32(bits>>32&0xffff) + int32(bits>>48)
	return float32(sum-mean) * scale
}
