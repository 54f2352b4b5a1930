package main

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"encoding/xml"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"colakit/internal/command"
)

// readers check each form of a report for its syntax.
var readers = map[string]func([]byte) error{
	"json":  func(raw []byte) error { return json.Unmarshal(raw, new(any)) },
	"junit": func(raw []byte) error { return xml.Unmarshal(raw, new(struct{ XMLName xml.Name })) },
	"html": func(raw []byte) error {
		if !strings.HasPrefix(string(raw), "<!DOCTYPE html>") || !strings.HasSuffix(string(raw), "</html>\n") {
			return errors.New("no page")
		}
		return nil
	},
	"csv": func(raw []byte) error {
		_, err := csv.NewReader(strings.NewReader(string(raw))).ReadAll()
		return err
	},
}

// TestOutputs writes every form at once, and the text besides.
func TestOutputs(t *testing.T) {
	dir := t.TempDir()
	args := []string{"--layerwise", "--golden", "exact-layers"}
	for flag := range readers {
		args = append(args, "--"+flag, filepath.Join(dir, flag))
	}
	code, out, stderr := colaverify(t, context.Background(), args...)
	if code != command.Good || stderr != "" || !strings.HasPrefix(out, "PASS") {
		t.Errorf("code %d, error %q\n%s", code, stderr, out)
	}
	for flag, read := range readers {
		raw, err := os.ReadFile(filepath.Join(dir, flag))
		check(t, err)
		if err := read(raw); err != nil || len(raw) < 1000 {
			t.Errorf("--%s: %d bytes, %v", flag, len(raw), err)
		}
	}
}

// TestStandardOutput: what goes there has it to itself.
func TestStandardOutput(t *testing.T) {
	other := filepath.Join(t.TempDir(), "other")
	for flag, read := range readers {
		args := []string{"--layerwise", "--golden", "exact-layers", "--" + flag, "-"}
		if flag != "json" {
			args = append(args, "--json", other)
		}
		code, out, stderr := colaverify(t, context.Background(), args...)
		if err := read([]byte(out)); code != command.Good || stderr != "" || err != nil || len(out) < 1000 {
			t.Errorf("--%s -: code %d, error %q, %v", flag, code, stderr, err)
		}
	}
}

func TestOutputRefusals(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	check(t, os.Symlink(dir, filepath.Join(dir, "link")))
	for name, tt := range map[string]struct {
		args []string
		says string
	}{
		"twice on the standard output": {[]string{"--csv", "-", "--json", "-"}, "--json and --csv both write to -"},
		"twice the same file":          {[]string{"--csv", "x", "--junit", "./x"}, "--csv and --junit both write to ./x"},
		"by a link":                    {[]string{"--csv", "x", "--junit", "link/x"}, "both write to link/x"},
		"no folder":                    {[]string{"--csv", "none/x"}, "--csv: "},
	} {
		code, out, stderr := colaverify(t, context.Background(), append([]string{"--layerwise", "--golden", "exact-layers"}, tt.args...)...)
		if code != command.Usage || !strings.Contains(stderr, tt.says) || out != "" {
			t.Errorf("%s: code %d, error %q, want %q", name, code, stderr, tt.says)
		}
	}
}
