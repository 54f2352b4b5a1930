package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/pflag"

	"colakit/cmd/internal/model"
	"colakit/formats/hf"
	"colakit/internal/units"
	"colakit/kernels"
	"colakit/kernels/engine"
	"colakit/reference/generate"
)

// outlook is what the flags of devices ask about a model.
type outlook struct {
	extent                engine.Extent
	steps                 int
	contract, activations string
}

func (o *outlook) declare(flags *pflag.FlagSet) {
	d := generate.Defaults()
	flags.IntVar(&o.extent.Batch, "batch-size", 20, "plan for `N` prompts at a time")
	flags.IntVar(&o.extent.PromptTokens, "prompt-tokens", 256, "plan for prompts of at most `N` tokens")
	flags.IntVar(&o.extent.NewTokens, "max-new-tokens", d.MaxNewTokens, "plan for `N` new tokens of each")
	flags.IntVar(&o.steps, "steps", d.Steps, "plan for `N` flow-matching steps of a block")
	flags.StringVar(&o.contract, "contract", generate.Exact.String(), "`CONTRACT` of the arithmetic: exact or released")
	flags.StringVar(&o.activations, "activations", generate.FloatActivations.String(), "`TYPE` of what int8 weights are multiplied by: float or int8")
}

// options returns those of an engine.
func (o *outlook) options() (e engine.Options, err error) {
	for name, n := range map[string]int{"batch-size": o.extent.Batch, "prompt-tokens": o.extent.PromptTokens, "max-new-tokens": o.extent.NewTokens, "steps": o.steps} {
		if n < 1 {
			return e, fmt.Errorf("--%s is %d; want 1 or more", name, n)
		}
	}
	if e.Contract, err = generate.ParseContract(o.contract); err != nil {
		return e, fmt.Errorf("--contract: %w", err)
	}
	if e.Activations, err = generate.ParseActivations(o.activations); err != nil {
		return e, fmt.Errorf("--activations: %w", err)
	}
	e.Extent = o.extent
	e.Schedule = &hf.Schedule{T: int(generate.Defaults().T), Steps: o.steps, Contract: o.contract}
	return e, nil
}

// planned is a device and what a model would take of it.
type planned struct {
	kernels.Listing
	Plan *engine.Plan `json:"plan,omitempty"`
	// Refused says why the model does not run there; empty: it does.
	Refused string `json:"refused,omitempty"`
}

// plan returns what the named model takes of every usable device.
func (o *outlook) plan(ctx context.Context, name string, all []kernels.Listing) ([]planned, error) {
	options, err := o.options()
	if err != nil {
		return nil, err
	}
	m, err := model.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	defer m.Close()
	plans := make([]planned, len(all))
	for i, l := range all {
		if plans[i].Listing = l; l.Problem != "" {
			continue
		}
		info := l.Info
		if info.Free == 0 { // not known of a device that is not open
			info.Free = info.Memory
		}
		p, err := engine.PlanFor(m.File, m.Config, info, options)
		if err == nil {
			plans[i].Plan, err = &p, p.Check(info, options)
		}
		if err != nil {
			plans[i].Refused = err.Error()
		}
	}
	return plans, nil
}

// printPlans writes a column for every device that has a plan, and below why others
// have none.
func printPlans(w io.Writer, name string, x engine.Extent, plans []planned) error {
	var head, rest strings.Builder
	var columns []planned
	for _, p := range plans {
		if p.Plan != nil {
			columns = append(columns, p)
		}
		if p.Refused != "" {
			fmt.Fprintf(&rest, "%s: refused: %s\n", label(p.Listing), p.Refused)
		}
	}
	fmt.Fprintf(&head, "\nmemory of %s, %v\n\n", name, x)
	if _, err := io.WriteString(w, head.String()); err != nil {
		return err
	}
	if len(columns) > 0 {
		if err := writeParts(w, columns); err != nil {
			return err
		}
	}
	_, err := io.WriteString(w, rest.String())
	return err
}

func writeParts(w io.Writer, columns []planned) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	line := func(name string, cell func(planned) string) {
		fmt.Fprint(table, name, "\t")
		for _, p := range columns {
			fmt.Fprint(table, cell(p), "\t")
		}
		fmt.Fprintln(table)
	}
	line("", func(p planned) string { return label(p.Listing) })
	for i, part := range columns[0].Plan.Parts() {
		line(part.Name, func(p planned) string { return units.Bytes(p.Plan.Parts()[i].Bytes) })
	}
	line("total", func(p planned) string { return units.Bytes(p.Plan.Total) })
	line("fits", func(p planned) string {
		if p.Refused != "" {
			return "no"
		}
		return "yes"
	})
	return table.Flush()
}
