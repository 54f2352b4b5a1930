// Package bisect finds the few parts of a model that account for the drift between two
// engines, contracts or artifacts.
//
// A Hybrid runs both sides at once: at every value, both have computed it from the same
// inputs, and both go on with one of the two, that of B in the parts that are swapped
// and that of A elsewhere. The drift of a hybrid is the distance of its latents and
// logits to those of A alone.
package bisect
