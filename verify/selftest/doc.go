// Package selftest verifies the verifier. Its catalogue holds faults, each of which
// must be caught and located at the right operation, and faultless variations,
// which must pass.
//
// A fault is data: a Case names what it imitates, the embedded bundle that shows it
// at the least cost, what is injected and what must be said. Nothing in production
// code knows of faults. They are injected where the parts of a comparison meet:
//
//	Weights  between the artifact and the engine, a tensor.Source with changed tensors
//	File     in the bytes of the artifact
//	Engine   around the engine, a generate.Engine that calls it otherwise
//	Values   between the run and the comparison, a generate.Forcing that shows another
//	         value than the one computed, and has the run go on with it
//	Golden   in the bundle
//
// The package imports no engine: the caller gives a Builder, so that every engine
// can be the one whose comparison is tested.
package selftest
