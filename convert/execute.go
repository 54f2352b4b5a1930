package convert

import (
	"context"
	"fmt"
	"time"

	"colakit/internal/blake3"
)

// ExecuteOptions say how a plan is executed.
type ExecuteOptions struct {
	Jobs      int   // workers; 0: one per processor
	MaxMemory int64 // bytes of resident memory; fewer jobs and tiles where they do not fit; 0: no limit
	Force     bool  // replace an output that is there
	Resume    bool  // go on where an earlier conversion was interrupted, and be resumable
	Progress  func(Progress)
	// Verify holds the complete artifact, which is at path and has not got its name
	// yet, against the Bundles of Options. Its verdicts are stored in the artifact;
	// its error, one for a verdict that is bad included, ends the execution.
	Verify func(ctx context.Context, path string) (Verification, error)
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
	Resumed     int           `json:"resumed,omitempty"` // tensors that an earlier execution had written
	Duration    time.Duration `json:"duration_ns"`
	Memory      Memory        `json:"memory"`                // as planned
	PeakMemory  int64         `json:"peak_memory,omitempty"` // of this process so far, where the system tells
	Results     []Result      `json:"results"`               // in the order of the plan
	// Verification is what the artifact says of itself.
	Verification Verification `json:"verification"`
}

// Execute writes the artifact to the file out. On an error, or when the context is
// cancelled, nothing is left behind and a previous file stays as it was. With
// Resume what is written so far stays beside out, for a later Execute with Resume
// of the same source and plan; the artifact has the same bytes.
func (c *Conversion) Execute(ctx context.Context, out string, o ExecuteOptions) (s Summary, err error) {
	start := time.Now()
	if (o.Verify != nil) != (c.bundles > 0) {
		return Summary{}, fmt.Errorf("a verification against %d golden bundles was prepared: Execute wants a Verify for them, and only for them", c.bundles)
	}
	m, err := c.Memory(o.Jobs, o.MaxMemory)
	if err != nil {
		return Summary{}, err
	}
	if err := c.Scan(ctx, ScanOptions{o.Jobs, o.MaxMemory, o.Progress}); err != nil {
		return Summary{}, err
	}
	t, err := newTarget(out, o.Force, o.Resume, c.source.files, c.OutputBytes)
	if err != nil {
		return Summary{}, err
	}
	src, err := c.openWeights()
	if err != nil {
		return Summary{}, err
	}
	defer src.close()
	if err := c.computeTable(ctx, src, o.Progress); err != nil {
		return Summary{}, err
	}
	file, entries, err := c.create(t, src)
	if err != nil {
		return Summary{}, err
	}
	defer func() { file.discard(err) }()
	if err := file.preallocate(c.OutputBytes); err != nil {
		return Summary{}, err
	}
	e, err := c.newExecution(file, src, o.Progress)
	if err != nil {
		return Summary{}, err
	}
	if err := e.restore(ctx, file, entries, m.Jobs); err != nil {
		return Summary{}, err
	}
	e.journal = file.journal
	if s, err = e.write(ctx, m); err != nil {
		return Summary{}, err
	}
	peak := peakMemory() // a verification takes its own
	if o.Verify != nil {
		if s, err = e.verify(ctx, file, o.Verify); err != nil {
			return Summary{}, err
		}
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
	s.Memory, s.PeakMemory = m, peak
	return s, nil
}
