package selftest

import (
	"strings"

	"colakit/convert"
	"colakit/formats/dtype"
	"colakit/formats/hf"
	"colakit/quantize"
	"colakit/reference/generate"
	"colakit/verify"
)

var pass = Want{Verdict: verify.Pass}

// faultlessForms are the same weights, stored otherwise.
var faultlessForms = []Case{
	{Name: "as-it-is", Imitates: "nothing", Bundle: exactOps, Want: pass},
	{Name: "as-it-is-layers", Imitates: "nothing, seen through whole layers", Bundle: exactLayers, Want: pass},
	{Name: "as-it-is-released", Imitates: "nothing, under the released contract", Bundle: releasedOps, Want: pass},
	{Name: "as-it-is-released-layers", Imitates: "nothing, under the released contract, through whole layers", Bundle: releasedLayers, Exact: true, Want: pass},
	{Name: "f32-artifact", Imitates: "converted", Bundle: exactLayers, Form: f32File, Want: pass},
	{Name: "f16-artifact", Imitates: "weights in f16", Bundle: exactOps, Form: f16File, Want: pass},
	{Name: "f16-artifact-released", Imitates: "weights in f16", Bundle: releasedLayers, Form: f16File, Want: pass},
	{Name: "bf16-artifact", Imitates: "weights in bf16", Bundle: exactLayers, Form: bf16File, Want: pass},
	{Name: "bf16-artifact-released", Imitates: "weights in bf16", Bundle: releasedOps, Form: bf16File, Want: pass},
	{Name: "int8-artifact", Imitates: "weights in 8 bits", Bundle: exactOps, Form: int8File, Want: pass},
	{Name: "int8-artifact-released", Imitates: "weights in 8 bits", Bundle: releasedOps, Form: int8File, Want: pass},
	{Name: "int8-g32-artifact", Imitates: "weights in 8 bits, a scale for every 32", Bundle: exactOps, Form: g32File, Want: pass},
	{Name: "int8-activations", Imitates: "weights and activations in 8 bits", Bundle: exactOps, Form: int8File,
		Setting: Setting{Activations: generate.Int8Activations}, Want: pass},
	{Name: "int8-g32-activations-released", Imitates: "weights and activations in 8 bits, a scale for every 32", Bundle: releasedOps, Form: g32File,
		Setting: Setting{Activations: generate.Int8Activations}, Want: pass},
	{Name: "ada-table", Imitates: "an AdaLN table in place of its weights", Bundle: exactOps, Form: tabled(quantize.F32, tableSchedule), Want: pass},
	{Name: "ada-table-released-int8", Imitates: "an AdaLN table beside weights in 8 bits", Bundle: releasedLayers,
		Form: tabled(quantize.Int8, hf.Schedule{T: 1000, Steps: 16, Contract: "released"}), Want: pass},
	{Name: "exported-and-back", Imitates: "exported to sharded safetensors and converted again", Bundle: exactOps, Form: exported(quantize.F32),
		Want: Want{Verdict: verify.Pass, Says: []string{"not made from the bundle's checkpoint"}}},
	{Name: "bf16-checkpoint", Imitates: "a checkpoint whose matrices are stored in bf16", Bundle: releasedOps,
		Form: stored("matrices in bf16", matricesIn(dtype.BF16), quantize.BF16),
		Want: Want{Verdict: verify.Pass, Says: []string{"not made from the bundle's checkpoint"}}},
	{Name: "without-tokenizer", Imitates: "an artifact without a tokenizer, under another name", Bundle: exactLayers,
		Form: converted(convert.Options{Type: quantize.F32, NoTokenizer: true}), Want: pass},
	{Name: "rope-buffer-not-stored", Imitates: "a checkpoint without rotary buffers", Bundle: exactOps,
		Inject: Injection{Weights: func(w *Weights) error {
			for i := range 4 {
				if err := w.Remove(dit(i).RopeFreqs); err != nil {
					return err
				}
			}
			return nil
		}}, Want: pass},
}

