package command

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"colakit/formats/tensor"
)

// program has a verb and, where asked for, something it does without one.
func program(unnamed, named bool) Program {
	p := Program{Name: "prog", Short: "does things"}
	if unnamed {
		p.Verbs = append(p.Verbs, Verb{Args: "--layers [FILE]", Short: "compares layers", Setup: echo("unnamed")})
	}
	if named {
		p.Verbs = append(p.Verbs, Verb{Name: "replay", Args: "FILE", Short: "replays one", Setup: echo("replay")})
	}
	return p
}

// echo runs a verb that prints its name, its flag and its arguments; --fail
// makes it end with an error of that kind, --none asks for help.
func echo(name string) func(*pflag.FlagSet) func(context.Context, Streams, []string) error {
	return func(f *pflag.FlagSet) func(context.Context, Streams, []string) error {
		layers := f.Bool("layers", false, "compare the layers")
		fail := f.String("fail", "", "end with this")
		return func(_ context.Context, s Streams, args []string) error {
			switch *fail {
			case "help":
				return pflag.ErrHelp
			case "damaged":
				return tensor.Damagedf("x.cola: truncated,\nread 3 of 5 bytes")
			case "wrong":
				return fmt.Errorf("layer 3: %w", ErrWrong)
			case "incomplete":
				return ErrIncomplete
			case "canceled":
				return context.Canceled
			}
			fmt.Fprintln(s.Out, name, *layers, args)
			return nil
		}
	}
}

func TestVerbs(t *testing.T) {
	tests := []struct {
		name           string
		unnamed, named bool
		args           string
		code           int
		out            string // a part of the standard output
		err            string // of the standard error
	}{
		{"a verb by name", false, true, "replay a b", Good, "replay false [a b]", ""},
		{"a verb by name beside an unnamed one", true, true, "replay --layers a", Good, "replay true [a]", ""},
		{"flags without a verb", true, true, "--layers a", Good, "unnamed true [a]", ""},
		{"an argument that is no verb", true, true, "a --layers", Good, "unnamed true [a]", ""},
		{"an unknown verb", false, true, "replai", Usage, "", "unknown command \"replai\""},
		{"nothing, with verbs", true, true, "", Good, "Usage: prog COMMAND [arguments]\n       prog --layers [FILE]\n", ""},
		{"nothing, without verbs", true, false, "", Good, "unnamed false []", ""},
		{"the version", true, true, "--version", Good, "prog (colakit ", ""},
		{"the version, without verbs", true, false, "--version", Good, "prog (colakit ", ""},
		{"help of the program", true, true, "--help", Good, "Without a command: compares layers\n      --layers", ""},
		{"help of a verb", true, true, "help replay", Good, "Usage: prog replay FILE", ""},
		{"help of a program without verbs", true, false, "-h", Good, "Usage: prog --layers [FILE]", ""},
		{"a verb that asks for its help", true, false, "--fail help", Good, "Usage: prog --layers [FILE]", ""},
		{"an unknown flag", true, false, "--layer", Usage, "", "`prog --help` lists the flags"},
		{"damage, on one line", false, true, "replay --fail damaged", Integrity, "", "prog: x.cola: truncated, read 3 of 5 bytes\n"},
		{"wrong figures", false, true, "replay --fail wrong", Wrong, "", "layer 3"},
		{"incomplete", false, true, "replay --fail incomplete", Incomplete, "", "incomplete"},
		{"interrupted", false, true, "replay --fail canceled", Interrupted, "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var out, err bytes.Buffer
			code := program(tt.unnamed, tt.named).Run(context.Background(), Streams{Out: &out, Err: &err}, strings.Fields(tt.args))
			if code != tt.code || !strings.Contains(out.String(), tt.out) || !strings.Contains(err.String(), tt.err) {
				t.Errorf("code %d, want %d\nout: %s\nerr: %s", code, tt.code, out.String(), err.String())
			}
			if strings.Count(err.String(), "\n") > 1 {
				t.Errorf("the error takes more than one line: %q", err.String())
			}
		})
	}
}

func TestArguments(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string // the error; "" for none
	}{
		{[]string{"a", "b"}, ""},
		{nil, "the argument A is missing"},
		{[]string{"a"}, "the argument B is missing"},
		{[]string{"", "b"}, "the argument A is empty"},
		{[]string{"a", "b", "c"}, `unexpected argument "c"`},
	} {
		got, err := Arguments(c.args, "A", "B")
		if text := fmt.Sprint(err); err != nil && text != c.want || err == nil && (c.want != "" || len(got) != 2) {
			t.Errorf("%q: %q, error %v, want %q", c.args, got, err, c.want)
		}
	}
	if one, err := One([]string{"a"}, "A"); one != "a" || err != nil {
		t.Errorf("%q, %v", one, err)
	}
	if _, err := One(nil, "A"); err == nil || err.Error() != "the argument A is missing" {
		t.Errorf("error %v", err)
	}
}
