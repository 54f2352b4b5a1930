package main

import (
	"context"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"colakit/convert"
	"colakit/formats/hf"
	"colakit/formats/tensor"
	"colakit/internal/command"
	"colakit/quantize"
	"colakit/reference"
	"colakit/verify"
)

// tableArtifact converts a checkpoint to an artifact with an AdaLN table.
func tableArtifact(t *testing.T, source string, s hf.Schedule) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "table.cola")
	c, err := convert.Prepare(convert.Options{Source: source, Type: quantize.F32, AdaTable: &s,
		Modulations: func(ctx context.Context, w tensor.Source, cfg hf.DiTConfig, s hf.Schedule) ([]tensor.View, error) {
			return reference.Modulations(ctx, w, cfg, s, 0)
		}})
	check(t, err)
	defer c.Close()
	_, err = c.Execute(context.Background(), path, convert.ExecuteOptions{})
	check(t, err)
	return path
}

// TestAdaTable: an artifact is held against the bundle of its schedule; the others
// are incompatible and say nothing of it. Of the operations that the table replaces
// only those before the modulations are not compared.
func TestAdaTable(t *testing.T) {
	for fits, s := range map[string]hf.Schedule{
		"exact-ops": {T: 1000, Steps: 2, Contract: "exact"}, "exact-layers": {T: 1000, Steps: 16, Contract: "exact"},
		"released-ops": {T: 1000, Steps: 2, Contract: "released"}, "released-layers": {T: 1000, Steps: 16, Contract: "released"},
	} {
		path := tableArtifact(t, checkpoint(t, "", "", nil), s)
		code, out, errs := colaverify(t, context.Background(), "--layerwise", path, "--json", "-")
		var suite verify.Suite
		if code != command.Good || errs != "" || json.Unmarshal([]byte(out), &suite) != nil {
			t.Fatalf("%s: code %d, error %q\n%s", fits, code, errs, out)
		}
		if len(suite.Reports) != 1 || suite.Reports[0].Bundle.Name != fits || len(suite.Incompatible) != 3 {
			t.Fatalf("%s: %d reports, incompatible %v", fits, len(suite.Reports), suite.Incompatible)
		}
		c := suite.Reports[0].Coverage
		if replaced := strings.HasSuffix(fits, "ops"); c.Replaced != c.Taps-c.Compared || c.Replaced > 0 != replaced || len(c.Missing) > 0 {
			t.Errorf("%s: %d of %d taps are compared, %d replaced, missing %v", fits, c.Compared, c.Taps, c.Replaced, c.Missing)
		}
		judged := 0
		for _, c := range suite.Reports[0].Comparisons {
			if strings.Contains(c.Name, ".ada.") && c.Mode == verify.Isolated && c.Rule != "" {
				judged++
			}
		}
		if judged > 0 != strings.HasSuffix(fits, "ops") {
			t.Errorf("%s: %d modulations are judged", fits, judged)
		}
	}
}

// A fault in the weights shows in the modulations, and the table is the suspect.
func TestFaultsInATable(t *testing.T) {
	for name, says := range map[string]string{
		"blocks.1.ada.mlp_in.1.bias": "dit.blocks.1.ada.mlp_in.shift", "emb_in.proj_hid.bias": "dit.blocks.0.ada.msa_in.shift",
	} {
		source := checkpoint(t, "cola_dit", name, func(v *tensor.View) { copy(v.Data[4*11:], []byte{0, 0, 0x80, 0x3f}) })
		path := tableArtifact(t, source, hf.Schedule{T: 1000, Steps: 2, Contract: "exact"})
		code, out, _ := colaverify(t, context.Background(), "--layerwise", path)
		if code != command.Wrong || !strings.Contains(out, says) || !strings.Contains(out, hf.AdaModulations) || !strings.Contains(out, "incompatible: exact-layers") {
			t.Errorf("%s: code %d\n%s", name, code, out)
		}
	}
}

// A bundle that is named has to fit.
func TestBundleOfAnotherSchedule(t *testing.T) {
	path := tableArtifact(t, checkpoint(t, "", "", nil), hf.Schedule{T: 1000, Steps: 8, Contract: "exact"})
	for _, args := range [][]string{{"--layerwise", path, "--golden", "exact-ops"}, {"--layerwise", path}} {
		code, out, errs := colaverify(t, context.Background(), args...)
		if code != command.Usage || out != "" || !strings.Contains(errs, "AdaLN table is for T = 1000 in 8 steps") || !strings.Contains(errs, "export a bundle") {
			t.Errorf("%q: code %d, error %q", args, code, errs)
		}
	}
}
