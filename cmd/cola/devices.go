package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/pflag"

	"colakit/internal/command"
	"colakit/internal/units"
	"colakit/kernels"
)

const devicesLong = `Lists the devices that kernels can run on, and why one cannot be used: the emulated
one, which runs the CUDA kernels on the CPU, and every CUDA device.

  cola devices
  cola devices --json

A build for CUDA devices has the tag cuda (docs/gpu.md).`

func devicesVerb() command.Verb {
	return command.Verb{
		Name:  "devices",
		Args:  "[--json]",
		Short: "list the devices that kernels can run on",
		Long:  devicesLong,
		Setup: func(flags *pflag.FlagSet) func(context.Context, command.Streams, []string) error {
			asJSON := flags.Bool("json", false, "write a JSON array: kind, index, name, sizes in bytes, problem (absent: usable)")
			return func(_ context.Context, s command.Streams, args []string) error {
				if _, err := command.Arguments(args); err != nil {
					return err
				}
				if *asJSON {
					return json.NewEncoder(s.Out).Encode(kernels.Devices())
				}
				return printDevices(s.Out, kernels.Devices())
			}
		},
	}
}

// printDevices writes a table of the devices, and below it the problems.
func printDevices(w io.Writer, all []kernels.Listing) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "device\tname\tcapability\tmemory\tusable")
	var problems strings.Builder
	for _, d := range all {
		usable, name := "yes", d.Kind
		if d.Name != "" && d.Kind == "cuda" {
			name = fmt.Sprintf("%s:%d", d.Kind, d.Index)
		}
		if d.Problem != "" {
			usable = "no"
			fmt.Fprintf(&problems, "%s: %s\n", name, d.Problem)
		}
		memory := ""
		if d.Memory > 0 {
			memory = units.Bytes(d.Memory)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", name, d.Name, d.Capability, memory, usable)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	_, err := io.WriteString(w, problems.String())
	return err
}
