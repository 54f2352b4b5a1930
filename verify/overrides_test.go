package verify_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"colakit/verify"
)

func TestOverridesAreChecked(t *testing.T) {
	tests := []struct{ name, in, err string }{
		{"a factor", `{"overrides":[{"rule":"exact, block","factor":2,"reason":"seen"}]}`, ""},
		{"a limit", `{"overrides":[{"rule":"logits","limits":{"mean KL":1e-3},"reason":"seen"}]}`, ""},
		{"a limit of 0", `{"overrides":[{"rule":"logits","limits":{"mean KL":0},"reason":"stricter"}]}`, ""},
		{"two", `{"overrides":[{"rule":"logits","factor":2,"reason":"a"},{"rule":"tokens","limits":{"share of other ids":0.1},"reason":"b"}]}`, ""},
		{"no JSON", `rules`, "no file of overrides"},
		{"a list", `[]`, "no file of overrides"},
		{"an unknown key", `{"overrides":[{"rule":"logits","factr":2,"reason":"a"}]}`, `unknown field "factr"`},
		{"something behind", `{"overrides":[{"rule":"logits","factor":2,"reason":"a"}]} {}`, "something follows"},
		{"nothing", `{"overrides":[]}`, "no overrides"},
		{"an unknown rule", `{"overrides":[{"rule":"logit","factor":2,"reason":"a"}]}`, `no rule is called "logit"; known are "float32 copy", `},
		{"no reason", `{"overrides":[{"rule":"logits","factor":2,"reason":" "}]}`, "no reason"},
		{"no change", `{"overrides":[{"rule":"logits","reason":"a"}]}`, "either a factor or limits"},
		{"both", `{"overrides":[{"rule":"logits","factor":2,"limits":{"mean KL":1},"reason":"a"}]}`, "either a factor or limits"},
		{"a negative factor", `{"overrides":[{"rule":"logits","factor":-1,"reason":"a"}]}`, "above 0"},
		{"an unknown metric", `{"overrides":[{"rule":"logits","limits":{"KL":1},"reason":"a"}]}`, `limits no "KL"; it limits "mean KL", `},
		{"a negative limit", `{"overrides":[{"rule":"logits","limits":{"mean KL":-1},"reason":"a"}]}`, "a limit of -1"},
		{"the same twice", `{"overrides":[{"rule":"logits","factor":2,"reason":"a"},{"rule":"logits","factor":3,"reason":"b"}]}`, "has been overridden before"},
	}
	for _, tt := range tests {
		_, err := verify.ParseOverrides([]byte(tt.in))
		switch {
		case tt.err == "":
			check(t, err)
		case err == nil || !strings.Contains(err.Error(), tt.err):
			t.Errorf("%s: error %v, want %q", tt.name, err, tt.err)
		}
	}
}

// The template is refused for its empty reasons, and for nothing else.
func TestOverrideTemplate(t *testing.T) {
	var b bytes.Buffer
	check(t, verify.WriteOverrideTemplate(&b))
	if _, err := verify.ParseOverrides(b.Bytes()); err == nil || !strings.Contains(err.Error(), "no reason") {
		t.Errorf("error %v", err)
	}
	_, err := verify.ParseOverrides(bytes.ReplaceAll(b.Bytes(), []byte(`"reason": ""`), []byte(`"reason": "x"`)))
	check(t, err)
}

func TestPolicyIsPrinted(t *testing.T) {
	var text, raw bytes.Buffer
	check(t, verify.WritePolicy(&text, verify.TextOptions{Width: 100}))
	check(t, verify.WritePolicyJSON(&raw))
	var policy struct {
		Schema string
		Rules  []struct {
			Name, Formula, Derivation string
			Metrics                   []string
		}
	}
	check(t, json.Unmarshal(raw.Bytes(), &policy))
	if policy.Schema != verify.PolicySchema || len(policy.Rules) != len(verify.Rules()) {
		t.Errorf("schema %q, %d rules", policy.Schema, len(policy.Rules))
	}
	for _, r := range policy.Rules {
		if r.Formula == "" || r.Derivation == "" || len(r.Metrics) == 0 || !strings.Contains(text.String(), "\n"+r.Name+"\n") {
			t.Errorf("%+v is not described", r)
		}
	}
}

func TestOverridesJudge(t *testing.T) {
	m := tiny(t)
	change("dit.blocks.1.mlp.proj_out.bias", 17, func(v float32) float32 { return v + 1e-4 })(t, m)
	const product = "float32 product"
	tests := []struct {
		name     string
		override []verify.Override
		verdict  verify.Verdict
		line     string
		spared   bool
		note     string
	}{
		{"none", nil, verify.Fail, "FAIL  exact-ops", false, ""},
		{"too little", []verify.Override{{Rule: product, Factor: 1.01, Reason: "a test"}}, verify.Fail, "FAIL with 1 override  exact-ops", false, ""},
		{"a factor", []verify.Override{{Rule: product, Factor: 1e4, Reason: "a test"}}, verify.Pass, "PASS with 1 override  exact-ops", true, ""},
		{"limits", []verify.Override{{Rule: product, Limits: map[string]float64{"rel-L2": 1, "max-abs": 1}, Reason: "a test"}, {Rule: "int8 artifact", Factor: 2, Reason: "unused"}},
			verify.Pass, "PASS with 1 override  exact-ops", true, `the override of "int8 artifact" has judged nothing here`},
		{"one of two limits", []verify.Override{{Rule: product, Limits: map[string]float64{"rel-L2": 1}, Reason: "a test"}}, verify.Fail, "FAIL with 1 override  exact-ops", false, ""},
	}
	for _, tt := range tests {
		sel := selection(t, "branches=cond,encode ops=mlp.out,ffn.out blocks=0")
		r, err := m.runWith(t, t.Context(), "exact-ops", nil, verify.Options{Overrides: tt.override, Select: sel})
		check(t, err)
		r.Selection = "" // not the matter here
		text := text(t, func(b *bytes.Buffer) error { return r.WriteText(b, verify.TextOptions{Width: 120}) })
		if r.Verdict != tt.verdict || !strings.HasPrefix(text, tt.line+"\n") {
			t.Errorf("%s: %s: %s\n%s", tt.name, r.Verdict, r.Reason, text)
		}
		if len(tt.override) > 0 {
			o := r.Overrides[0]
			if o.Compared == 0 || (o.Spared > 0) != tt.spared || !strings.Contains(text, "override: float32 product: ") || !strings.Contains(text, "a test") {
				t.Errorf("%s: %+v\n%s", tt.name, o, text)
			}
		}
		if notes := strings.Join(r.Notes, "\n"); !strings.Contains(notes, tt.note) {
			t.Errorf("%s: notes %q", tt.name, notes)
		}
	}
	_, err := m.runWith(t, t.Context(), "exact-ops", nil, verify.Options{Overrides: []verify.Override{{Rule: product, Factor: 2}}})
	if err == nil || !strings.Contains(err.Error(), "no reason") {
		t.Errorf("error %v", err)
	}
}
