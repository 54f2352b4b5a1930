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
  cola devices model.cola --batch-size 64 --prompt-tokens 1024 --max-new-tokens 512

With a model, also what an engine would take of every usable device, by its parts, and
whether that fits: the plan that generate checks before it uploads anything.

A build for CUDA devices has the tag cuda (docs/gpu.md).`

func devicesVerb() command.Verb {
	return command.Verb{
		Name:  "devices",
		Args:  "[MODEL.cola|tiny]",
		Short: "list the devices that kernels can run on",
		Long:  devicesLong,
		Setup: func(flags *pflag.FlagSet) func(context.Context, command.Streams, []string) error {
			asJSON := flags.Bool("json", false, "write a JSON array: kind, index, name, sizes in bytes, problem (absent: usable); plan, refused (absent: it fits)")
			o := &outlook{}
			o.declare(flags)
			return func(ctx context.Context, s command.Streams, args []string) error {
				return o.run(ctx, s, args, *asJSON)
			}
		},
	}
}

func (o *outlook) run(ctx context.Context, s command.Streams, args []string, asJSON bool) error {
	if len(args) > 1 {
		return fmt.Errorf("want one model or none, not %q", args)
	}
	all := kernels.Devices()
	if len(args) == 0 {
		if asJSON {
			return json.NewEncoder(s.Out).Encode(all)
		}
		return printDevices(s.Out, all)
	}
	plans, err := o.plan(ctx, args[0], all)
	if err != nil {
		return err
	}
	if asJSON {
		return json.NewEncoder(s.Out).Encode(plans)
	}
	if err := printDevices(s.Out, all); err != nil {
		return err
	}
	return printPlans(s.Out, args[0], o.extent, plans)
}

// label names a device: "cuda:0".
func label(l kernels.Listing) string {
	if l.Name != "" && l.Kind == kernels.CUDA {
		return fmt.Sprintf("%s:%d", l.Kind, l.Index)
	}
	return l.Kind
}

// printDevices writes a table of the devices, and below it the problems.
func printDevices(w io.Writer, all []kernels.Listing) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "device\tname\tcapability\tmemory\tusable")
	var problems strings.Builder
	for _, d := range all {
		usable, name := "yes", label(d)
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
