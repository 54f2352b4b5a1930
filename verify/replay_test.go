package verify_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"colakit/formats/tensor"
	"colakit/reference"
	"colakit/reference/generate"
	"colakit/verify"
)

// replayOf writes what fails of a model to a file and returns its bytes.
func replayOf(t testing.TB, m *model, bundleName string, o reference.Options) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "failing.safetensors")
	b := bundle(t, bundleName)
	contract, err := generate.ParseContract(b.Info.Contract)
	check(t, err)
	o.Contract, o.Workers = contract, 1
	engine, err := reference.New(m, m.cfg, o)
	check(t, err)
	defer engine.Close()
	_, err = verify.Run(t.Context(), engine, b, verify.Options{
		Name: bundleName, Artifact: m.artifact(), FailFast: true,
		Replay: func(r *verify.Replay) error { return r.WriteFile(path) },
	})
	check(t, err)
	raw, err := os.ReadFile(path)
	check(t, err)
	return raw
}

// TestReplayTellsTheSame: a replay finds in its file what the run found.
func TestReplayTellsTheSame(t *testing.T) {
	tests := []struct {
		name, bundle string
		spoil        func(testing.TB, *model)
		says         string
	}{
		{"transposed", "exact-ops", spoilt(transpose("dit.blocks.2.msa.proj_out.weight")), "dit.blocks.2.msa.proj_out.weight is read transposed"},
		{"swapped", "released-ops", spoilt(swap("dit.blocks.1.mlp.proj_in.weight", "dit.blocks.2.mlp.proj_in.weight")), "it uses dit.blocks.2.mlp.proj_in.weight in place of dit.blocks.1.mlp.proj_in.weight"},
		{"through a layer", "released-layers", spoilt(transpose("vae.decoder.blocks.1.attn_out_proj.weight")), "vae.decoder.blocks.1.attn_out_proj.weight is read transposed"},
	}
	for _, tt := range tests {
		m := tiny(t)
		tt.spoil(t, m)
		r, err := verify.ParseReplay(replayOf(t, m, tt.bundle, reference.Options{}))
		check(t, err)
		out, err := r.Run(t.Context(), nil)
		check(t, err)
		if out.Verdict != verify.Fail || len(out.Diagnosis.Matches) == 0 || out.Diagnosis.Matches[0].Says != tt.says {
			t.Errorf("%s: %s, %q", tt.name, out.Verdict, out.Diagnosis.MatchLines())
		}
		again, err := r.Run(t.Context(), tiny(t))
		check(t, err)
		if again.Verdict != verify.Pass {
			t.Errorf("%s: with the right weights %s: %+v", tt.name, again.Verdict, again.Checks)
		}
		var text bytes.Buffer
		check(t, out.WriteText(&text, verify.TextOptions{Width: 80}))
		if !strings.HasPrefix(text.String(), "FAIL  "+out.Name) {
			t.Errorf("%s: %s", tt.name, text.String())
		}
	}
}

func spoilt(f func(*testing.T, *model)) func(testing.TB, *model) {
	return func(t testing.TB, m *model) { f(t.(*testing.T), m) }
}

// TestDamagedReplays: no flipped bit and no cut is taken for a replay.
func TestDamagedReplays(t *testing.T) {
	m := tiny(t)
	scale("dit.blocks.0.ada.msa_out.1.bias", 0, 1, 2)(t, m)
	raw := replayOf(t, m, "exact-ops", reference.Options{})
	if _, err := verify.ParseReplay(raw); err != nil {
		t.Fatal(err)
	}
	for at := 0; at < len(raw); at += 1 + len(raw)/97 {
		flipped := bytes.Clone(raw)
		flipped[at] ^= 0x10
		if _, err := verify.ParseReplay(flipped); !errors.Is(err, tensor.ErrDamaged) {
			t.Errorf("bit flipped at %d: %v", at, err)
		}
		if _, err := verify.ParseReplay(raw[:at]); !errors.Is(err, tensor.ErrDamaged) {
			t.Errorf("cut at %d: %v", at, err)
		}
	}
}
