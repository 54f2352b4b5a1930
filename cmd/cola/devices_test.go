package main

import (
	"encoding/json"
	"strings"
	"testing"

	"colakit/internal/command"
	"colakit/kernels"
)

// TestDevices expects every kind of device, usable or with the reason why not.
func TestDevices(t *testing.T) {
	code, out, errs := runCola(t, "", "devices", "--json")
	var all []kernels.Listing
	if err := json.Unmarshal([]byte(out), &all); err != nil || code != command.Good || errs != "" {
		t.Fatalf("exit code %d, %v\n%s%s", code, err, out, errs)
	}
	kinds := map[string]bool{}
	for _, d := range all {
		kinds[d.Kind] = true
		if d.Problem == "" && (d.Name == "" || d.Memory <= 0 || d.Capability == "") {
			t.Errorf("usable, but without name, memory or capability: %+v", d)
		}
	}
	if !kinds["emulated"] || !kinds["cuda"] {
		t.Errorf("the kinds are %v", kinds)
	}
	_, table, _ := runCola(t, "", "devices")
	for _, d := range all {
		if !strings.Contains(table, d.Kind) || !strings.Contains(table, d.Problem) {
			t.Errorf("the table lacks %s or %q:\n%s", d.Kind, d.Problem, table)
		}
	}
	if code, _, _ := runCola(t, "", "devices", "cuda:0"); code != command.Usage {
		t.Errorf("an argument gives exit code %d", code)
	}
}
