package export

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"colakit/formats/tensor"
	"colakit/quantize"
)

// run exports to out and returns the error.
func runTo(t *testing.T, ctx context.Context, from, out string, o Options, x ExecuteOptions) error {
	t.Helper()
	e, err := Prepare(from, o)
	if err != nil {
		return err
	}
	defer e.Close()
	_, err = e.Execute(ctx, out, x)
	return err
}

// names lists a folder.
func names(t *testing.T, dir string) (list []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}

// TestReplacing: an output that is there is replaced only when asked, a folder only
// if an export wrote it, and nothing stays beside it.
func TestReplacing(t *testing.T) {
	from := artifact(t, quantize.F32)
	folder, file := Options{Format: SafeTensors}, Options{Format: GGUF}
	put := func(path, text string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			full := filepath.Join(dir, path)
			if err := errors.Join(os.MkdirAll(filepath.Dir(full), 0o755), os.WriteFile(full, []byte(text), 0o644)); err != nil {
				t.Fatal(err)
			}
		}
	}
	export := func(t *testing.T, dir string) {
		if err := runTo(t, t.Context(), from, filepath.Join(dir, "out"), Options{Format: SafeTensors, Type: "bf16", ShardBytes: 400_000}, ExecuteOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name   string
		before func(*testing.T, string)
		o      Options
		force  bool
		want   string // of the error; "" for none
	}{
		{"a file", put("out", "old"), file, false, "exists already"},
		{"a file, forced", put("out", "old"), file, true, ""},
		{"an export", export, folder, false, "exists already"},
		{"an export, forced", export, folder, true, ""},
		{"a folder of others, forced", put("out/cola_dit/config.json", "{}"), folder, true, "was not written by an export"},
		{"an export with more in it, forced", func(t *testing.T, dir string) { export(t, dir); put("out/cola_dit/notes.txt", "mine")(t, dir) }, folder, true, "notes.txt"},
		{"a file for a folder, forced", put("out", "old"), folder, true, "is a file"},
		{"a folder for a file, forced", put("out/x", "old"), file, true, "is a folder"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			c.before(t, dir)
			before := contents(t, dir)
			err := runTo(t, t.Context(), from, filepath.Join(dir, "out"), c.o, ExecuteOptions{Force: c.force})
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want %q", err, c.want)
			}
			if diff := cmp.Diff([]string{"out"}, names(t, dir)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if unchanged := cmp.Equal(before, contents(t, dir)); unchanged != (err != nil) {
				t.Errorf("what was there is unchanged: %v", unchanged)
			}
		})
	}
}

// TestNothingLeft: errors and cancelled contexts leave what was there, and only that.
func TestNothingLeft(t *testing.T) {
	sound := artifact(t, quantize.F32)
	raw, err := os.ReadFile(sound)
	if err != nil {
		t.Fatal(err)
	}
	damaged := filepath.Join(t.TempDir(), "damaged.cola")
	raw[300_000] ^= 1
	if err := os.WriteFile(damaged, raw, 0o644); err != nil {
		t.Fatal(err)
	}
	cancelled := func(after string) (context.Context, func(Progress)) {
		ctx, cancel := context.WithCancel(t.Context())
		return ctx, func(p Progress) {
			if strings.HasPrefix(p.Doing, after) {
				cancel()
			}
		}
	}
	for _, o := range []Options{{Format: SafeTensors}, {Format: GGUF}} {
		for _, phase := range []string{"write", "compare"} {
			ctx, stop := cancelled(phase)
			dir := t.TempDir()
			err := runTo(t, ctx, sound, filepath.Join(dir, "out"), o, ExecuteOptions{Progress: stop})
			if !errors.Is(err, context.Canceled) || len(names(t, dir)) > 0 {
				t.Errorf("%v cancelled in %s: %v, left %q", o.Format, phase, err, names(t, dir))
			}
		}
		dir := t.TempDir()
		err := runTo(t, t.Context(), damaged, filepath.Join(dir, "out"), o, ExecuteOptions{})
		if !errors.Is(err, tensor.ErrDamaged) || len(names(t, dir)) > 0 {
			t.Errorf("%v of a damaged artifact: %v, left %q", o.Format, err, names(t, dir))
		}
	}
}

// TestStale: what a killed export left is removed by the next to the same output,
// and what another one is writing is not.
func TestStale(t *testing.T) {
	if f, ok := lock(t.TempDir()); !ok {
		t.Skip("not run: no locks here, so left files are never told from others")
	} else {
		f.Close()
	}
	dir := t.TempDir()
	out := filepath.Join(dir, "out")
	stale, busy, other := out+tempInfix+"0123456789abcdef", out+tempInfix+"fedcba9876543210", out+tempInfix+"mine"
	for _, path := range []string{stale, busy, other} {
		if err := os.MkdirAll(filepath.Join(path, "cola_dit"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	held, ok := lock(busy)
	if !ok {
		t.Fatal("the lock is not to be had")
	}
	defer held.Close()
	if err := runTo(t, t.Context(), artifact(t, quantize.F16), out, Options{Format: SafeTensors}, ExecuteOptions{}); err != nil {
		t.Fatal(err)
	}
	want := []string{"out", filepath.Base(busy), filepath.Base(other)}
	if diff := cmp.Diff(want, names(t, dir)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// TestSwap: two renames do what one exchange does.
func TestSwap(t *testing.T) {
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	for _, path := range []string{a, b} {
		if err := errors.Join(os.Mkdir(path, 0o755), os.WriteFile(filepath.Join(path, "name"), []byte(path), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	if err := swap(a, b); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"a/name": b, "b/name": a}, contents(t, dir)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// TestNeverItself: the artifact is no output, by whatever name.
func TestNeverItself(t *testing.T) {
	from := artifact(t, quantize.F32)
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(from, link); err != nil {
		t.Skip("not run: no symbolic links here")
	}
	for _, out := range []string{from, link} {
		err := runTo(t, t.Context(), from, out, Options{Format: GGUF}, ExecuteOptions{Force: true})
		if err == nil || !strings.Contains(err.Error(), "the artifact itself") {
			t.Errorf("%s: %v", out, err)
		}
	}
}

// TestCheckOutput: what an export would refuse of its output is refused without an
// artifact, and nothing is written.
func TestCheckOutput(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		path   string
		format Format
		force  bool
		want   string // part of the error; "" for none
	}{
		{file, GGUF, true, ""},
		{filepath.Join(dir, "new"), SafeTensors, false, ""},
		{file, GGUF, false, "exists already"},
		{file, CompressedTensors, true, "is a file, and this format is a folder"},
		{dir, GGUF, true, "is a folder, and this format is one file"},
		{dir, SafeTensors, true, "was not written by an export"},
		{filepath.Join(dir, "no", "new"), GGUF, false, "no"},
		{file, "onnx", true, "unknown format"},
	} {
		err := CheckOutput(c.path, c.format, c.force)
		if (err != nil) != (c.want != "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s, %s: error %v, want %q", c.path, c.format, err, c.want)
		}
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("the folder holds %v, %v", entries, err)
	}
}
