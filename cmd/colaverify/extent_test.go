package main

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"

	"colakit/formats/tensor"
	"colakit/internal/command"
	"colakit/quantize"
)

func TestSelectionFlags(t *testing.T) {
	tests := []struct {
		name string
		args string
		code int
		out  string // a part of what is printed
		err  string
	}{
		{"a selection", "--golden exact-ops --blocks 0 --steps 0-1 --branches cond,uncond --layers dit.1 --ops msa.*,/mlp.out$/ --samples 0,2 --rows 4@7",
			command.Good, "PASS of what was selected  exact-ops", ""},
		{"what was selected", "--golden exact-ops --ops mlp.out", command.Good, "selected: ops mlp.out", ""},
		{"of several bundles", "--ops mlp.hidden", command.Good, "incompatible: exact-layers: nothing is selected", ""},
		{"nothing", "--golden exact-ops --layers dit.40", command.Usage, "", "exact-ops holds no values of layers dit.40"},
		{"no range", "--blocks x", command.Usage, "", "--blocks: \"x\" is no range"},
		{"no pass", "--branches both", command.Usage, "", "--branches: \"both\" is no pass"},
		{"no layer", "--layers dit.x", command.Usage, "", "--layers: "},
		{"no pattern", "--ops /(/", command.Usage, "", "--ops: "},
		{"no rows", "--rows many", command.Usage, "", "--rows: "},
		{"no samples", "--samples -1", command.Usage, "", "--samples: "},
		{"no steps", "--steps 3-1", command.Usage, "", "--steps: "},
		{"out of time", "--golden exact-ops --max-time 1ns", command.Incomplete, "INCOMPLETE  exact-ops", "out of time"},
		{"less than no time", "--max-time -1s", command.Usage, "", "--max-time: "},
	}
	for _, tt := range tests {
		code, out, err := colaverify(t, t.Context(), append([]string{"--layerwise", "--progress", "none"}, strings.Fields(tt.args)...)...)
		if code != tt.code || !strings.Contains(out, tt.out) || !strings.Contains(err, tt.err) {
			t.Errorf("%s: code %d, %q, stderr %q; want %d, %q, %q", tt.name, code, out, err, tt.code, tt.out, tt.err)
		}
	}
}

func TestFailFast(t *testing.T) {
	broken := artifact(t, checkpoint(t, "cola_dit", "blocks.1.mlp.proj_out.bias", func(v *tensor.View) { v.Data[3] ^= 1 }), quantize.F32)
	code, out, err := colaverify(t, t.Context(), "--layerwise", broken, "--fail-fast", "--json", "-")
	var suite struct {
		Reports []struct {
			Stopped  string
			Coverage struct {
				NotCompared map[string]int `json:"not_compared"`
			}
		}
	}
	check(t, json.Unmarshal([]byte(out), &suite))
	if len(suite.Reports) != 1 || suite.Reports[0].Stopped != "after the first failure" || suite.Reports[0].Coverage.NotCompared["after the first failure"] == 0 {
		t.Errorf("%+v; want one report, stopped", suite)
	}
	if code != command.Wrong || !strings.Contains(err, "dit.blocks.1.mlp.out") {
		t.Errorf("code %d, %q", code, err)
	}
}

// trigger is a writer that does something at the first write of a text.
type trigger struct {
	bytes.Buffer
	text string
	do   func()
}

func (w *trigger) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte(w.text)) {
		w.do()
	}
	return w.Buffer.Write(p)
}

// An interrupted run reports what was compared before.
func TestInterruptedRunReports(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var out bytes.Buffer
	progress := &trigger{text: "exact-ops", do: cancel}
	code := program().Run(ctx, command.Streams{Out: &out, Err: progress}, []string{"--layerwise", "--golden", "exact-ops", "--progress", "json"})
	if code != command.Interrupted || !strings.Contains(progress.String(), "colaverify: interrupted") {
		t.Errorf("code %d, %q", code, progress.String())
	}
	if !strings.HasPrefix(out.String(), "INCOMPLETE  exact-ops\n  interrupted: ") || !strings.Contains(out.String(), "taps interrupted") {
		t.Errorf("%q, stderr %q", out.String(), progress.String())
	}
}
