// Package quantize decides how precisely each tensor is stored, converts its
// elements and measures what that costs.
//
// A Policy gives every tensor a Scheme, with a reason. Convert applies a Cast to
// a tile, a run of a tensor's elements, and returns what it saw: values that can't
// be stored, and the error of those that can. Tiles are converted by several
// workers; their Tallies, added in the order of the tiles, give the tensor's
// Figures, the same for any number of workers.
//
// Sums are accumulated in float64, and no product is fused with a sum, so that
// figures are the same on every machine.
package quantize
