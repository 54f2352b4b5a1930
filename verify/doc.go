// Package verify holds an engine and an artifact against a golden bundle: a
// recording of one run of the public Python package, operation by operation.
//
// Run repeats the recorded run three times. Isolated, every recorded value is
// compared and then replaced by the golden's, so that each operation is fed the
// golden's own inputs: what fails is what is wrong. Free-running, only the latents
// between the passes are the golden's: what fails adds up. In generation, prompts
// and noise are the golden's and the rest is the candidate's own, to the last
// token.
//
// How much error a value may have is said in one place, Policy; package catalog
// says what a value is computed from, package metric measures. The Report names
// the first operation that fails, the tensors it uses and what the failures have
// in common; later failures are explained by it.
package verify
