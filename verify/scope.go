package verify

import (
	"slices"

	"colakit/formats/dtype"
	"colakit/reference/generate"
	"colakit/verify/catalog"
)

// This file holds the conditions under which rules of the policy apply.

// float32Values selects single operations (and, in the exact contract, chains)
// whose values neither side rounds below float32. In the released contract they may
// be made of rounded ones, where other kernels round nothing.
func float32Values(kind catalog.Kind) func(Facts) bool {
	return func(f Facts) bool {
		chain := kind == catalog.Chain && f.Contract == generate.Released
		rounded := kind != catalog.Copy && f.Contract == generate.Released && f.Kernels
		return f.Mode == Isolated && f.Kind == kind && f.Artifact == dtype.F32 && f.Type == dtype.F32 && !chain && !rounded
	}
}

func isolated(c generate.Contract, artifacts ...dtype.Type) func(Facts) bool {
	return running(Isolated, c, artifacts...)
}

func running(m Mode, c generate.Contract, artifacts ...dtype.Type) func(Facts) bool {
	return func(f Facts) bool {
		return f.Mode == m && f.Contract == c && slices.Contains(artifacts, f.Artifact)
	}
}

// codes selects what tensors of 8-bit codes take part in.
func codes(m Mode, a generate.Activations) func(Facts) bool {
	return func(f Facts) bool { return f.Mode == m && f.Artifact == dtype.I8 && f.Activations == a }
}
