// Package export writes a native artifact in the formats of other runtimes.
//
//	Prepare   opens the artifact and plans: per tensor name, type, action, reason
//	Plan      plain data, with the exact size of the output
//	Execute   tiles → encode → write at their place; then all of it is read back
//
// # Formats
//
//	safetensors         a Hugging Face folder: cola_dit and cola_vae with config.json and
//	                    weights, tokenizer.json, generation.json, README.md. The public
//	                    Python package runs it; package convert reads it again.
//	compressed-tensors  the same folder with int8 weights. Linear X has X.weight, codes of
//	                    shape [n, k], and X.weight_scale, float32 of shape [n, 1] or
//	                    [n, groups]; config.json says so under quantization_config. The
//	                    package compressed-tensors decompresses it, so that Transformers
//	                    runs it. vLLM reads the layout and has no Cola DLM.
//	gguf                one file with native names. Programs built on ggml read it. None
//	                    can run it: llama.cpp has no such architecture, and the metadata
//	                    say so.
//
// What is in each, and what loads it how, is in docs/exports.md.
//
// # Types
//
// Without a type, every tensor stays as the artifact stores it: codes are decoded
// to the numbers they stand for only where the format has no codes. A type rounds
// matrices, and in a folder of safetensors vectors, too, because a loader casts all
// parameters to one type anyway. Which matrices become codes or blocks is the
// policy of package quantize. What a format can't hold (rows that are no whole
// blocks, names that are too long, tensors that no loader expects) is refused by
// name, or stored by a fallback type that the caller allowed and the plan shows.
//
// config.json is the artifact's, byte for byte. Only where loading by it would
// change values, its key dtype is set to the type that keeps them.
//
// # Guarantees
//
// Copied, widened and decoded values are bit for bit those of the artifact; rounded
// ones are the nearest value of the type, ties to even; codes are within scale/2 and
// blocks of Q8_0 within what their format allows. Every tile is held against this
// after it has been read back through the reader of its format.
//
// The output is written beside its place under a temporary name, synced, and
// renamed. An error or a cancelled context removes it and leaves a previous output
// as it was; a folder is replaced only if an export wrote it and nothing else is in
// it. Memory is that of the tiles in work, about 16 MiB for each worker. The same
// artifact gives the same bytes, with any number of workers.
package export
