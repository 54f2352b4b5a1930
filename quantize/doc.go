// Package quantize decides how precisely each tensor is stored, converts its
// elements and measures what that costs.
//
// A Policy gives every tensor a Scheme, with a reason: by its class, or by Rules
// that go before. A Tile applies a Cast to a run of a tensor's elements, of whole
// rows where these become codes, while the source comes piece by piece, and returns
// what it saw: values that can't be stored, and the error of those that can. Tiles
// are converted by several workers; their Tallies, added in the order of the tiles,
// give the tensor's Figures, the same for any number of workers.
//
// Sums are accumulated in float64 and no product is fused with a sum, or they are
// exact, so that figures are the same on every machine. Package int8 has the codec
// of codes and scales.
package quantize
