package verify_test

import (
	"math"
	"strings"
	"testing"

	"colakit/formats/tensor"
	"colakit/golden"
	"colakit/reference"
	"colakit/reference/generate"
	"colakit/verify"
)

var nan = float32(math.NaN())

// negate changes the sign of float32 numbers.
func negate(data []byte) {
	for i := 3; i < len(data); i += 4 {
		data[i] ^= 0x80
	}
}

// TestDiagnosis spoils artifacts and engines, and holds what is said of the side that
// is wrong and of the way in which it is against what was done.
func TestDiagnosis(t *testing.T) {
	tests := []struct {
		name, bundle string
		spoil        func(*testing.T, *model)
		engine       *wrapped
		origin       verify.Origin
		side, says   string // of the first match; "": there is none
		finding      string // a part of it
		never        string // what it does not say; "": anything
	}{
		{name: "a transposed weight", bundle: "exact-ops", spoil: transpose("dit.blocks.2.msa.proj_out.weight"),
			origin: verify.OfWeights, side: "golden", says: "dit.blocks.2.msa.proj_out.weight is read transposed", finding: "The engine is right"},
		{name: "a transposed weight, seen through a layer", bundle: "released-layers", spoil: transpose("dit.blocks.1.msa.proj_out.weight"),
			origin: verify.OfWeights, side: "golden", says: "dit.blocks.1.msa.proj_out.weight is read transposed"},
		{name: "swapped norms", bundle: "released-ops", spoil: swap("dit.blocks.2.msa.norm_q.weight", "dit.blocks.2.msa.norm_k.weight"),
			origin: verify.OfWeights, side: "golden", says: "it uses dit.blocks.2.msa.norm_k.weight in place of dit.blocks.2.msa.norm_q.weight"},
		{name: "a dropped bias", bundle: "exact-ops", spoil: scale("dit.blocks.3.mlp.proj_in.bias", 0, 1, 0),
			origin: verify.OfWeights, finding: "the same in every row: a bias"},
		{name: "a bias of what is the same in every row", bundle: "exact-ops", spoil: scale("dit.blocks.3.ada.mlp_in.1.bias", 0, 1, 0),
			origin: verify.OfWeights, finding: "dit.blocks.3.ada.mlp_in.1.bias is 0 throughout", never: "the same in every row"},
		{name: "a weight that went through bfloat16", bundle: "exact-ops", spoil: cutToBF16("dit.blocks.1.mlp.proj_in.weight"),
			origin: verify.OfWeights, finding: "Every element of dit.blocks.1.mlp.proj_in.weight is a number of bf16"},
		{name: "a scaled channel", bundle: "exact-ops", spoil: scale("dit.blocks.0.mlp.proj_in.weight", 5, 128, 1.01),
			origin: verify.OfWeights, finding: "is in channel 5: one row of a weight"},
		{name: "a weight that is no number", bundle: "exact-ops", spoil: change("vae.encoder.blocks.0.ffn_proj.weight", 64*7+1, func(float32) float32 { return nan }),
			origin: verify.OfWeights, finding: "vae.encoder.blocks.0.ffn_proj.weight is NaN at [7 1]"},
		{name: "rounded timesteps", bundle: "exact-layers", engine: &timesRounded,
			origin: verify.OfEngine, side: "candidate", says: "the timestep is rounded to bfloat16"},
		{name: "pinned rows that keep their time", bundle: "exact-ops", engine: &pinnedInTime,
			origin: verify.OfEngine, side: "candidate", says: "pinned rows have the schedule's time, not 0"},
		{name: "exchanged branches", bundle: "exact-layers", engine: &branchesExchanged,
			origin: verify.OfEngine, side: "candidate", says: "the conditional and the unconditional branch change places"},
		{name: "other latents", bundle: "exact-layers", engine: &otherLatents,
			origin: verify.OfEngine, finding: "Of 4 rows only 0 differ"},
		{name: "a missing rounding", bundle: "released-ops", engine: &roundingMissing,
			origin: verify.OfEngine, finding: "another type, f32"},
		{name: "another shape", bundle: "exact-ops", engine: &shapeTurned,
			origin: verify.Unknown, finding: "its shape is not the golden's"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := tiny(t)
			if tt.spoil != nil {
				tt.spoil(t, m)
			}
			var wrap func(generate.Engine) generate.Engine
			if tt.engine != nil {
				wrap = func(e generate.Engine) generate.Engine {
					own := *tt.engine
					own.Engine = e
					return &own
				}
			}
			r := m.run(t, tt.bundle, wrap, reference.Options{Workers: 1})
			if r.Divergence == nil || r.Divergence.Diagnosis == nil {
				t.Fatalf("no diagnosis: %s", r.Reason)
			}
			d := r.Divergence.Diagnosis
			if d.Origin != tt.origin || !strings.Contains(d.Finding, tt.finding) {
				t.Errorf("origin %s, want %s: %s", d.Origin, tt.origin, d.Finding)
			}
			if tt.never != "" && strings.Contains(d.Finding, tt.never) {
				t.Errorf("says %q: %s", tt.never, d.Finding)
			}
			if len(d.Matches) == 0 != (tt.says == "") || tt.says != "" && (d.Matches[0].Says != tt.says || d.Matches[0].Side != tt.side) {
				t.Errorf("want that the %s matches if %s; got\n%s", tt.side, tt.says, strings.Join(d.MatchLines(), "\n"))
			}
			if d.Origin != verify.Unknown && len(d.Do) == 0 {
				t.Error("does not say what to do")
			}
		})
	}
}

