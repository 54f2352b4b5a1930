package convert

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"colakit/quantize"
)

func rule(t *testing.T, text string) quantize.Rule {
	t.Helper()
	r, err := quantize.ParseRule(text)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestRules lets the first rule that matches decide, and says so in the plan.
func TestRules(t *testing.T) {
	src := small(t)
	c := prepare(t, Options{Source: src, Type: quantize.Int8, Rules: []quantize.Rule{
		rule(t, `^dit\.blocks\.0\.mlp\.=f32`), rule(t, `\.mlp\.proj_in\.weight$=bf16`), rule(t, "wte=int8-g32"),
	}})
	for _, s := range c.Steps {
		want, reason := quantize.Scheme{}, "rule"
		switch s.Tensor {
		case "dit.blocks.0.mlp.proj_in.weight":
			want, reason = quantize.F32, "rule 1"
		case "dit.blocks.1.mlp.proj_in.weight":
			want, reason = quantize.BF16, "rule 2"
		case "vae.encoder.wte.weight":
			want, reason = quantize.Int8G32, "rule 3"
		case "dit.blocks.1.mlp.proj_out.weight":
			want, reason = quantize.Int8, "as asked"
		case "vae.decoder.final_layer.weight":
			want, reason = quantize.F16, "the head"
		default:
			continue
		}
		if s.To != want || !strings.Contains(s.Reason, reason) {
			t.Errorf("%s is planned as %v because %q, want %v, %q", s.Tensor, s.To, s.Reason, want, reason)
		}
	}
	for text, want := range map[string]string{
		"no-such-tensor=f16":   "decides about no tensor",
		"^vae.*\\.bias$=int8":  "only matrices",
		"rope.*freqs$=bf16":    "buffer",
		"patch_embedder=int8":  "only matrices",
		"final_norm\\.=int8-g": "unknown type",
	} {
		r, err := quantize.ParseRule(text)
		if err == nil {
			_, err = Prepare(Options{Source: src, Type: quantize.F16, Rules: []quantize.Rule{r}})
		}
		wantError(t, err, want)
	}
}

// TestRecipe follows a plan again: from the plan, from what was printed of it, from
// an artifact. The bytes are the same.
func TestRecipe(t *testing.T) {
	src := overflowingSource(t, "", 70000)
	o := Options{Source: src, Type: quantize.Int8, Overflow: OverflowBF16, Rules: []quantize.Rule{rule(t, "mlp=f16")}}
	c := prepare(t, o)
	dir := t.TempDir()
	first := filepath.Join(dir, "first.cola")
	if _, err := c.Execute(t.Context(), first, ExecuteOptions{}); err != nil {
		t.Fatal(err)
	}
	preview, err := c.Preview(t.Context(), PreviewOptions{})
	if err != nil {
		t.Fatal(err)
	}
	inspection, err := Inspect(first)
	if err != nil {
		t.Fatal(err)
	}
	for name, v := range map[string]any{"plan": c.Plan, "preview": preview, "inspection": inspection} {
		var raw bytes.Buffer
		if err := WriteJSON(&raw, v); err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(dir, name), raw.Bytes())
	}
	for _, name := range []string{"plan", "preview", "inspection", "first.cola"} {
		r, err := ReadRecipe(filepath.Join(dir, name))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		again := filepath.Join(t.TempDir(), "again.cola")
		if _, err := prepare(t, Options{Source: src, Recipe: r}).Execute(t.Context(), again, ExecuteOptions{}); err != nil {
			t.Errorf("%s: %v", name, err)
		} else if !bytes.Equal(readFile(t, again), readFile(t, first)) {
			t.Errorf("%s: other bytes than by the first plan", name)
		}
	}
}

// TestEditedRecipe changes what a plan says of one tensor.
func TestEditedRecipe(t *testing.T) {
	src := small(t)
	plan := prepare(t, Options{Source: src, Type: quantize.F16}).Plan
	edit := func(change func(*Plan)) error {
		raw, err := json.Marshal(plan)
		if err != nil {
			t.Fatal(err)
		}
		var p Plan
		if err := json.Unmarshal(raw, &p); err != nil {
			t.Fatal(err)
		}
		change(&p)
		c, err := Prepare(Options{Source: src, Recipe: &p})
		if err != nil {
			return err
		}
		defer c.Close()
		for i, s := range c.Steps {
			if s.To != p.Steps[i].To || s.To == quantize.Int8 && (s.Action != Quantize || s.Bytes == plan.Steps[i].Bytes) {
				t.Errorf("%s is planned as %+v", s.Tensor, s)
			}
		}
		return nil
	}
	if err := edit(func(p *Plan) { p.Steps[0].To = quantize.Int8 }); err != nil {
		t.Error(err)
	}
	for want, change := range map[string]func(*Plan){
		"it says nothing of tensor": func(p *Plan) { p.Steps = p.Steps[1:] },
		"the nearest that it names": func(p *Plan) { p.Steps[0].Tensor += "x" },
		"which is not there":        func(p *Plan) { p.Steps = append(p.Steps, Step{Tensor: "dit.extra"}) },
		"has shape [16, 32] there":  func(p *Plan) { p.Steps[0].Shape[0], p.Steps[0].Shape[1] = 16, 32 },
		"only matrices":             func(p *Plan) { p.Steps[1].To = quantize.Int8 },
		"unknown type":              func(p *Plan) { p.Type = "int3" },
		"unknown way":               func(p *Plan) { p.Overflow = "wrap" },
		"a buffer follows from":     func(p *Plan) { buffer(t, p).To = quantize.F16 },
	} {
		wantError(t, edit(change), "recipe", want)
	}
	_, err := Prepare(Options{Source: src, Recipe: &plan, Type: quantize.F16})
	wantError(t, err, "give either the one or the others")
}

// buffer returns the step of a buffer.
func buffer(t *testing.T, p *Plan) *Step {
	for i := range p.Steps {
		if p.Steps[i].Class == "buffer" {
			return &p.Steps[i]
		}
	}
	t.Fatal("no buffer is planned")
	return nil
}

func TestReadRecipeErrors(t *testing.T) {
	dir := t.TempDir()
	for text, want := range map[string]string{
		"":                          "neither JSON nor an artifact",
		"[1]":                       "neither JSON nor an artifact",
		"{}":                        "holds no plan",
		`{"tensors": 5}`:            "cannot unmarshal",
		`{"tensors": [{"to":"x"}]}`: "unknown type",
		`{"provenance": {}}`:        "holds no plan",
	} {
		path := filepath.Join(dir, "recipe.json")
		writeFile(t, path, []byte(text))
		_, err := ReadRecipe(path)
		wantError(t, err, "recipe", want)
	}
	_, err := ReadRecipe(filepath.Join(dir, "none"))
	wantError(t, err, "no such file")
}
