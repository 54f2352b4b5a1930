package selftest

import (
	"math"
	"slices"

	"colakit/convert"
	"colakit/formats/hf"
	"colakit/formats/tensor"
	"colakit/quantize"
	"colakit/reference/generate"
)

// tensorFaults are mistakes in reading, naming, cutting and casting tensors.
var tensorFaults = []Case{
	{
		Name: "transposed-matrix", Imitates: "weights stored [in, out]", Bundle: exactOps,
		Inject: transposed(dit(2).Out.Weight()),
		Want:   Want{Hypothesis: "transposed", Op: "dit.blocks.2.msa.out", Tensor: dit(2).Out.Weight(), Says: []string{"this layer alone of 4"}},
	},
	{
		Name: "transposed-matrix-released", Imitates: "weights stored [in, out]", Bundle: releasedOps,
		Inject: transposed(decoder(1).AttnOut.Weight()),
		Want:   Want{Hypothesis: "transposed", Op: "vae.decoder.blocks.1.attn.out", Tensor: decoder(1).AttnOut.Weight(), Says: []string{"this layer alone of 2"}},
	},
	{
		Name: "transposed-matrix-layers", Imitates: "weights stored [in, out], seen through a whole layer", Bundle: releasedLayers,
		Inject: transposed(dit(1).Out.Weight()),
		Want:   Want{Hypothesis: "transposed", Op: "dit.blocks.1.msa.out", Tensor: dit(1).Out.Weight(), Says: []string{"this layer alone of 4"}},
	},
	{
		Name: "patch-convolution-axes", Imitates: "the convolution's weight is [out, in, p]", Bundle: exactOps,
		Inject: transposed(hf.EncoderPatch.Weight()),
		Want:   Want{Hypothesis: "transposed", Op: "vae.encoder.patch", Tensor: hf.EncoderPatch.Weight()},
	},
	{
		Name: "vocabulary-shifted", Imitates: "wte has vocab+1 rows, the padding row last", Bundle: exactOps,
		Inject: edit(hf.EncoderWTE.Weight(), func(v []float32, shape tensor.Shape) error {
			d := shape[1]
			copy(v[d:], slices.Clone(v[:len(v)-d]))
			return nil
		}),
		Want: Want{Hypothesis: "token ids shifted", Op: "vae.encoder.wte", Tensor: hf.EncoderWTE.Weight()},
	},
	{
		Name: "bias-element", Imitates: "one element of a bias is another", Bundle: exactOps,
		Inject: element(dit(1).MLPOut.Bias(), 17, plus(0.01)),
		Want:   Want{Op: "dit.blocks.1.mlp.out", Tensor: dit(1).MLPOut.Bias(), Says: []string{"one element of a bias"}},
	},
	{
		Name: "bias-element-released", Imitates: "one element of a bias is another", Bundle: releasedOps,
		Inject: element(dit(0).MLPIn.Bias(), 200, plus(0.1)),
		Want:   Want{Op: "dit.blocks.0.mlp.hidden", Tensor: dit(0).MLPIn.Bias(), Says: []string{"channel 200"}},
	},
	{
		Name: "bias-element-encoder", Imitates: "one element of a bias is another, seen through a whole layer", Bundle: exactLayers,
		Inject: element(encoder(1).FFNOut.Bias(), 3, plus(-0.01)),
		Want:   Want{Op: "vae.encoder.blocks.1.ffn.out", Tensor: encoder(1).FFNOut.Bias(), Says: []string{"one element of a bias"}},
	},
	{
		Name: "dropped-bias", Imitates: "a bias that is not read", Bundle: exactOps,
		Inject: every(dit(3).AdaMLPIn.Bias(), becomes(0)),
		Want:   Want{Op: "dit.blocks.3.ada.mlp_in.shift", Tensor: dit(3).AdaMLPIn.Bias(), Says: []string{"is 0 throughout", "this layer alone of 4"}},
	},
	{
		Name: "dropped-bias-layers", Imitates: "a bias that is not read, seen through a whole layer", Bundle: releasedLayers,
		Inject: every(decoder(0).FFNOut.Bias(), becomes(0)),
		Want:   Want{Op: "vae.decoder.blocks.0.ffn.out", Tensor: decoder(0).FFNOut.Bias(), Says: []string{"this layer alone of 2"}},
	},
	{
		Name: "scaled-row", Imitates: "one output channel is 1 % too large", Bundle: exactOps,
		Inject: row(dit(0).MLPIn.Weight(), 5, times(1.01)),
		Want:   Want{Op: "dit.blocks.0.mlp.hidden", Tensor: dit(0).MLPIn.Weight(), Says: []string{"channel 5: one row of a weight"}},
	},
	{
		Name: "flipped-sign-bit", Imitates: "one flipped bit in a weight", Bundle: exactOps,
		Inject: element(encoder(0).AttnOut.Weight(), 64*9+30, bit(31)),
		Want:   Want{Op: "vae.encoder.blocks.0.attn.out", Tensor: encoder(0).AttnOut.Weight(), Says: []string{"channel 9"}},
	},
	{
		Name: "swapped-layers", Imitates: "tensors of two layers exchanged", Bundle: exactOps,
		Inject: exchanged(dit(1).MLPIn.Weight(), dit(2).MLPIn.Weight()),
		Want:   Want{Hypothesis: "other weight", Op: "dit.blocks.1.mlp.hidden", Tensor: dit(1).MLPIn.Weight(), Says: []string{"dit.blocks.2.mlp.hidden"}},
	},
	{
		Name: "swapped-query-key-norms", Imitates: "norm_q and norm_k exchanged", Bundle: releasedOps,
		Inject: exchanged(dit(2).NormQ.Weight(), dit(2).NormK.Weight()),
		Want:   Want{Hypothesis: "other weight", Op: "dit.blocks.2.msa.q", Tensor: dit(2).NormQ.Weight(), Says: []string{"dit.blocks.2.msa.k"}},
	},
	{
		Name: "swapped-query-key-rows", Imitates: "qkv cut in another order", Bundle: exactOps,
		Inject: parts(dit(0).QKV.Weight(), 1, 0, 2),
		Want:   Want{Hypothesis: "rows of qkv in another order", Op: "dit.blocks.0.msa.qkv", Tensor: dit(0).QKV.Weight()},
	},
	{
		Name: "heads-before-parts", Imitates: "proj_qkv viewed as [h, 3, hd], not [3, h, hd]", Bundle: exactOps,
		Inject: heads(dit(3).QKV.Weight(), 3, 4),
		Want:   Want{Hypothesis: "rows of qkv sorted by part once more", Op: "dit.blocks.3.msa.qkv", Tensor: dit(3).QKV.Weight()},
	},
	{
		Name: "swapped-shift-scale", Imitates: "AdaLN chunked as scale, shift", Bundle: exactOps,
		Inject: Injection{Weights: func(w *Weights) error {
			for _, name := range []string{dit(1).AdaMSAIn.Weight(), dit(1).AdaMSAIn.Bias()} {
				if err := parts(name, 1, 0).Weights(w); err != nil {
					return err
				}
			}
			return nil
		}},
		Want: Want{Hypothesis: "halves of the modulation exchanged", Op: "dit.blocks.1.ada.msa_in.shift", Tensor: dit(1).AdaMSAIn.Weight(), Says: []string{"dit.blocks.1.ada.msa_in.scale"}},
	},
	{
		Name: "swiglu-halves", Imitates: "ffn_proj cut as (gate, value)", Bundle: exactOps,
		Inject: parts(decoder(0).FFNProj.Weight(), 1, 0),
		Want:   Want{Hypothesis: "halves of the rows exchanged, not of the bias", Op: "vae.decoder.blocks.0.ffn.hidden", Tensor: decoder(0).FFNProj.Weight()},
	},
	{
		Name: "dropped-norm-weight", Imitates: "norm_q taken for a norm without parameters", Bundle: exactOps,
		Inject: every(dit(1).NormQ.Weight(), becomes(1)),
		Want:   Want{Op: "dit.blocks.1.msa.q", Tensor: dit(1).NormQ.Weight()},
	},
	{
		Name: "dropped-final-norm-weight", Imitates: "txt_out_norm taken for a trunk norm, which has no parameters", Bundle: exactOps,
		Inject: every(hf.DiTTxtOutNorm.Weight(), becomes(1)),
		Want:   Want{Op: "dit.txt_out_norm", Tensor: hf.DiTTxtOutNorm.Weight()},
	},
	{
		Name: "other-rope-buffer", Imitates: "a stored rotary buffer of another theta is used", Bundle: exactOps,
		Inject: Injection{Weights: func(w *Weights) error {
			freqs := make([]float32, 12)
			for j := range freqs {
				freqs[j] = float32(math.Pow(500000, -float64(2*j)/24))
			}
			return added(dit(0).RopeFreqs, freqs...).Weights(w)
		}},
		Want: Want{Hypothesis: "stored frequencies ignored", Op: "dit.blocks.0.msa.q_rot", Tensor: dit(0).RopeFreqs, Says: []string{"this layer alone of 4"}},
	},
	{
		Name: "timestep-embedding-bias", Imitates: "a wrong tensor that every layer shares", Bundle: exactLayers,
		Inject: element(hf.DiTEmbProjOut.Bias(), 9, plus(0.5)),
		Want:   Want{Op: "dit.blocks.0.msa.k", Tensor: hf.DiTEmbProjOut.Bias(), Says: []string{"uniform over all 4 layers"}},
	},
	{
		Name: "logit-bias", Imitates: "one logit's bias is another", Bundle: exactLayers,
		Inject: element(hf.DecoderFinal.Bias(), 400, plus(30)),
		Want:   Want{Op: "logits.top_values", Tensor: hf.DecoderFinal.Bias()},
	},
	{
		Name: "nan-weight", Imitates: "NaN in one element", Bundle: exactOps,
		Inject: element(encoder(0).FFNProj.Weight(), 64*7+1, notANumber),
		Want: Want{Phase: "NaN and infinity", Op: "vae.encoder.blocks.0.ffn.hidden", Tensor: encoder(0).FFNProj.Weight(),
			Says: []string{"this layer alone of 2"}},
	},
	{
		Name: "f16-overflow", Imitates: "a weight beyond the range of f16 became infinite", Bundle: releasedOps,
		Inject: element(dit(2).MLPOut.Weight(), 384*3+2, becomes(float32(math.Inf(1)))),
		Want:   Want{Phase: "NaN and infinity", Op: "dit.blocks.2.mlp.out", Tensor: dit(2).MLPOut.Weight()},
	},
	{
		Name: "cast-behind-the-type", Imitates: "a tensor went through f16 and is called f32", Bundle: exactOps,
		Inject: every(dit(2).MLPIn.Weight(), throughF16),
		Want:   Want{Op: "dit.blocks.2.mlp.hidden", Tensor: dit(2).MLPIn.Weight(), Says: []string{"this layer alone of 4", "is a number of f16 although it is stored as f32"}},
	},
	{
		Name: "truncated-bf16", Imitates: "truncation to bfloat16 instead of rounding", Bundle: releasedOps,
		Form:   converted(convert.Options{Type: quantize.BF16}),
		Inject: truncatedFrom(dit(1).MLPIn.Weight()),
		Want:   Want{Op: "dit.blocks.1.mlp.hidden", Tensor: dit(1).MLPIn.Weight(), Says: []string{"because the run rounds them to that itself", "this layer alone of 4"}},
	},
	{
		Name: "missing-tensor", Imitates: "a tensor is missing", Bundle: exactLayers,
		Inject: removed(dit(3).MLPOut.Bias()),
		Want:   Want{Error: dit(3).MLPOut.Bias(), Damaged: true},
	},
	{
		Name: "misshapen-tensor", Imitates: "a tensor has another shape of as many elements", Bundle: exactLayers,
		Inject: reshaped(dit(3).MLPIn.Weight(), 128, 384),
		Want:   Want{Error: dit(3).MLPIn.Weight(), Damaged: true},
	},
}

