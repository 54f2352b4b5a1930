package main

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"colakit/convert"
	"colakit/golden"
	"colakit/internal/command"
	"colakit/quantize"
)

func tinyFile(t *testing.T, name string) string {
	t.Helper()
	raw, err := fs.ReadFile(golden.Tiny(), name)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// TestTinyAnswers holds the records of the embedded model to the public package's.
func TestTinyAnswers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out.jsonl")
	code, stdout, stderr := runCola(t, tinyFile(t, "prompts.jsonl"), "generate", "tiny", "--input", "-", "--output", path,
		"--block-tokens", "--batch-size", "4", "--progress", "json")
	if code != command.Good || stdout != "" {
		t.Fatalf("exit code %d, stdout %q, stderr %q", code, stdout, stderr)
	}
	if events := objects(t, stderr); len(events) < 2 || events[len(events)-1]["done"] != 6.0 || events[0]["unit"] != "prompts" {
		t.Errorf("progress %s", stderr)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	got, want := objects(t, string(raw)), objects(t, tinyFile(t, "expect.jsonl"))
	for _, w := range want {
		delete(w, "latents")
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func objects(t *testing.T, lines string) []map[string]any {
	t.Helper()
	var all []map[string]any
	for line := range strings.Lines(lines) {
		var o map[string]any
		if err := json.Unmarshal([]byte(line), &o); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		all = append(all, o)
	}
	return all
}

// TestStream: the text of the command line is that of the records, cut at the end.
func TestStream(t *testing.T) {
	const question = "Question: What colour is a banana? Answer:"
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{question}, " yellow.\n"},
		{[]string{question, "--keep-special", "--max-new-tokens", "8"}, " yellow.<|endoftext|><|endoftext|><|endoftext|><|endoftext|>\n"},
		{[]string{question, question, "--max-new-tokens", "4"}, fmt.Sprintf("==> %q <==\n yellow.\n==> %q <==\n yellow.\n", question, question)},
	} {
		code, stdout, stderr := runCola(t, "", append([]string{"generate", "tiny"}, c.args...)...)
		if code != command.Good || stdout != c.want || stderr != "" {
			t.Errorf("%v: exit code %d, %q, stderr %q; want %q", c.args, code, stdout, stderr, c.want)
		}
	}
}

// TestSeeds: what depends on which seed.
func TestSeeds(t *testing.T) {
	text := func(args ...string) string {
		t.Helper()
		code, stdout, stderr := runCola(t, "", append([]string{"generate", "tiny", "One day", "--max-new-tokens", "12"}, args...)...)
		if code != command.Good {
			t.Fatal(stderr)
		}
		return stdout
	}
	hot := []string{"--temperature", "3", "--top-k", "0", "--top-p", "1"}
	for _, c := range []struct {
		reason string
		a, b   []string
		same   bool
	}{
		{"the default is noise seed 66", nil, []string{"--noise-seed", "66"}, true},
		{"the noise seed counts", nil, []string{"--noise-seed", "67"}, false},
		{"so does the global one", []string{"--seed", "1"}, []string{"--seed", "2"}, false},
		{"they differ", []string{"--seed", "66"}, nil, false},
		{"greedy decoding draws nothing", []string{"--noise-seed", "66", "--seed", "9"}, nil, true},
		{"drawn tokens come from --seed", append(hot, "--noise-seed", "66", "--seed", "1"), append(hot, "--noise-seed", "66", "--seed", "2"), false},
		{"and are repeatable", hot, hot, true},
	} {
		if a, b := text(c.a...), text(c.b...); (a == b) != c.same {
			t.Errorf("%s: %q and %q", c.reason, a, b)
		}
	}
}

func TestErrors(t *testing.T) {
	dir := t.TempDir()
	bad := filepath.Join(dir, "bad.jsonl")
	if err := os.WriteFile(bad, []byte("{\"prompt\": \"Max\"}\n{\"prompt\": \"\"}\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	empty, damaged, nested := filepath.Join(dir, "empty.jsonl"), filepath.Join(dir, "damaged.jsonl"), filepath.Join(dir, "nested.jsonl")
	for path, text := range map[string]string{empty: "\n", damaged: "{\"prompt\": \"a\"}\n\n{\"prompt", nested: "{\"prompt\": \"a\", \"id\": [1]}"} {
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	bare := filepath.Join(dir, "bare.cola")
	if _, err := convert.FS(t.Context(), golden.Tiny(), bare, convert.Options{Type: quantize.F32, NoTokenizer: true}); err != nil {
		t.Fatal(err)
	}
	notCola := filepath.Join(dir, "x.cola")
	if err := os.WriteFile(notCola, []byte("not an artifact, but long enough to hold a header of some kind"), 0o666); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args string
		want string
		code int
	}{
		{"", "colaconv convert", command.Usage},
		{"tiny", "nothing to continue", command.Usage},
		{"tiny Max --input " + bad, "on the command line", command.Usage},
		{dir + " Max", "is a folder, not a .cola file; convert it first: colaconv convert", command.Usage},
		{filepath.Join(dir, "missing.cola") + " Max", "missing.cola", command.Usage},
		{notCola + " Max", "x.cola", command.Integrity},
		{"tiny --input " + bad, bad + ":2: the prompt is empty", command.Usage},
		{"tiny --input " + empty, empty + " holds no records", command.Usage},
		{"tiny --input " + damaged, damaged + ":3: not JSON", command.Integrity},
		{"tiny --input " + nested, nested + ":1: id is [1]", command.Usage},
		{"tiny Max --temperature -1", "--temperature is -1; want 0 or", command.Usage},
		{"tiny Max --temperature NaN", "--temperature is NaN; want 0 or", command.Usage},
		{"tiny Max --top-p 0", "--top-p is 0; want above 0", command.Usage},
		{"tiny Max --top-p 1.5", "--top-p is 1.5; want above 0", command.Usage},
		{"tiny Max --top-k -2", "--top-k is -2; want 0", command.Usage},
		{"tiny Max --guidance Inf", "--guidance is +Inf", command.Usage},
		{"tiny Max --repetition-penalty 0", "--repetition-penalty is 0", command.Usage},
		{"tiny Max --max-new-tokens 0", "--max-new-tokens is 0; want 1", command.Usage},
		{"tiny Max --output " + dir, "--output: " + dir + " is a folder", command.Usage},
		{bare + " Max", "bare.cola holds no tokenizer; name one with --tokenizer FILE", command.Usage},
		{"tiny --input " + filepath.Join(dir, "none.jsonl"), "none.jsonl", command.Usage},
		{"tiny Max --engine abacus", `unknown engine "abacus"; known: auto, cuda, emulated, reference`, command.Usage},
		{"tiny Max --contract loose", `unknown contract "loose"`, command.Usage},
		{"tiny Max --tokenizer " + bad, "bad.jsonl", command.Integrity},
		{"tiny Max --batch-size 0", "--batch-size is 0; want 1 or more", command.Usage},
		{"tiny Max --pad-token-id 5000", "set --pad-token-id", command.Usage},
		{"tiny Max --steps 0", "--steps is 0; want 1 to", command.Usage},
		{"tiny Max --progress loud", `--progress: unknown progress "loud"`, command.Usage},
		{"tiny Max --output " + filepath.Join(dir, "none", "out"), "does not exist: create it first", command.Usage},
	} {
		code, stdout, stderr := runCola(t, "", append([]string{"generate"}, strings.Fields(c.args)...)...)
		if code != c.code || !strings.Contains(stderr, c.want) || strings.Count(stderr, "\n") != 1 || stdout != "" {
			t.Errorf("%s: exit code %d, stdout %q, stderr %q; want %d and %q", c.args, code, stdout, stderr, c.code, c.want)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) != 6 {
		t.Errorf("left behind: %v", left)
	}
}

// TestInt8: an int8 artifact answers as the model does, with activations of both
// kinds; float weights have none of 8 bits.
func TestInt8(t *testing.T) {
	const question = "Question: What colour is a banana? Answer:"
	path := filepath.Join(t.TempDir(), "int8.cola")
	if _, err := convert.FS(t.Context(), golden.Tiny(), path, convert.Options{Type: quantize.Int8}); err != nil {
		t.Fatal(err)
	}
	for _, activations := range []string{"float", "int8"} {
		code, stdout, stderr := runCola(t, "", "generate", path, question, "--activations", activations)
		if code != command.Good || stdout != " yellow.\n" || stderr != "" {
			t.Errorf("%s: exit code %d, %q, stderr %q", activations, code, stdout, stderr)
		}
	}
	for activations, says := range map[string]string{"int8": "tiny: reference: int8 activations are for layers with int8 weights", "int4": "known are float and int8"} {
		code, stdout, stderr := runCola(t, "", "generate", "tiny", question, "--activations", activations)
		if code != command.Usage || stdout != "" || !strings.Contains(stderr, says) {
			t.Errorf("%s: exit code %d, %q, stderr %q; it should say %q", activations, code, stdout, stderr, says)
		}
	}
}
