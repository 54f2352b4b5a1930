// Package operation computes single operations of Cola DLM slowly and obviously: in
// float64, from the values they are computed from and the weights they use, with
// the roundings of the released contract where it has them. It knows no engine.
//
// A Call is one operation of one pass, or the chain of operations between a value
// and the nearest recorded ones before it. Evaluate computes it as the model defines
// it or in another way: an Alternative is one of the ways in which implementations
// go wrong, such as a transposed matrix, rotary pairs of the other kind, or a
// timestep that is not rounded. Where an operation's value is not the golden's, the
// alternative whose value it is says why.
//
//	call.go, gather.go          a Call and where its inputs come from
//	evaluate.go, geometry.go    evaluation, and who sees what
//	product.go … loop.go        the formulas, one file for each kind of arithmetic
//	form.go                     what may differ in a formula
//	alternative.go, ways_*.go   the catalogue of alternatives
package operation
