package convert

import (
	"context"
	"errors"
	"path/filepath"
	"time"
)

// Preview is a plan with what it takes on this machine.
type Preview struct {
	Plan
	Output string    `json:"output,omitempty"`
	Disk   Disk      `json:"disk"`
	Memory Memory    `json:"memory"`
	Time   *Estimate `json:"time,omitempty"` // nil: nothing was measured
}

// Disk says what the artifact needs where it is written.
type Disk struct {
	Folder string `json:"folder"`
	Needed int64  `json:"needed"`
	Free   *int64 `json:"free"` // null: the file system does not tell
}

// Estimate is a duration, and the measurement that it was taken from.
type Estimate struct {
	Seconds  float64 `json:"seconds"`        // of the whole conversion
	Rate     float64 `json:"rate"`           // bytes of the source per second
	Measured int64   `json:"measured_bytes"` // bytes that were read, converted and hashed, and not written
	Took     float64 `json:"measured_seconds"`
}

// PreviewOptions say what is foreseen.
type PreviewOptions struct {
	Output    string        // path of the artifact; "" for one in the working directory
	Jobs      int           // as in ExecuteOptions
	MaxMemory int64         // as in ExecuteOptions
	Force     bool          // as in ExecuteOptions
	Resume    bool          // as in ExecuteOptions
	Probe     time.Duration // to convert tiles and measure the rate; 0: no estimate
}

// Preview says what executing the plan would take, after the checks of output,
// disk and memory that Execute makes before its first byte.
func (c *Conversion) Preview(ctx context.Context, o PreviewOptions) (Preview, error) {
	p := Preview{Output: o.Output}
	dir := "."
	if o.Output != "" {
		if _, err := newTarget(o.Output, o.Force, o.Resume, c.source.files, c.OutputBytes); err != nil {
			return p, err
		}
		dir = filepath.Dir(o.Output)
	}
	p.Plan, p.Disk = c.Plan, Disk{Folder: dir, Needed: c.OutputBytes}
	if free, known := freeBytes(dir); known {
		p.Disk.Free = &free
	}
	var err error
	if p.Memory, err = c.Memory(o.Jobs, o.MaxMemory); err != nil || o.Probe <= 0 {
		return p, err
	}
	p.Time, err = c.probe(ctx, p.Memory, o.Probe)
	return p, err
}

// errEnough ends a probe.
var errEnough = errors.New("enough was measured")

// probeTiles is the number of tiles that a probe has to choose from, evenly spread.
const probeTiles = 64

// probe converts tiles for about so long, and writes nothing.
func (c *Conversion) probe(ctx context.Context, m Memory, limit time.Duration) (*Estimate, error) {
	src, err := c.openWeights()
	if err != nil {
		return nil, err
	}
	defer src.close()
	bytes := int64(0)
	start, took := time.Now(), time.Duration(0)
	r := run{conversion: c, source: src, tasks: c.spreadTiles(probeTiles)}
	r.take = func(t task, _ *result) error {
		bytes += c.sourceBytes(t.step, t.chunk)
		if took = time.Since(start); took >= limit {
			return errEnough
		}
		return nil
	}
	if err := r.execute(ctx, m); err != nil && err != errEnough {
		return nil, err
	}
	if bytes == 0 {
		return nil, nil
	}
	e := Estimate{Measured: bytes, Took: took.Seconds()}
	e.Rate = float64(e.Measured) / e.Took
	e.Seconds = float64(c.SourceBytes) / e.Rate
	return &e, nil
}

// spreadTiles lists up to n tiles of the plan, evenly spread.
func (c *Conversion) spreadTiles(n int) []task {
	var all []task
	for i, e := range c.layout {
		if c.Steps[i].Action == Compute {
			continue
		}
		for chunk := range e.DataChunks() {
			all = append(all, task{step: i, chunk: chunk})
		}
	}
	var spread []task
	for k := range min(n, len(all)) {
		spread = append(spread, all[k*len(all)/min(n, len(all))])
	}
	return spread
}
