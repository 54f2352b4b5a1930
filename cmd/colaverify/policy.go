package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/pflag"

	"colakit/internal/command"
	"colakit/verify"
)

func policyVerb() command.Verb {
	return command.Verb{
		Name:  "policy",
		Args:  "[--json|--template]",
		Short: "print every tolerance, with its formula and where it comes from",
		Long: `Prints the rules that judge what is compared. With --template it prints a file for
colaverify --layerwise --policy: an override names a rule and multiplies its limits
(factor) or replaces some (limits), and has to give a reason. The report shows it, and the
verdict says how many there are.

  colaverify policy
  colaverify policy --template > mine.json
  colaverify --layerwise model.cola --golden bundles/mine --policy mine.json`,
		Setup: func(set *pflag.FlagSet) func(context.Context, command.Streams, []string) error {
			json := set.Bool("json", false, "print the rules as JSON")
			template := set.Bool("template", false, "print a file of overrides to fill in")
			return func(_ context.Context, s command.Streams, args []string) error {
				if _, err := command.Arguments(args); err != nil {
					return err
				}
				switch {
				case *json && *template:
					return errors.New("--json and --template exclude each other")
				case *json:
					return verify.WritePolicyJSON(s.Out)
				case *template:
					return verify.WriteOverrideTemplate(s.Out)
				}
				return verify.WritePolicy(s.Out, textOptions(s.Out, true))
			}
		},
	}
}

// maxOverrides bounds the bytes of a file of overrides.
const maxOverrides = 1 << 20

// overrides reads the file of --policy; "" names none.
func overrides(path string) ([]verify.Override, error) {
	if path == "" {
		return nil, nil
	}
	raw, err := readAtMost(path, maxOverrides)
	if err != nil {
		return nil, fmt.Errorf("--policy: %w", err)
	}
	list, err := verify.ParseOverrides(raw)
	if err != nil {
		return nil, fmt.Errorf("--policy: %s: %w; `colaverify policy` prints the rules", path, err)
	}
	return list, nil
}

// readAtMost reads a file that has no more than limit bytes.
func readAtMost(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(raw)) > limit {
		err = fmt.Errorf("%s: more than %d bytes", path, limit)
	}
	return raw, err
}