// TestGoldenSideIsWrong has a golden whose value does not follow from its inputs.
func TestGoldenSideIsWrong(t *testing.T) {
	const tap = "b00/s01/cond/dit.blocks.1.mlp.in"
	b := derive(t, "exact-ops", all, func(_ *golden.Info, views map[string]tensor.View) {
		negate(views[tap].Data)
	})
	r := tiny(t).against(t, b, "wrong", nil, reference.Options{})
	d := r.Divergence.Diagnosis
	if r.Divergence.Name != tap || d.Origin != verify.OfGolden || !strings.Contains(d.Do[0], "Record the bundle again") {
		t.Errorf("%s, %+v", r.Divergence.Name, d)
	}
}

// TestRoundingOfWeights: what the type of the weights does is not taken for a fault of
// code or mapping, and is told with the limits that were in force.
func TestRoundingOfWeights(t *testing.T) {
	m := tiny(t).inInt8(t, 0)
	engine, err := reference.New(m, m.cfg, reference.Options{Workers: 1})
	check(t, err)
	defer engine.Close()
	var kept *verify.ReplayResult
	r, err := verify.Run(t.Context(), engine, bundle(t, "exact-ops"), verify.Options{
		Name: "exact-ops", Artifact: m.artifact(), FailFast: true,
		Overrides: []verify.Override{{Rule: "int8 artifact", Factor: 0.3, Reason: "to see rounding exceed a limit"}},
		Replay: func(r *verify.Replay) error {
			kept, err = r.Run(t.Context(), nil)
			return err
		},
	})
	check(t, err)
	d := r.Divergence
	if d.Diagnosis.Origin != verify.OfRounding || !strings.Contains(d.Diagnosis.Finding, "stored as i8") || !strings.Contains(d.Pattern[0], "not of code or mapping") {
		t.Errorf("%+v, pattern %q", d.Diagnosis, d.Pattern)
	}
	if kept == nil || kept.Verdict != verify.Fail || kept.Diagnosis.Origin != verify.OfRounding {
		t.Errorf("replayed: %+v", kept)
	}
}

// TestOtherCheckpoint: where every matrix of a section is another one, the checkpoint
// comes before single tensors.
func TestOtherCheckpoint(t *testing.T) {
	m := tiny(t)
	for _, d := range m.Descs() {
		if strings.HasPrefix(d.Name, "dit.") && len(d.Shape) == 2 {
			edit(t, m, d.Name, func(v []float32) {
				for i := range v {
					v[i] *= -0.9
				}
			})
		}
	}
	d := m.run(t, "exact-ops", nil, reference.Options{}).Divergence
	if !strings.Contains(d.Pattern[0], "operations of the dit that use matrices fail on their own: its weights are another checkpoint's") {
		t.Errorf("pattern %q", d.Pattern)
	}
	if !strings.Contains(d.Diagnosis.Do[0], "the checkpoint that the bundle was recorded from") {
		t.Errorf("do %q", d.Diagnosis.Do)
	}
}
