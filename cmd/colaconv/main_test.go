package main

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"colakit/golden"
	"colakit/internal/command"
)

// checkpoint writes the embedded model to a folder.
func checkpoint(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "model")
	if err := os.CopyFS(dir, golden.Tiny()); err != nil {
		t.Fatal(err)
	}
	return dir
}

// colaconv runs the program and returns its exit code and what it wrote.
func colaconv(t *testing.T, args ...string) (code int, out, errs string) {
	t.Helper()
	var o, e bytes.Buffer
	code = program().Run(t.Context(), command.Streams{Out: &o, Err: &e}, args)
	return code, o.String(), e.String()
}

// TestVerbs goes through the life of an artifact.
func TestVerbs(t *testing.T) {
	src, out := checkpoint(t), filepath.Join(t.TempDir(), "tiny.cola")
	for _, c := range []struct {
		args []string
		code int
		out  string // part of stdout
		errs string // part of stderr; "" for none at all
	}{
		{[]string{"convert", src, "-o", out, "--type", "bf16", "--jobs", "2"}, 0, "rounded to bf16", ""},
		{[]string{"convert", src, "-o", out}, 2, "", "exists already: name another output, or replace it with --force"},
		{[]string{"convert", src, "-o", out, "--force", "--progress", "json"}, 0, "copied as f32", `{"event":"end"`},
		{[]string{"check", out}, 0, "is sound", ""},
		{[]string{"check", out, "--json", "--jobs", "1"}, 0, `"damage": []`, ""},
		{[]string{"inspect", out}, 0, "dit.txt_in.proj.weight", ""},
		{[]string{"inspect", out, "--json"}, 0, `"format": "cola"`, ""},
		{[]string{"inspect", out, "dit.txt_in.proj.weight"}, 0, "error      none", ""},
		{[]string{"inspect", out, "dit.txt_in.proj.weight", "--json"}, 0, `"rms"`, ""},
		{[]string{"inspect", out, "dit.txt_in.proj.wight"}, 2, "", `nearest name is "dit.txt_in.proj.weight"`},
		{[]string{"inspect", filepath.Join(src, "cola_vae", "model.safetensors")}, 0, "encoder.wte.weight", ""},
		{[]string{"inspect", filepath.Join(src, "cola_vae", "model.safetensors"), "encoder.wte.weight"}, 0, "RMS", ""},
		{[]string{"convert", src, "-o", out + "2", "--no-tokenizer"}, 0, "no tokenizer, as asked", ""},
	} {
		code, stdout, stderr := colaconv(t, c.args...)
		if code != c.code || !strings.Contains(stdout, c.out) || !strings.Contains(stderr, c.errs) || c.errs == "" && stderr != "" {
			t.Errorf("colaconv %q: code %d, want %d\nstdout %q\nstderr %q", c.args, code, c.code, stdout, stderr)
		}
		if strings.Contains(strings.Join(c.args, " "), "--json") && !json.Valid([]byte(stdout)) {
			t.Errorf("colaconv %q: stdout is not JSON: %q", c.args, stdout)
		}
	}
}

// TestDamaged damages an artifact: check and inspect say where, describe what can
// be read, and exit with code 3.
func TestDamaged(t *testing.T) {
	out := filepath.Join(t.TempDir(), "tiny.cola")
	if code, _, errs := colaconv(t, "convert", checkpoint(t), "-o", out); code != 0 {
		t.Fatal(errs)
	}
	sound, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	flip := func(at int) []byte { b := bytes.Clone(sound); b[at] ^= 4; return b }
	for name, c := range map[string]struct {
		data     []byte
		args     []string
		out, err string
	}{
		"bit in a tensor":        {flip(200), []string{"check", out}, "✗ checksums", `tensor "dit.txt_in.proj.weight"`},
		"bit in a tensor, JSON":  {flip(200), []string{"check", out, "--json"}, `"stage": "checksums"`, "chunk 0 of 1"},
		"bit in that tensor":     {flip(200), []string{"inspect", out, "dit.txt_in.proj.weight"}, "RMS", "checksum does not match"},
		"bit in the superblock":  {flip(20), []string{"inspect", out}, "root", "superblock is damaged"},
		"truncated":              {sound[:len(sound)/2], []string{"inspect", out}, "the index is not in the file", "cut short"},
		"truncated, check":       {sound[:len(sound)/2], []string{"check", out}, "✗ structure", "cut short"},
		"empty":                  {nil, []string{"check", out}, "✗ structure", "too short"},
		"another format":         {[]byte(strings.Repeat("text ", 100)), []string{"inspect", out}, "superblock", "not a .cola file"},
		"another format, tensor": {[]byte(strings.Repeat("text ", 100)), []string{"inspect", out, "x"}, "", "not a .cola file"},
	} {
		if err := os.WriteFile(out, c.data, 0o644); err != nil {
			t.Fatal(err)
		}
		code, stdout, stderr := colaconv(t, c.args...)
		if code != command.Integrity || !strings.Contains(stdout, c.out) || !strings.Contains(stderr, c.err) || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%s: code %d\nstdout %q\nstderr %q", name, code, stdout, stderr)
		}
	}
}