// codeFaults are mistakes in artifacts of 8 bits, and in AdaLN tables.
var codeFaults = []Case{
	{
		Name: "int8-scales-shifted", Imitates: "scales off by one channel", Bundle: exactOps,
		Form:   converted(convert.Options{Type: quantize.Int8}),
		Inject: codes(dit(1).MLPIn.Weight(), shiftedScales(4)),
		Want:   Want{Op: "dit.blocks.1.mlp.hidden", Tensor: dit(1).MLPIn.Weight()},
	},
	{
		Name: "int8-scales-shifted-activations", Imitates: "scales off by one channel, activations in 8 bits", Bundle: exactOps,
		Form: converted(convert.Options{Type: quantize.Int8}), Setting: Setting{Activations: generate.Int8Activations},
		Inject: codes(dit(1).MLPIn.Weight(), shiftedScales(4)),
		Want:   Want{Op: "dit.blocks.1.mlp.hidden", Tensor: dit(1).MLPIn.Weight()},
	},
	{
		Name: "int8-groups-shifted", Imitates: "scales off by one group of 32", Bundle: exactOps,
		Form:   converted(convert.Options{Type: quantize.Int8G32}),
		Inject: codes(dit(0).Out.Weight(), shiftedScales(2)),
		Want:   Want{Op: "dit.blocks.0.msa.out", Tensor: dit(0).Out.Weight(), Says: []string{"times what rounding makes of weights that are stored as i8"}},
	},
	{
		Name: "int8-four-bits", Imitates: "codes cut to four bits", Bundle: exactOps,
		Form: converted(convert.Options{Type: quantize.Int8}),
		Inject: codes(dit(1).MLPIn.Weight(), func(v *tensor.View) {
			for i, q := range v.Data {
				v.Data[i] = q & 0xf0
			}
		}),
		Want: Want{Op: "dit.blocks.1.mlp.hidden", Tensor: dit(1).MLPIn.Weight(), Says: []string{"times what rounding makes of weights that are stored as i8"}},
	},
	{
		Name: "int8-truncated", Imitates: "codes truncated instead of rounded", Bundle: exactOps,
		Form: converted(convert.Options{Type: quantize.Int8}),
		Inject: codes(dit(1).MLPIn.Weight(), func(v *tensor.View) {
			for i, q := range v.Data {
				if int8(q) > 0 {
					v.Data[i]--
				}
			}
		}),
		Want: Want{Op: "dit.blocks.1.mlp.hidden", Tensor: dit(1).MLPIn.Weight(), Says: []string{"times what rounding makes of weights that are stored as i8"}},
	},
	{
		Name: "ada-table-line", Imitates: "an AdaLN table whose lines are off by one timestep", Bundle: exactOps,
		Form: tabled(quantize.F32, tableSchedule),
		Inject: edit(hf.AdaModulations, func(v []float32, shape tensor.Shape) error {
			copy(v, slices.Clone(v[shape[1]:]))
			return nil
		}),
		Want: Want{Op: "dit.blocks.0.ada.msa_in.shift", Tensor: hf.AdaModulations, Says: []string{"dit.blocks.0.ada.msa_in.scale"}},
	},
	{
		Name: "ada-table-column", Imitates: "one modulation of an AdaLN table is another", Bundle: exactOps,
		Form: tabled(quantize.F32, tableSchedule),
		Inject: edit(hf.AdaModulations, func(v []float32, shape tensor.Shape) error {
			for line := range shape[0] {
				v[line*shape[1]+6*128+2*128+5] += 0.01 // the gate of layer 1, channel 5
			}
			return nil
		}),
		Want: Want{Op: "dit.blocks.1.ada.msa_out.gate", Tensor: hf.AdaModulations, Says: []string{"channel 5"}},
	},
}

// tableSchedule is that of the bundle exact-ops.
var tableSchedule = hf.Schedule{T: 1000, Steps: 2, Contract: "exact"}

// shiftedScales gives every row (or group) the scale, of so many bytes, of the next.
func shiftedScales(size int) func(*tensor.View) {
	return func(v *tensor.View) {
		v.Scales = slices.Concat(v.Scales[size:], v.Scales[:size])
	}
}
