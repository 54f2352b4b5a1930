package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"colakit/convert"
	"colakit/formats/safetensors"
	"colakit/formats/tensor"
	"colakit/golden"
	"colakit/internal/command"
	"colakit/quantize"
)

// colaverify runs the program.
func colaverify(t *testing.T, ctx context.Context, args ...string) (code int, out, err string) {
	t.Helper()
	var o, e bytes.Buffer
	code = program().Run(ctx, command.Streams{Out: &o, Err: &e}, args)
	return code, o.String(), e.String()
}

// checkpoint copies the embedded model's folder, with one tensor changed.
func checkpoint(t *testing.T, model, name string, change func(*tensor.View)) string {
	t.Helper()
	dir := t.TempDir()
	check(t, os.CopyFS(dir, golden.Tiny()))
	if name == "" {
		return dir
	}
	path := filepath.Join(dir, model, "model.safetensors")
	raw, err := os.ReadFile(path)
	check(t, err)
	file, err := safetensors.Parse(raw)
	check(t, err)
	var views []tensor.View
	for _, d := range file.Descs() {
		v, err := file.Read(d.Name)
		check(t, err)
		if d.Name == name {
			v.Data = bytes.Clone(v.Data)
			change(&v)
		}
		views = append(views, v)
	}
	check(t, os.Remove(path))
	check(t, safetensors.WriteFile(path, nil, views))
	return dir
}

func artifact(t *testing.T, source string, s quantize.Scheme) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "model.cola")
	converted(t, convert.Options{Source: source, Type: s}, out)
	return out
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func transposed(v *tensor.View) {
	n, old := v.Shape[0], bytes.Clone(v.Data)
	for i := range n {
		for j := range n {
			copy(v.Data[4*(i*n+j):4*(i*n+j)+4], old[4*(j*n+i):])
		}
	}
}

