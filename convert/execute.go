package convert

import (
	"context"
	"io"
	"runtime"
	"time"

	"colakit/formats/cola"
	"colakit/internal/blake3"
	"colakit/quantize"
)

// ExecuteOptions say how a plan is executed.
type ExecuteOptions struct {
	Jobs     int  // workers; 0: one per processor
	Force    bool // replace an output that is there
	Progress func(Progress)
}

// Progress is a step of the work. Reports come in order, from one goroutine.
type Progress struct {
	Doing string // the tensor that is worked on, or what else is done
	Done  int64  // bytes of tensors read so far
	Total int64
}

// waiting is what is done at the end: the file is written, but not on the disk.
const waiting = "waiting for the disk"

// Summary says what an execution did.
type Summary struct {
	Output      string        `json:"output"`
	Root        blake3.Sum    `json:"root"` // identifies the artifact
	SourceBytes int64         `json:"source_bytes"`
	OutputBytes int64         `json:"output_bytes"`
	Tensors     int           `json:"tensors"`
	Duration    time.Duration `json:"duration_ns"`
	Results     []Result      `json:"-"` // in the order of the plan
}

// Execute writes the artifact to the file out. On an error, or when the context is
// cancelled, nothing is left behind and a previous file stays as it was.
func (c *Conversion) Execute(ctx context.Context, out string, o ExecuteOptions) (Summary, error) {
	start := time.Now()
	t, err := newTarget(out, o.Force, c.source.files, c.OutputBytes)
	if err != nil {
		return Summary{}, err
	}
	file, err := t.create()
	if err != nil {
		return Summary{}, err
	}
	defer file.discard()
	if err := file.preallocate(c.OutputBytes); err != nil {
		return Summary{}, err
	}
	s, err := c.write(ctx, file, o)
	if err != nil {
		return Summary{}, err
	}
	if err := ctx.Err(); err != nil {
		return Summary{}, err
	}
	if o.Progress != nil {
		o.Progress(Progress{waiting, c.read, c.read})
	}
	if err := file.commit(); err != nil {
		return Summary{}, err
	}
	s.Output, s.Duration = out, time.Since(start)
	return s, nil
}

// write writes the artifact.
func (c *Conversion) write(ctx context.Context, out io.WriterAt, o ExecuteOptions) (Summary, error) {
	w, err := c.newWriter(out)
	if err != nil {
		return Summary{}, err
	}
	src, err := c.openWeights()
	if err != nil {
		return Summary{}, err
	}
	defer src.close()
	r := newRun(c, w, src, o)
	if err := r.execute(ctx, o.jobs()); err != nil {
		return Summary{}, err
	}
	if err := src.unchanged(); err != nil {
		return Summary{}, err
	}
	return c.finish(w, r.figures(), src)
}

func (o ExecuteOptions) jobs() int {
	if o.Jobs > 0 {
		return o.Jobs
	}
	return runtime.GOMAXPROCS(0)
}

// finish writes everything but the tensors.
func (c *Conversion) finish(w *cola.Writer, figures []quantize.Figures, src *weights) (Summary, error) {
	p := Provenance{Tool: Tool, Plan: c.Plan, Verification: Verification{Unverified}}
	for _, f := range c.source.files {
		p.Sources = append(p.Sources, SourceSum{f.name, f.size, src.sum(f)})
	}
	for i, s := range c.Steps {
		p.Results = append(p.Results, Result{s.Tensor, figures[i]})
	}
	raw, err := p.encode(c.reserve)
	if err != nil {
		return Summary{}, err
	}
	root, size, err := w.Finish(c.meta(raw))
	return Summary{
		Root: root, SourceBytes: c.SourceBytes, OutputBytes: size, Tensors: len(c.Steps), Results: p.Results,
	}, err
}
