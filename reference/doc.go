// Package reference computes Cola DLM on spago: the engine that is easy to check
// against the model's definition, and that others are checked against.
//
// There is one file for each module of the public package, under the same names:
//
//	ColaDiTModel         dit.go, dit_block.go, dit_attention.go, dit_mlp.go, dit_rope.go,
//	                     adaln.go, timestep_embedding.go
//	ColaTextVAEModel     vae_encoder.go, vae_decoder.go, vae_block.go, vae_attention.go, vae_rope.go
//	torch.nn             linear.go, layernorm.go, activation.go, attention.go (softmax(q·Kᵀ)·V)
//
// and below them what a run needs: layout.go (who sees what), cache.go (keys and
// values), conditioning.go (modulations, once per timestep), precision.go (the two
// contracts), probe.go (taps), weights.go and build.go (loading), stored_weights.go
// and coded_weights.go (weights of 16 and 8 bits), engine.go and run.go
// (generate.Engine). Shapes stand in comments: R rows of a pass, Lk all keys
// of a pass, d width of the trunk, c latent channels, h heads of hd channels.
//
// One generic code serves float32 and float64, and both contracts. Values are spago
// matrices with the type that the run holds them in; everything dangerous about
// spago is in spago.go.
package reference
