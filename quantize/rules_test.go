package quantize

import (
	"strings"
	"testing"

	"colakit/formats/hf"
)

func TestParseRule(t *testing.T) {
	for text, want := range map[string]Scheme{
		`^vae\.=f16`: F16, `a=b=bf16`: BF16, `.=int8-g32-mse`: {Int8G32.Type, 32, Int8G32.Scale, 1}, `(?i)MLP|qkv=f32`: F32,
	} {
		r, err := ParseRule(text)
		if err != nil || r.To != want || r.String() != text {
			t.Errorf("%q is read as %v, %v", text, r, err)
		}
		var again Rule
		if raw, err := r.MarshalText(); err != nil || again.UnmarshalText(raw) != nil || again.String() != text {
			t.Errorf("%q reads back as %v", text, again)
		}
	}
	for text, want := range map[string]string{
		"int8": "REGEX=TYPE", "=int8": "REGEX=TYPE", "(=f16": "missing closing", "a=": "unknown type", "a=int4": `unknown type "int4"`,
	} {
		if _, err := ParseRule(text); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), text) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func rules(t testing.TB, texts ...string) Rules {
	t.Helper()
	r := Rules{Otherwise: PolicyFor(Int8)}
	for _, text := range texts {
		r.Rules = append(r.Rules, rule(t, text))
	}
	return r
}

// TestFirstRuleWins decides about the released tensors by rules that overlap.
func TestFirstRuleWins(t *testing.T) {
	r := rules(t, `mlp\.proj_in\.weight$=bf16`, `mlp\..*\.weight$=int8-g32`, `norm.*\.weight$=f16`)
	if err := r.Check(released); err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for _, e := range released {
		got, reason := r.Choose(e)
		want, by := PolicyFor(Int8).Choose(e)
		switch {
		case strings.HasSuffix(e.Name, "mlp.proj_in.weight"):
			want, by = BF16, `rule 1, mlp\.proj_in\.weight$=bf16`
		case strings.HasSuffix(e.Name, "mlp.proj_out.weight"):
			want, by = Int8G32, `rule 2, mlp\..*\.weight$=int8-g32`
		case strings.Contains(e.Name, "norm") && strings.HasSuffix(e.Name, ".weight"):
			want, by = F16, `rule 3, norm.*\.weight$=f16`
		}
		if got != want || reason != by {
			t.Errorf("%s is stored as %v because %q, want %v because %q", e.Name, got, reason, want, by)
		}
		seen[by]++
	}
	if len(seen) < 8 {
		t.Errorf("only these reasons were seen: %v", seen)
	}
}

func TestImpossibleRules(t *testing.T) {
	for _, c := range []struct {
		rules []string
		want  []string
	}{
		{[]string{`bias=int8`}, []string{"rule 1, bias=int8", "tensor", "bias", "only matrices"}},
		{[]string{`norm=f16`, `.*=int8`}, []string{"rule 2", ".bias", "shape"}},
		{[]string{`patch_embedder.*weight=int8-g64`}, []string{"[1536, 1536, 1]", "patch_embedder.weight", "only matrices"}},
		{[]string{`freqs=f16`}, []string{"freqs", "is f32"}},
		{[]string{`no such name=f16`}, []string{"rule 1", "no tensor", "names are as in"}},
		{[]string{`qkv=f16`, `proj_qkv=f32`}, []string{"rule 2", "no tensor", "rule 1, qkv=f16, comes before it"}},
	} {
		err := rules(t, c.rules...).Check(released)
		for _, want := range c.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%v: %v, want %q", c.rules, err, want)
			}
		}
	}
}

// TestRulesAllow grants what the policy would not choose.
func TestRulesAllow(t *testing.T) {
	if err := rules(t, `freqs=f32`, `^(vae|dit)\..*(wte|layer|txt_in.proj|emb_in.*|ada.*)\.weight$=int8-g128`, `weight=bf16`).Check(released); err != nil {
		t.Error(err)
	}
	if err := rules(t).Check(nil); err != nil {
		t.Errorf("no rules: %v", err)
	}
	s, reason := rules(t, `embedding=f32`).Choose(hf.Expected{Name: "a.embedding.weight"})
	if s != F32 || reason != "rule 1, embedding=f32" {
		t.Errorf("%v because %q", s, reason)
	}
}