// faultlessRuns are the same computation in another order or a higher precision.
var faultlessRuns = []Case{
	{Name: "three-workers", Imitates: "work divided among three", Bundle: exactOps, Setting: Setting{Workers: 3}, Want: pass},
	{Name: "three-workers-released", Imitates: "work divided among three", Bundle: releasedLayers, Setting: Setting{Workers: 3}, Exact: true, Want: pass},
	{Name: "float64", Imitates: "float64 against an exact golden", Bundle: exactOps, Setting: Setting{Float64: true}, Want: pass},
	{Name: "float64-layers", Imitates: "float64 against an exact golden, through whole layers", Bundle: exactLayers, Setting: Setting{Float64: true}, Want: pass},
	{Name: "fused-kernels", Imitates: "an engine that fuses norms, rotary embedding and softmax into its products", Bundle: exactOps,
		Inject: fuses("msa.norm", "msa.in", "msa.q", "msa.q_rot", "msa.scores", "attn.scores", "mlp.hidden", "ffn.hidden", "emb.sinusoid"), Want: pass},
	{Name: "fused-kernels-released", Imitates: "an engine that fuses attention", Bundle: releasedOps,
		Inject: fuses("msa.scores", "attn.scores"), Want: pass},
}

// faultlessBundles are bundles that hold less of the same run, or hold it otherwise.
var faultlessBundles = []Case{
	{Name: "batch-of-one", Imitates: "one sample of a recorded batch of three", Bundle: exactOps, Inject: recorded(alone(1)), Want: pass},
	{Name: "batch-of-one-released", Imitates: "one sample of a recorded batch of three", Bundle: releasedOps, Exact: true, Inject: recorded(alone(0)), Want: pass},
	{Name: "level-tokens", Imitates: "a bundle of --taps tokens", Bundle: exactLayers, Inject: recorded(levelTokens), Want: notRecorded("not at level tokens")},
	{Name: "level-tokens-released", Imitates: "a bundle of --taps tokens", Bundle: releasedLayers, Inject: recorded(levelTokens), Want: notRecorded("not at level tokens")},
	{Name: "step-limit", Imitates: "a bundle of --step-limit 2", Bundle: releasedLayers, Want: notRecorded("beyond the step limit"),
		Inject: recorded(func(r *Recording) error {
			two := 2
			r.Info.Run.StepLimit = &two
			r.Keep(func(tap string) bool {
				return !strings.Contains(tap, "/s") || strings.Contains(tap, "/s00") || strings.Contains(tap, "/s01")
			})
			return nil
		})},
	{Name: "block-limit", Imitates: "a bundle of --block-limit 1", Bundle: releasedLayers, Want: pass,
		Inject: recorded(func(r *Recording) error {
			one := 1
			r.Info.Run.BlockLimit = &one
			r.Keep(func(tap string) bool { return tap < "b01" || tap > "c" })
			return nil
		})},
	{Name: "sdpa-bundle", Imitates: "a bundle whose attention was one kernel", Bundle: exactOps, Want: notRecorded("hidden inside sdpa attention"),
		Inject: recorded(func(r *Recording) error {
			r.Info.Attention = "sdpa"
			r.Keep(func(tap string) bool { return !strings.HasSuffix(tap, ".msa.scores") })
			return nil
		})},
	{Name: "without-floors", Imitates: "a bundle without measured floors", Bundle: releasedOps, Want: Want{Verdict: verify.Pass, Says: []string{"uncalibrated"}},
		Inject: recorded(func(r *Recording) error {
			r.Info.Floors = nil
			return nil
		})},
	{Name: "tie", Imitates: "of two logits that are equal to a bf16 artifact's precision, the other's token", Bundle: exactOps, Form: bf16File, Inject: recorded(otherOfATie),
		Want: pass},
	{Name: "sampled-tokens", Imitates: "tokens drawn at random in Python", Bundle: exactLayers,
		Inject: recorded(func(r *Recording) error {
			r.Info.Run.Temperature = 0.7
			return nil
		}), Want: Want{Verdict: verify.Pass, Says: []string{"drawn at random"}}},
}

func levelTokens(r *Recording) error {
	r.Info.Level = "tokens"
	r.Keep(alwaysRecorded)
	return nil
}

// notRecorded is a pass of a bundle that states why it lacks values.
func notRecorded(reason string) Want { return Want{Verdict: verify.Pass, Says: []string{reason}} }

// alwaysRecorded reports whether bundles of every level hold a tap.
func alwaysRecorded(tap string) bool {
	inside := strings.Contains(tap, "/dit.blocks") || strings.Contains(tap, "vae.encoder.") || strings.Contains(tap, "vae.decoder.")
	cached := strings.HasSuffix(tap, ".msa.v") || strings.HasSuffix(tap, ".attn.k_raw") || strings.HasSuffix(tap, ".attn.v") ||
		strings.HasSuffix(tap, ".msa.k") && (strings.HasPrefix(tap, "prefill") || strings.Contains(tap, "commit"))
	return !inside || cached
}
