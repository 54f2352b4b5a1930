package bench

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"colakit/internal/units"
)

// mostKernels is the number of kernels in the table; JSON has all.
const mostKernels = 12

// Write writes the report for people: a column for each engine that ran.
func (r *Report) Write(out io.Writer) error {
	var text strings.Builder
	fmt.Fprintf(&text, "%s (%s) · %s contract, %s activations · %s of %s · %s of %s × %s\n",
		r.Model, strings.Join(r.Types, ", "), r.Contract, r.Activations, units.Count(int64(r.Batch), "prompt"), units.Count(int64(r.PromptTokens), "token"),
		units.Count(int64(r.Blocks), "block"), units.Count(int64(r.BlockTokens), "token"), units.Count(int64(r.Steps), "step"))
	fmt.Fprintf(&text, "best (median) of %s after %d to warm up · %s, %s, %s\n\n",
		units.Count(int64(r.Runs), "run"), r.WarmUp, r.Platform, units.Count(int64(r.Processors), "processor"), r.Go)
	var ran []Figures
	for _, e := range r.Engines {
		if e.NotRun != "" {
			fmt.Fprintf(&text, "%s: not run: %s\n\n", e.Engine, e.NotRun)
			continue
		}
		ran = append(ran, e)
	}
	if len(ran) > 0 {
		writeFigures(&text, ran)
	}
	for _, e := range ran {
		writeKernels(&text, e)
	}
	_, err := io.WriteString(out, text.String())
	return err
}

// row is a line of the table.
type row struct {
	label string
	value func(Figures) string // "" for none
}

func timed(label string, s func(Figures) Spread) row {
	return row{label, func(f Figures) string {
		if s(f).Count == 0 {
			return ""
		}
		return s(f).String()
	}}
}

func (p *PerBlock) waits() string {
	if p == nil {
		return ""
	}
	return fmt.Sprintf("%.4g", p.Waits)
}

func (p *PerBlock) launches() string {
	if p == nil {
		return ""
	}
	return fmt.Sprintf("%.4g graphs, %.4g others", p.Graphs, p.Kernels)
}

var rows = []row{
	{"", func(f Figures) string { return f.Engine }},
	{"on", func(f Figures) string { return f.Device }},
	{"load", func(f Figures) string { return duration(f.Load) }},
	timed("encode the prompts", func(f Figures) Spread { return f.Encode }),
	timed("prefill", func(f Figures) Spread { return f.Prefill }),
	timed("step, cond and uncond", func(f Figures) Spread { return f.Step }),
	timed("decode a block", func(f Figures) Spread { return f.Decode }),
	timed("commit a block", func(f Figures) Spread { return f.Commit }),
	timed("noise, guidance, sampling", func(f Figures) Spread { return f.Loop }),
	timed("block", func(f Figures) Spread { return f.Block }),
	{"host waits per block", func(f Figures) string { return f.PerBlock.waits() }},
	{"launches per block", func(f Figures) string { return f.PerBlock.launches() }},
	timed("run", func(f Figures) Spread { return f.Run }),
	{"tokens per second", func(f Figures) string { return fmt.Sprintf("%.4g", f.Speed) }},
	{"weights that a step reads", func(f Figures) string { return units.Bytes(f.StepBytes) }},
	{"read at", func(f Figures) string { return rate(f.StepRate) }},
	{"device copies at", func(f Figures) string { return rate(f.CopyRate) }},
	{"share of that", func(f Figures) string { return share(f.StepRate, f.CopyRate) }},
	{"device memory", func(f Figures) string { return memory(f) }},
	{"planned", func(f Figures) string { return planned(f) }},
}

func writeFigures(w io.Writer, ran []Figures) {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, r := range rows {
		cells, any := []string{r.label}, false
		for _, f := range ran {
			cell := r.value(f)
			any = any || cell != ""
			cells = append(cells, cell)
		}
		if any {
			fmt.Fprintln(table, strings.TrimRight(strings.Join(cells, "\t"), "\t"))
		}
	}
	table.Flush()
}

// writeKernels lists the kernels that take longest.
func writeKernels(w io.Writer, f Figures) {
	total := time.Duration(0)
	for _, k := range f.Kernels {
		total += k.Total
	}
	if total == 0 {
		return
	}
	fmt.Fprintf(w, "\nkernels of %s in encoding, prefill and one block, each waited for: %s\n", f.Engine, duration(total.Seconds()))
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "share\ttime\tlaunches\teach\t ")
	for i, k := range f.Kernels {
		if i == mostKernels {
			fmt.Fprintf(table, "\t\t\t\t  and %d more\n", len(f.Kernels)-i)
			break
		}
		fmt.Fprintf(table, "%s\t%s\t%d\t%s\t  %s\n", share(float64(k.Total), float64(total)), duration(k.Total.Seconds()), k.Launches,
			duration(k.Total.Seconds()/float64(k.Launches)), k.Name)
	}
	table.Flush()
}

// String returns "1.23 ms (1.30 ms)".
func (s Spread) String() string { return duration(s.Best) + " (" + duration(s.Median) + ")" }

// duration formats seconds to three digits.
func duration(seconds float64) string {
	for _, u := range []struct {
		factor float64
		name   string
	}{{1, "s"}, {1e3, "ms"}, {1e6, "µs"}} {
		if x := seconds * u.factor; x >= 0.9995 || u.name == "µs" {
			return digits(x) + " " + u.name
		}
	}
	return ""
}

func digits(x float64) string {
	switch {
	case x < 9.995:
		return fmt.Sprintf("%.2f", x)
	case x < 99.95:
		return fmt.Sprintf("%.1f", x)
	}
	return fmt.Sprintf("%.0f", x)
}

// rate formats bytes per second; "" for 0.
func rate(bytesPerSecond float64) string {
	if bytesPerSecond == 0 {
		return ""
	}
	return units.Bytes(int64(bytesPerSecond)) + "/s"
}

func share(part, whole float64) string {
	if whole == 0 {
		return ""
	}
	return fmt.Sprintf("%.1f %%", 100*part/whole)
}

func memory(f Figures) string {
	if f.MostMemory == 0 {
		return ""
	}
	return fmt.Sprintf("%s, at most %s", units.Bytes(f.Memory), units.Bytes(f.MostMemory))
}

// planned is the memory that was planned for all devices.
func planned(f Figures) string {
	total := int64(0)
	for _, p := range f.Plans {
		total += p.Total
	}
	if total == 0 {
		return ""
	}
	return units.Bytes(total)
}
