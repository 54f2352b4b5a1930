// Package commandtest tests what every command-line program has to do.
package commandtest

import (
	"bytes"
	"context"
	"regexp"
	"strings"
	"testing"

	"colakit/internal/command"
	"colakit/internal/version"
)

var (
	lowerCase = regexp.MustCompile(`(?m)^ +(-\w, +)?--[a-z0-9-]+ [a-z][^ ]*`)
	notGiven  = regexp.MustCompile(`\(default -1\)`)
)

// Program tests the help of a program and of all its verbs, and its version.
func Program(t *testing.T, p command.Program) {
	t.Helper()
	for _, v := range p.Verbs {
		args := []string{"--help"}
		if v.Name != "" {
			args = []string{v.Name, "--help"}
		}
		text := run(t, p, args...)
		if !strings.Contains(text, "Usage: ") || !strings.Contains(text, "Exit codes: ") {
			t.Errorf("%q prints\n%s", args, text)
		}
		if found := lowerCase.FindString(text); found != "" {
			t.Errorf("%q: the value of%s is not in upper case", args, found)
		}
		if notGiven.MatchString(text) {
			t.Errorf("%q states -1 for what is not given", args)
		}
	}
	if bare := run(t, p); !strings.Contains(bare, "Usage: ") {
		t.Errorf("without arguments it prints\n%s", bare)
	}
	if got, want := run(t, p, "--version"), p.Name+" ("+version.String+")\n"; got != want {
		t.Errorf("--version prints %q, want %q", got, want)
	}
}

func run(t *testing.T, p command.Program, args ...string) string {
	t.Helper()
	var out, err bytes.Buffer
	if code := p.Run(context.Background(), command.Streams{Out: &out, Err: &err}, args); code != command.Good || err.Len() > 0 {
		t.Errorf("%q: exit code %d, %s", args, code, err.String())
	}
	return out.String()
}
