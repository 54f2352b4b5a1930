package main

import (
	"bytes"
	"context"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"colakit/golden"
	"colakit/internal/command"
	"colakit/internal/records"
)

// runCola runs the program and returns its exit code and what it wrote.
func runCola(t *testing.T, in string, args ...string) (code int, out, errs string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = program().Run(t.Context(), command.Streams{In: strings.NewReader(in), Out: &stdout, Err: &stderr}, args)
	return code, stdout.String(), stderr.String()
}

func writeFile(t *testing.T, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, content, 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

func tinyTokenizerFile(t *testing.T) []byte {
	t.Helper()
	raw, err := fs.ReadFile(golden.Tiny(), "tokenizer.json")
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestTokenizeLines(t *testing.T) {
	file := writeFile(t, "tokenizer.json", tinyTokenizerFile(t))
	for _, tt := range []struct{ why, in, same string }{
		{"no lines", "", ""},
		{"no line break at the end", "one\ntwo", "\"one\"\n\"two\"\n"},
		{"empty lines", "\n\nx\n", "\"\"\n\"\"\n\"x\"\n"},
		{"JSON strings", `"a\nb\u00e9\ud83d\ude00"` + "\n", "\"a\\nbé😀\"\n"},
		{"quotes that are no JSON", "\"a\" b\n\"\n'c'\n", `"\"a\" b"` + "\n" + `"\""` + "\n\"'c'\"\n"},
		{"space before a quote", ` "a"` + "\n", `" \"a\""` + "\n"},
		{"CR is text", "a\r\nb\rc\n", "\"a\\r\"\n\"b\\rc\"\n"},
		{"CR after a JSON string", "\"a\"\r\n", "\"a\"\n"},
		{"not UTF-8", "a\xffb\n", "\"a\uFFFDb\"\n"},
		{"special tokens", "x<|endoftext|>y\n", "\"x<|endoftext|>y\"\n"},
		{"a long line", strings.Repeat("Ben ", 1<<18), `"` + strings.Repeat("Ben ", 1<<18) + "\"\n"},
	} {
		code, ids, errs := runCola(t, tt.in, "tokenize", "--tokenizer", file)
		if code != command.Good || errs != "" {
			t.Errorf("%s: exit code %d, %s", tt.why, code, errs)
		}
		_, want, _ := runCola(t, tt.same, "tokenize", "--tokenizer", "tiny")
		if ids != want {
			t.Errorf("%s: ids %.80s, want those of %.80s: %.80s", tt.why, ids, tt.same, want)
		}
		code, text, errs := runCola(t, ids, "tokenize", "--tokenizer", file, "--decode")
		if code != command.Good || errs != "" {
			t.Errorf("%s: --decode: exit code %d, %s", tt.why, code, errs)
		}
		if diff := cmp.Diff(tt.same, text); diff != "" {
			t.Errorf("%s: text after --decode: -want +got\n%.400s", tt.why, diff)
		}
	}
}

func TestTokenizeFile(t *testing.T) {
	texts := writeFile(t, "texts.txt", []byte("<|endoftext|>\n\n<|pad|>"))
	code, out, errs := runCola(t, "", "tokenize", "--tokenizer", "tiny", texts)
	if code != command.Good || out != "[765]\n[]\n[767]\n" {
		t.Errorf("exit code %d, %q, %s", code, out, errs)
	}
	code, out, errs = runCola(t, " [765, 900]\n[]", "tokenize", "--tokenizer", "tiny", "--decode", "-")
	if code != command.Good || out != "\"<|endoftext|>\"\n\"\"\n" {
		t.Errorf("exit code %d, %q, %s", code, out, errs)
	}
}

func TestTokenizeErrors(t *testing.T) {
	raw := tinyTokenizerFile(t)
	good := writeFile(t, "tokenizer.json", raw)
	cut := writeFile(t, "cut.json", raw[:len(raw)/2])
	normalized := writeFile(t, "nfc.json", bytes.Replace(raw, []byte(`"normalizer": null`), []byte(`"normalizer": {"type":"NFC"}`), 1))
	artifact := writeFile(t, "model.cola", []byte("\x89COLA\r\n\x1a and no more"))
	unnamed := writeFile(t, "model", []byte("\x89COLA\r\n\x1a and no more"))
	for _, tt := range []struct {
		in   string
		args []string
		code int
		want string
	}{
		{"", nil, command.Usage, "--tokenizer FILE"},
		{"", []string{"--tokenizer", "no such file"}, command.Usage, "no such file"},
		{"", []string{"--tokenizer", good, "no such file"}, command.Usage, "no such file"},
		{"", []string{"--tokenizer", good, "a", "b"}, command.Usage, `"a" and "b"`},
		{"", []string{"--tokenizer", cut}, command.Integrity, cut},
		{"", []string{"--tokenizer", normalized}, command.Usage, `nfc.json: unsupported tokenizer: normalizer is "NFC"`},
		{"", []string{"--tokenizer", artifact}, command.Integrity, artifact},
		{"", []string{"--tokenizer", unnamed}, command.Integrity, unnamed},
		{"[1]\nhello\n", []string{"--tokenizer", good, "--decode"}, command.Integrity, `standard input:2: wanted a JSON array of token ids, found "hello"`},
		{"[1]\n\n", []string{"--tokenizer", good, "--decode"}, command.Integrity, `input:2: wanted a JSON array of token ids, found ""`},
		{"null", []string{"--tokenizer", good, "--decode"}, command.Integrity, `input:1: wanted a JSON array`},
		{"[1, null]", []string{"--tokenizer", good, "--decode"}, command.Integrity, `input:1: element 1 of "[1, null]" is no token id`},
		{"[-1]", []string{"--tokenizer", good, "--decode"}, command.Integrity, `element 0`},
		{"[1.5]", []string{"--tokenizer", good, "--decode"}, command.Integrity, `wanted a JSON array of token ids`},
		{"a\n" + strings.Repeat("x", records.MaxLine+1), []string{"--tokenizer", good}, command.Integrity, "standard input:2: the line is longer than 67108864 bytes"},
		{"[" + strings.Repeat("1,", 100), []string{"--tokenizer", good, "--decode"}, command.Integrity, `1,1"…`},
	} {
		code, _, errs := runCola(t, tt.in, append([]string{"tokenize"}, tt.args...)...)
		if code != tt.code || !strings.Contains(errs, tt.want) || strings.Count(errs, "\n") != 1 {
			t.Errorf("%q with %q: exit code %d, %q; want %d and one line with %q", tt.in, tt.args, code, errs, tt.code, tt.want)
		}
	}
}

// What is asked is answered before more is read, and an interrupt ends a read that
// waits.
func TestTokenizeInteractively(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	in, typed := io.Pipe()
	defer typed.Close()
	answers, out := io.Pipe()
	code := make(chan int)
	go func() {
		code <- program().Run(ctx, command.Streams{In: in, Out: out, Err: io.Discard}, []string{"tokenize", "--tokenizer", "tiny"})
	}()
	io.WriteString(typed, "<|pad|>\n")
	answer := make([]byte, len("[767]\n"))
	if _, err := io.ReadFull(answers, answer); err != nil || string(answer) != "[767]\n" {
		t.Errorf("answer %q, %v", answer, err)
	}
	cancel()
	select {
	case got := <-code:
		if got != command.Interrupted {
			t.Errorf("exit code %d, want %d", got, command.Interrupted)
		}
	case <-time.After(10 * time.Second):
		t.Error("an interrupt does not end it")
	}
}
