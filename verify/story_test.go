package verify_test

import (
	"strings"
	"testing"

	"colakit/reference"
	"colakit/verify"
	"colakit/verify/verifytest"
)

// TestStory holds what a stranger is told against what was done to the model.
func TestStory(t *testing.T) {
	m := tiny(t)
	transpose("dit.blocks.2.msa.proj_out.weight")(t, m)
	tests := []struct {
		name                 string
		report               *verify.Report
		what, where, why, do string
	}{
		{"a transposed weight", m.run(t, "exact-ops", nil, reference.Options{}),
			"dit.blocks.2.msa.out computes something else than the golden although it is fed the golden's own inputs",
			"msa.out of dit layer 2; prefill (prefill/dit.blocks.2.msa.out)", "This layer alone of 4", "Compare dit.blocks.2.msa.proj_out.weight with the checkpoint: colaconv diff"},
		{"nothing", verifytest.Passing(verifytest.Small), "Nothing is wrong: 96 values", "", "The tightest tolerance is that of “float32 product”", "Nothing has to be done"},
		{"other weights", verifytest.Failing(verifytest.Small), "dit.blocks.1.msa.out", "layer 1; cond, block 1, step 0", "Only from block 1 on: the cache.", "the artifact was made from other weights"},
		{"incomplete", &verify.Report{Verdict: verify.Incomplete, Reason: "the bundle records nothing"}, "can't be said", "", "0 of 0", "--taps"},
		{"names", &verify.Report{Verdict: verify.Fail, Reason: "x", Findings: []verify.Finding{{Phase: "names", Subject: "taps on one side only"}}}, "The candidate fails: x.", "names: taps", "compared", "same values"},
		{"a text", &verify.Report{Verdict: verify.Fail, Reason: "x", Findings: []verify.Finding{{Phase: "tokens", Subject: "text"}}}, "x", "text", "compared", "tokenizer"},
	}
	for _, tt := range tests {
		s := tt.report.Story()
		for _, c := range []struct{ got, want string }{{s.What, tt.what}, {s.Where, tt.where}, {strings.Join(s.Why, "\n"), tt.why}, {strings.Join(s.Do, "\n"), tt.do}} {
			if !strings.Contains(c.got, c.want) || c.got != "" && c.want == "" {
				t.Errorf("%s: %q, want %q", tt.name, c.got, c.want)
			}
		}
	}
}
