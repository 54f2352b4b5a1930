// Package command runs the verbs of the command-line programs: flags, signals,
// error lines and exit codes, the same for every program.
package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/pflag"

	"colakit/formats/tensor"
	"colakit/internal/version"
)

// The exit codes of every program.
const (
	Good        = 0
	Wrong       = 1 // numerically wrong
	Usage       = 2
	Integrity   = 3 // damaged or hostile input
	Incomplete  = 4 // nothing wrong, but not everything could be done or compared
	Interrupted = 130
)

// ErrIncomplete is wrapped by errors that mean exit code Incomplete.
var ErrIncomplete = errors.New("incomplete")

// ErrWrong is wrapped by errors that mean exit code Wrong.
var ErrWrong = errors.New("numerically wrong")

// Streams are the standard streams of a program, replaceable in tests.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
}

// Verb is one subcommand.
type Verb struct {
	Name  string // "convert"; empty for what the program does when no verb is named
	Args  string // "SRC -o OUT.cola"
	Short string // one line
	Long  string // paragraphs below the usage line; examples
	// Setup declares the flags and returns the function that runs the verb. It
	// turns flags into one library call. pflag.ErrHelp asks for the verb's help.
	Setup func(*pflag.FlagSet) func(context.Context, Streams, []string) error
}

// Program is a command-line program. A verb without a name takes the arguments
// that name no other verb.
type Program struct {
	Name  string
	Short string
	Long  string
	Verbs []Verb
}

// Main runs the program with the process's arguments and streams and returns
// its exit code. SIGINT and SIGTERM cancel the context; a second one ends the
// process at once.
func (p Program) Main() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	return p.Run(ctx, Streams{os.Stdin, os.Stdout, os.Stderr}, os.Args[1:])
}

// Run runs the program with the given arguments, without the program's name.
func (p Program) Run(ctx context.Context, s Streams, args []string) int {
	if len(args) > 0 && args[0] == "--version" {
		fmt.Fprintf(s.Out, "%s (%s)\n", p.Name, version.String)
		return Good
	}
	verb, rest, err := p.verb(args)
	if errors.Is(err, pflag.ErrHelp) {
		fmt.Fprint(s.Out, p.help())
		return Good
	}
	if err == nil {
		err = p.runVerb(ctx, s, verb, rest)
	}
	return p.report(ctx, s, err)
}

// verb finds the verb that the arguments name, and its own arguments.
func (p Program) verb(args []string) (Verb, []string, error) {
	unnamed, hasUnnamed := p.find("")
	if hasUnnamed && len(p.Verbs) == 1 {
		return unnamed, args, nil
	}
	if len(args) == 0 || args[0] == "--help" || args[0] == "-h" || args[0] == "help" && len(args) == 1 {
		return Verb{}, nil, pflag.ErrHelp
	}
	if args[0] == "help" {
		args = []string{args[1], "--help"}
	}
	if v, ok := p.find(args[0]); ok && args[0] != "" {
		return v, args[1:], nil
	}
	if hasUnnamed {
		return unnamed, args, nil
	}
	return Verb{}, nil, fmt.Errorf("unknown command %q; `%s --help` lists the commands", args[0], p.Name)
}

func (p Program) find(name string) (Verb, bool) {
	for _, v := range p.Verbs {
		if v.Name == name {
			return v, true
		}
	}
	return Verb{}, false
}

func (p Program) runVerb(ctx context.Context, s Streams, v Verb, args []string) error {
	flags := pflag.NewFlagSet(v.Name, pflag.ContinueOnError)
	flags.SortFlags = false
	flags.SetOutput(io.Discard)
	run := v.Setup(flags)
	flags.Usage = func() {}
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, pflag.ErrHelp) {
			fmt.Fprint(s.Out, p.verbHelp(v, flags))
			return nil
		}
		return fmt.Errorf("%w; `%s --help` lists the flags", err, p.path(v))
	}
	err := run(ctx, s, flags.Args())
	if errors.Is(err, pflag.ErrHelp) {
		fmt.Fprint(s.Out, p.verbHelp(v, flags))
		return nil
	}
	return err
}

func (p Program) path(v Verb) string {
	return strings.TrimSpace(p.Name + " " + v.Name)
}

// report prints the error, one line, and returns the exit code it stands for.
func (p Program) report(ctx context.Context, s Streams, err error) int {
	if err == nil {
		return Good
	}
	code := ExitCode(err)
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		fmt.Fprintf(s.Err, "%s: interrupted\n", p.Name)
		return Interrupted
	}
	if text := strings.ReplaceAll(err.Error(), "\n", " "); text != "" {
		fmt.Fprintf(s.Err, "%s: %s\n", p.Name, text)
	}
	return code
}

// ExitCode returns the exit code that an error stands for.
func ExitCode(err error) int {
	switch {
	case err == nil:
		return Good
	case errors.Is(err, context.Canceled):
		return Interrupted
	case errors.Is(err, tensor.ErrDamaged):
		return Integrity
	case errors.Is(err, ErrWrong):
		return Wrong
	case errors.Is(err, ErrIncomplete), errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EIO):
		return Incomplete
	}
	return Usage
}

// Arguments returns as many arguments as there are names, or an error that names
// what is missing or too much.
func Arguments(args []string, names ...string) ([]string, error) {
	for i, name := range names {
		switch {
		case i >= len(args):
			return nil, fmt.Errorf("the argument %s is missing", name)
		case args[i] == "":
			return nil, fmt.Errorf("the argument %s is empty", name)
		}
	}
	if len(args) > len(names) {
		return nil, fmt.Errorf("unexpected argument %q", args[len(names)])
	}
	return args, nil
}

// One returns the only argument, or an error as Arguments.
func One(args []string, name string) (string, error) {
	args, err := Arguments(args, name)
	if err != nil {
		return "", err
	}
	return args[0], nil
}
