package engine

import (
	"errors"
	"fmt"

	"colakit/formats/hf"
	"colakit/kernels/device"
	"colakit/kernels/ops"
	"colakit/reference/generate"
)

// ErrUnsupported is wrapped by the errors about a model that the kernels don't compute,
// and the reference does.
var ErrUnsupported = errors.New("not supported by the kernels")

// staticShared is more than kernels of operations on rows have of shared memory beside
// what they ask for.
const staticShared = 1 << 10

// bound is the largest value of what a configuration says, and why.
type bound struct {
	name        string
	value, most int
	why         string
}

// supported refuses by name what the kernels don't compute.
func supported(cfg hf.Config, info device.Info, a generate.Activations) error {
	for _, b := range bounds(cfg, info, a) {
		if b.value > b.most {
			return fmt.Errorf("%s is %d, %s at most %d: %w; use the reference engine", b.name, b.value, b.why, b.most, ErrUnsupported)
		}
	}
	if c := cfg.VAE.ClipQKV; c != nil && !(float32(*c) > 0) {
		return fmt.Errorf("clip_qkv is %v, the kernels clamp to positive limits: %w; use the reference engine", *c, ErrUnsupported)
	}
	return nil
}

// bounds lists the limits of kernels that a configuration can exceed. Those that no
// valid configuration reaches are left out: see hf.Config.Validate.
func bounds(cfg hf.Config, info device.Info, a generate.Activations) []bound {
	d, v := cfg.DiT, cfg.VAE
	const heads, grid, rows = "the kernels take heads of", "the kernels take", "the kernels take matrices of"
	all := []bound{
		{"head_dim of the prior", d.HeadDim, ops.WidestHead, heads},
		{"dim/num_heads of the VAE", v.HeadDim(), ops.WidestHead, heads},
		{"heads of the prior", d.Heads, ops.MostHeads, grid},
		{"vocab_size", v.VocabSize, ops.MostOutputs, rows},
		{"dim·patch_size of the VAE", v.Dim * v.PatchSize, ops.MostOutputs, rows},
	}
	// A row is in the shared memory of one multiprocessor.
	const norm, codes = "a LayerNorm of this device takes rows of", "this device quantises rows of"
	row := (info.SharedPerBlock - staticShared) / 4
	all = append(all,
		bound{"txt_dim of the prior", d.TxtDim, row, norm}, bound{"dim of the VAE", v.Dim, row, norm},
		bound{"latent_dim of the VAE", v.LatentDim, row, norm})
	if a == generate.Int8Activations {
		all = append(all,
			bound{"txt_dim·expand_ratio of the prior", d.HiddenDim(), row, codes},
			bound{"heads·head_dim of the prior", d.InnerDim(), row, codes},
			bound{"hidden width of the VAE's FFN", v.FFNHidden(), row, codes})
	}
	return all
}
