// Package int8 stores matrices of float32 as codes of eight bits and scales.
//
// # The codec
//
// A matrix is row-major, one row per output channel. Every row, or every group
// of 32, 64 or 128 elements of it (the last one may be shorter), has a scale s,
// and an element x becomes the code
//
//	q = x/s, rounded to float32, clamped to ±127 and rounded to an integer, ties to even
//
// that stands for the value float32(q)·s, rounded once. The code −128 is not
// used. With a = max |x| over the group, the scale is
//
//	s = a/127, rounded to float32 and from there to the type of the scales
//
// but for three corners: the scale of a group of zeros is 0, and so are its
// codes; where s is subnormal and so imprecise that a would need a code beyond
// 127, it is the next larger; and it is at most the largest for which 127·s is
// finite. Codes are made with the scale as stored. Hence no element is clipped,
// |x − q·s| ≤ s/2 (but for the rounding of x/s, a part in 2¹⁷ of it), and a scale
// is 0 only where all elements are.
//
// A row that holds NaN or Inf, or an element that would need an f16 scale beyond
// 65504, has no codes: they and the scales of the row are 0, its figures count
// nowhere, and the Tally says where it was seen.
//
// # Clipping
//
// Under MSE a group's scale is chosen among smaller ones, too, by the squared
// error of its elements; see search. The error is never larger than with the
// scale above, for any group and any row, and the Tally keeps both.
//
// # Figures
//
// Errors are measured as the codes are made, on d = x − float32(q)·s, rounded to
// float32 (only clipped elements round). The squares of x and d are exact in
// float64. Over a row they are added in eight lanes, element i to lane i mod 8 in
// ascending order, and the lanes by halves: l and l+4, l and l+2, 0 and 1. Sums
// over rows are exact. So figures depend on the matrix alone, not on tiles, on
// workers, on the instructions used or on whether these fuse products and sums.
//
// # Implementations
//
// plain.go is the definition of all loops over elements, and what most
// processors run; on amd64 there are twins with AVX2 and AVX-512 that give the
// same bits.
package int8