// TestUsage: mistakes on the command line are one line on stderr and code 2.
func TestUsage(t *testing.T) {
	src := checkpoint(t)
	out := filepath.Join(t.TempDir(), "x.cola")
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"convert"}, "the argument SRC is missing"},
		{[]string{"convert", "", "-o", out}, "the argument SRC is empty"},
		{[]string{"convert", src}, "-o OUT.cola is missing"},
		{[]string{"convert", src, "more", "-o", out}, `unexpected argument "more"`},
		{[]string{"convert", src, "-o", out, "--type", "int4"}, "known are f32, f16, bf16"},
		{[]string{"convert", src, "-o", out, "--jobs", "-1"}, "--jobs"},
		{[]string{"convert", src, "-o", out, "--progress", "loud"}, "known are auto, bar, json, none"},
		{[]string{"convert", src + "x", "-o", out}, "no such file"},
		{[]string{"convert", src, "-o", filepath.Join(src, "no", "x.cola")}, "does not exist"},
		{[]string{"convert", src, "-o", filepath.Join(src, "cola_dit", "model.safetensors"), "--force"}, "is a file of the source"},
		{[]string{"convert", src, "-o", out, "--quiet"}, "unknown flag"},
		{[]string{"inspect"}, "the argument FILE is missing"},
		{[]string{"inspect", out}, "no such file"},
		{[]string{"check", out}, "no such file"},
		{[]string{"check", t.TempDir()}, "no weights lie in it"},
	} {
		code, stdout, stderr := colaconv(t, c.args...)
		if code != command.Usage || stdout != "" || !strings.Contains(stderr, c.want) || strings.Count(stderr, "\n") != 1 {
			t.Errorf("colaconv %q: code %d\nstdout %q\nstderr %q", c.args, code, stdout, stderr)
		}
	}
	if _, err := os.Stat(out); err == nil {
		t.Error("something was written")
	}
}

func TestHelp(t *testing.T) {
	for _, args := range [][]string{{"--help"}, {"convert", "--help"}, {"plan", "--help"}, {"inspect", "--help"}, {"check", "--help"}} {
		code, stdout, stderr := colaconv(t, args...)
		if code != 0 || stderr != "" || !strings.Contains(stdout, "Usage: colaconv") || !strings.Contains(stdout, "Exit codes") {
			t.Errorf("colaconv %q: code %d, %q, %q", args, code, stdout, stderr)
		}
	}
}

// TestDamagedSource: a checkpoint that breaks the rules is code 3.
func TestDamagedSource(t *testing.T) {
	src := checkpoint(t)
	path := filepath.Join(src, "cola_dit", "model.safetensors")
	data, err := fs.ReadFile(golden.Tiny(), "cola_dit/model.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	for name, damaged := range map[string][]byte{
		"truncated":    data[:len(data)-1],
		"lying header": append([]byte{255, 255, 255, 255, 255, 255, 255, 127}, data[8:]...),
		"other names":  bytes.Replace(data, []byte(`"txt_in.proj.bias"`), []byte(`"txt_in.proj.bios"`), 1),
	} {
		if err := os.WriteFile(path, damaged, 0o644); err != nil {
			t.Fatal(err)
		}
		code, _, stderr := colaconv(t, "convert", src, "-o", filepath.Join(t.TempDir(), "x.cola"))
		if code != command.Integrity || !strings.Contains(stderr, "model.safetensors") || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%s: code %d, %q", name, code, stderr)
		}
	}
}
