package selftest

import (
	"slices"

	"colakit/formats/hf"
)

// Catalogue returns all cases: faults first, then what must pass.
func Catalogue() []Case {
	return slices.Concat(
		of(Tensors, tensorFaults, codeFaults),
		of(Files, fileFaults),
		of(Loop, loopFaults, stateFaults),
		of(Operations, operationFaults),
		of(Golden, goldenFaults),
		of(Faultless, faultlessForms, faultlessRuns, faultlessBundles),
	)
}

// of puts cases into a group.
func of(g Group, lists ...[]Case) []Case {
	all := slices.Concat(lists...)
	for i := range all {
		all[i].Group = g
	}
	return all
}

// The embedded bundles.
const (
	exactOps       = "exact-ops"
	exactLayers    = "exact-layers"
	releasedOps    = "released-ops"
	releasedLayers = "released-layers"
)

// Modules of block i.
func dit(i int) hf.DiTModules     { return hf.DiTBlockModules(i) }
func encoder(i int) hf.VAEModules { return hf.VAEBlockModules(hf.EncoderBlock(i)) }
func decoder(i int) hf.VAEModules { return hf.VAEBlockModules(hf.DecoderBlock(i)) }