func TestEmbeddedModelPasses(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	code, out, err := colaverify(t, context.Background(), "--layerwise")
	if code != command.Good || err != "" || !strings.HasPrefix(out, "PASS  4 of 4 bundles passed\n") {
		t.Errorf("code %d\n%s\n%s", code, out, err)
	}
	left, _ := filepath.Glob(filepath.Join(os.TempDir(), "cola-model-*"))
	if len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestTinyByName: the embedded model may be named, and a report that is no
// terminal's is whole.
func TestTinyByName(t *testing.T) {
	code, out, err := colaverify(t, context.Background(), "--layerwise", "tiny", "--golden", "exact-ops", "--verbose")
	if code != command.Good || err != "" || !strings.Contains(out, "weights of the embedded model (f32)") || strings.Contains(out, "…") {
		t.Errorf("code %d, %q\n%s", code, err, out)
	}
}

// TestSourceFaultsAreNamed follows a fault from the checkpoint through the
// conversion to the verdict.
func TestSourceFaultsAreNamed(t *testing.T) {
	tests := []struct {
		name, model, tensor string
		change              func(*tensor.View)
		says                []string
	}{
		{"a transposed matrix", "cola_vae", "encoder.blocks.0.attn_out_proj.weight", transposed,
			[]string{"vae.encoder.blocks.0.attn.out", "vae.encoder.blocks.0.attn_out_proj.weight"}},
		{"a changed bias", "cola_dit", "blocks.3.mlp.proj_in.bias", func(v *tensor.View) { copy(v.Data[4*11:], []byte{0, 0, 0x80, 0x3f}) },
			[]string{"dit.blocks.3.mlp.hidden", "dit.blocks.3.mlp.proj_in.bias", "channel 11"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := artifact(t, checkpoint(t, tt.model, tt.tensor, tt.change), quantize.F32)
			code, out, err := colaverify(t, context.Background(), "--layerwise", path, "--golden", "exact-ops")
			if code != command.Wrong || !strings.HasPrefix(out, "FAIL  exact-ops\n") || strings.Count(err, "\n") != 1 {
				t.Errorf("code %d, error %q\n%s", code, err, out)
			}
			for _, want := range tt.says {
				if !strings.Contains(out, want) {
					t.Errorf("does not say %q:\n%s", want, out)
				}
			}
		})
	}
}

func TestSixteenBitArtifactPasses(t *testing.T) {
	path := artifact(t, checkpoint(t, "", "", nil), quantize.BF16)
	if code, out, err := colaverify(t, context.Background(), "--layerwise", path, "--contract", "exact"); code != command.Good || !strings.Contains(out, "bf16 artifact") {
		t.Errorf("code %d, error %q\n%s", code, err, out)
	}
}

// TestInt8Artifact judges an artifact by the rules of the activations asked for.
func TestInt8Artifact(t *testing.T) {
	path := artifact(t, checkpoint(t, "", "", nil), quantize.Int8)
	for activations, says := range map[string]string{"float": "int8 artifact, block", "int8": "int8 artifact and activations, block"} {
		code, out, err := colaverify(t, context.Background(), "--layerwise", path, "--golden", "exact-ops", "--activations", activations, "--verbose")
		if code != command.Good || !strings.Contains(out, says) || strings.Contains(out, "with int8 activations") != (activations == "int8") {
			t.Errorf("%s: code %d, error %q\n%s", activations, code, err, out)
		}
	}
}

func TestJSONAloneOnTheStandardOutput(t *testing.T) {
	code, out, err := colaverify(t, context.Background(), "--layerwise", "--golden", "exact-layers", "--json", "-")
	var suite struct{ Verdict string }
	if code != command.Good || err != "" || json.Unmarshal([]byte(out), &suite) != nil || suite.Verdict != "PASS" {
		t.Errorf("code %d, error %q, verdict %q", code, err, suite.Verdict)
	}
	file := filepath.Join(t.TempDir(), "report.json")
	code, out, err = colaverify(t, context.Background(), "--layerwise", "--golden", "exact-layers", "--json", file)
	raw, readErr := os.ReadFile(file)
	if code != command.Good || err != "" || readErr != nil || json.Unmarshal(raw, &suite) != nil || !strings.HasPrefix(out, "PASS") {
		t.Errorf("code %d, error %q, %v", code, err, readErr)
	}
}

func TestRefusals(t *testing.T) {
	other := t.TempDir()
	check(t, os.CopyFS(other, golden.Tiny()))
	config := filepath.Join(other, "cola_vae", "config.json")
	raw, err := os.ReadFile(config)
	check(t, err)
	check(t, os.WriteFile(config, bytes.Replace(raw, []byte(`"rope_theta": 10000`), []byte(`"rope_theta": 20000`), 1), 0o644))
	model := artifact(t, other, quantize.F32)
	good := artifact(t, checkpoint(t, "", "", nil), quantize.F32)
	damaged := filepath.Join(t.TempDir(), "damaged.cola")
	raw, err = os.ReadFile(good)
	check(t, err)
	raw[len(raw)/2] ^= 4
	check(t, os.WriteFile(damaged, raw, 0o644))
	broken := filepath.Join(t.TempDir(), "bundle")
	check(t, os.CopyFS(broken, golden.TinyBundles()[1].Files))
	shards, err := filepath.Glob(filepath.Join(broken, "*.safetensors"))
	check(t, err)
	raw, err = os.ReadFile(shards[0])
	check(t, err)
	raw[len(raw)-9] ^= 1
	check(t, os.WriteFile(shards[0], raw, 0o644))
	tests := []struct {
		name string
		args []string
		code int
		says string
	}{
		{"an artifact without --layerwise", []string{good}, command.Usage, "colaverify --layerwise " + good},
		{"flags without --layerwise", []string{"--verbose"}, command.Usage, "nothing to do"},
		{"two artifacts", []string{"--layerwise", good, good}, command.Usage, "2 arguments"},
		{"no such artifact", []string{"--layerwise", "missing.cola"}, command.Usage, "missing.cola"},
		{"no such bundle", []string{"--layerwise", "--golden", "missing"}, command.Usage, "embedded bundles are exact-ops"},
		{"an unknown engine", []string{"--layerwise", "--engine", "abacus"}, command.Usage, "known: auto, cuda, emulated, reference"},
		{"an unknown contract", []string{"--layerwise", "--contract", "fp8"}, command.Usage, "known are exact and released"},
		{"unknown activations", []string{"--layerwise", "--activations", "int4"}, command.Usage, "known are float and int8"},
		{"int8 activations of float weights", []string{"--layerwise", good, "--activations", "int8"}, command.Usage, "this model has none"},
		{"another contract", []string{"--layerwise", "--golden", "released-ops", "--contract", "exact"}, command.Usage, "different contracts"},
		{"another model", []string{"--layerwise", model}, command.Usage, "vae.rope_theta 20000, not 10000"},
		{"a damaged artifact", []string{"--layerwise", damaged}, command.Integrity, "damaged.cola"},
		{"the report over the artifact", []string{"--layerwise", good, "--json", good}, command.Usage, "which would be lost"},
		{"the report over a file of the bundle", []string{"--layerwise", "--golden", broken, "--json", shards[0]}, command.Usage, "is a file of the golden bundle"},
		{"the report over the bundle's index", []string{"--layerwise", "--golden", broken, "--json", filepath.Join(broken, "bundle.json")}, command.Usage, "is a file of the golden bundle"},
		{"the report as a folder", []string{"--layerwise", "--json", broken}, command.Usage, "is a folder: name a file"},
		{"the report in no folder", []string{"--layerwise", "--json", filepath.Join(broken, "none", "x")}, command.Usage, "create it first"},
		{"a folder for an artifact", []string{"--layerwise", other}, command.Usage, "convert it first: colaconv convert"},
		{"a damaged bundle", []string{"--layerwise", "--golden", broken}, command.Integrity, "sha256"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			code, out, err := colaverify(t, context.Background(), tt.args...)
			if code != tt.code || !strings.Contains(err, tt.says) || strings.Count(err, "\n") != 1 || out != "" {
				t.Errorf("code %d, want %d; error %q, want %q\n%s", code, tt.code, err, tt.says, out)
			}
		})
	}
}

func TestHelpWithoutArguments(t *testing.T) {
	code, out, err := colaverify(t, context.Background())
	if code != command.Good || err != "" || !strings.Contains(out, "--layerwise") || !strings.Contains(out, "Exit codes") {
		t.Errorf("code %d, error %q\n%s", code, err, out)
	}
}

func TestInterruptLeavesNothing(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	code, out, _ := colaverify(t, ctx, "--layerwise")
	left, _ := filepath.Glob(filepath.Join(os.TempDir(), "cola-model-*"))
	if code != command.Interrupted || out != "" || len(left) > 0 {
		t.Errorf("code %d, left %v\n%s", code, left, out)
	}
}
