// Package hf knows Cola DLM's checkpoints as Hugging Face folders hold them: the
// two config.json files with their class defaults, the tensors and shapes that
// follow from them, the names of all modules, and where the files lie.
//
// It is the only package that spells tensor names. A native name is the model's
// prefix, "dit." or "vae.", before the name in the checkpoint.
//
// The facts are those of the public package cola_dlm (commit 6752ff1 of
// ByteDance-Seed/Cola-DLM). Whatever it can run is accepted here; whatever it
// cannot run is refused with the rule that is broken.
package hf
