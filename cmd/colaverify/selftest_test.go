package main

import (
	"encoding/json"
	"strings"
	"testing"

	"colakit/internal/command"
	"colakit/verify/selftest"
)

func TestSelftest(t *testing.T) {
	code, out, errs := colaverify(t, t.Context(), "selftest", "--only", "^(bias-element|missing-tensor|ada-table)$", "--json", "-", "--jobs", "1")
	var r selftest.Report
	if code != command.Good || errs != "" || json.Unmarshal([]byte(out), &r) != nil {
		t.Fatalf("code %d, error %q\n%s", code, errs, out)
	}
	if !r.Right || r.Faults.Right != 2 || r.Faultless.Right != 1 || r.Schema != selftest.Schema || r.Engine != "reference" {
		t.Errorf("%+v", r)
	}
	code, out, _ = colaverify(t, t.Context(), "selftest", "--only", "^missing-tensor$")
	if code != command.Good || !strings.Contains(out, "ok  missing-tensor") || !strings.Contains(out, "1 of 1 faults caught and located") {
		t.Errorf("code %d\n%s", code, out)
	}
}

func TestSelftestFlags(t *testing.T) {
	code, out, _ := colaverify(t, t.Context(), "selftest", "--list")
	if code != command.Good || strings.Count(out, "\n") != len(selftest.Catalogue()) || !strings.Contains(out, "transposed-matrix") {
		t.Errorf("code %d\n%s", code, out)
	}
	for _, tt := range []struct{ flag, value, says string }{
		{"--only", "(", "--only: error parsing regexp"},
		{"--only", "no such case", "matches no case; --list prints them"},
		{"--engine", "abacus", `unknown engine "abacus"`},
		{"--jobs", "-1", "--jobs -1; wanted 0"},
		{"--json", t.TempDir(), "--json: "},
		{"--progress", "loud", "--progress: "},
	} {
		code, out, errs := colaverify(t, t.Context(), "selftest", tt.flag, tt.value)
		if code != command.Usage || out != "" || !strings.Contains(errs, tt.says) || strings.Count(errs, "\n") != 1 {
			t.Errorf("%s %s: code %d, error %q", tt.flag, tt.value, code, errs)
		}
	}
}
