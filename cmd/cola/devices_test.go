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
	for _, args := range []string{"cuda:0", "tiny tiny", "tiny --batch-size 0", "tiny --contract loose"} {
		if code, _, _ := runCola(t, "", append([]string{"devices"}, strings.Fields(args)...)...); code != command.Usage {
			t.Errorf("%s: exit code %d", args, code)
		}
	}
}

// TestDevicesPlan: with a model, what it takes of a device is shown by its parts, and
// whether that fits.
func TestDevicesPlan(t *testing.T) {
	emulated(t)
	for batch, fits := range map[string]bool{"2": true, "20000": false} {
		args := []string{"devices", "tiny", "--batch-size", batch, "--prompt-tokens", "40"}
		code, table, errs := runCola(t, "", args...)
		if code != command.Good || errs != "" || !strings.Contains(table, "cache of the prior") || !strings.Contains(table, "weights   2.00 MB") || strings.Contains(table, "emulated: refused: ") == fits {
			t.Errorf("exit code %d, %s\n%s", code, errs, table)
		}
		code, out, errs := runCola(t, "", append(args, "--json")...)
		var all []planned
		if err := json.Unmarshal([]byte(out), &all); err != nil || code != command.Good || errs != "" {
			t.Fatalf("exit code %d, %v\n%s%s", code, err, out, errs)
		}
		for _, d := range all {
			if d.Kind == kernels.Emulated && (d.Plan == nil || d.Plan.Weights <= 0 || (d.Refused == "") != fits || (d.Plan.Total <= d.Memory) != fits) {
				t.Errorf("%+v\n%s", d, out)
			}
		}
	}
}
