package export

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"colakit/internal/units"
)

// writer collects the first error of many writes.
type writer struct {
	out io.Writer
	err error
}

func (w *writer) line(format string, args ...any) {
	if w.err == nil {
		_, w.err = fmt.Fprintf(w.out, format+"\n", args...)
	}
}

// Write writes the plan for people, or as JSON.
func (p Plan) Write(out io.Writer, asJSON bool) error {
	if asJSON {
		return writeJSON(out, p)
	}
	w := &writer{out: out}
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "tensor\tshape\tfrom\tto\taction\tbytes\treason")
	for _, i := range p.Items {
		fmt.Fprintf(t, "%s\t%v\t%s\t%s\t%s\t%d\t%s\n", i.Name, i.Shape, i.From, i.To, i.Action, i.Bytes, i.Reason)
	}
	w.err = t.Flush()
	p.remarks(w)
	w.line("%d tensors, %d bytes in all as %s", len(p.Items), p.Bytes, p.Format)
	return w.err
}

// remarks writes what a user should know.
func (p Plan) remarks(w *writer) {
	for _, n := range p.Notes {
		w.line("  note     %s", n)
	}
	w.line("  runs in  %s", runsIn[p.Format])
}

// runsIn says what can run an export, and not only read it.
var runsIn = map[Format]string{
	SafeTensors:       "the public Python package (from_pretrained); colaconv convert takes it, too",
	CompressedTensors: "the public Python package with Transformers and compressed-tensors; vLLM reads it and can't run it",
	GGUF:              "nothing: programs built on ggml read it, and have no Cola DLM",
}

// Write says what was done, for people or as JSON. The plan is the one that was
// executed.
func (s Summary) Write(out io.Writer, p Plan, asJSON bool) error {
	if asJSON {
		return writeJSON(out, struct {
			Summary
			Plan Plan `json:"plan"`
		}{s, p})
	}
	w := &writer{out: out}
	w.line("%s  %s as %s in %v, read back and compared", s.Output, units.Bytes(s.Bytes), p.Format, s.Duration.Round(10*time.Millisecond))
	w.line("  tensors  %d: %s", s.Tensors, p.counts())
	p.remarks(w)
	return w.err
}

// counts says how many tensors are treated how: "58 round to bf16, 68 copy as f32".
func (p Plan) counts() string {
	number := map[string]int{}
	var order []string
	for _, i := range p.Items {
		what := verbs[i.Action] + " " + i.To
		if number[what]++; number[what] == 1 {
			order = append(order, what)
		}
	}
	text := ""
	for i, what := range order {
		if i > 0 {
			text += ", "
		}
		text += fmt.Sprintf("%d %s", number[what], what)
	}
	return text
}

var verbs = map[Action]string{
	Copy: "copied as", Widen: "widened to", Round: "rounded to",
	Dequantize: "decoded to", Quantize: "quantised to", Requantize: "decoded and quantised to",
}

func writeJSON(out io.Writer, v any) error {
	e := json.NewEncoder(out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
