package convert

import (
	"context"
	"io"

	"colakit/formats/cola"
	"colakit/internal/blake3"
	"colakit/quantize"
)

// execution writes a plan's artifact.
type execution struct {
	*Conversion
	writer   *cola.Writer
	source   *weights
	progress func(Progress)
	journal  *journal // nil: none is kept
	figures  []quantize.Figures
	complete []bool     // steps that need not be done any more
	resumed  int        // of them, before this execution
	done     int64      // bytes of tensors read
	made     Provenance // once everything is written
	current  tensorState
}

// tensorState is what was seen of the tensor that is being written.
type tensorState struct {
	tally        quantize.Tally
	data, scales []blake3.Sum
	parts        []journalPart // since the tensor before was complete
}

func (c *Conversion) newExecution(out io.WriterAt, src *weights, progress func(Progress)) (*execution, error) {
	w, err := c.newWriter(out)
	if err != nil {
		return nil, err
	}
	n := len(c.Steps)
	return &execution{
		Conversion: c, writer: w, source: src, progress: progress,
		figures: make([]quantize.Figures, n), complete: make([]bool, n),
	}, nil
}

// write writes everything that is not complete.
func (e *execution) write(ctx context.Context, m Memory) (Summary, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	d := e.startDigests(ctx, e.source)
	var steps []int
	for i, complete := range e.complete {
		if !complete {
			steps = append(steps, i)
		}
	}
	r := run{conversion: e.Conversion, source: e.source, tasks: schedule(e.Conversion, e.source, steps), take: e.take}
	if err := r.execute(ctx, m); err != nil {
		cancel()
		d.wait() // it reads the files, which are closed next
		return Summary{}, err
	}
	if err := d.wait(); err != nil {
		return Summary{}, err
	}
	if err := e.source.unchanged(); err != nil {
		return Summary{}, err
	}
	return e.finish(d)
}

// take writes a tile whose turn it is and reports the progress.
func (e *execution) take(t task, res *result) error {
	if t.file != nil {
		e.noteParts(t.file, t.file.wholePart(t.part))
		return nil
	}
	step, path := e.Steps[t.step], e.tensors[t.step].path()
	if err := unstorable(step, path, res.tally); err != nil {
		return err
	}
	if err := e.writeTile(t, res); err != nil {
		return err
	}
	e.current.tally.Add(res.tally)
	h, pieces := e.tilePieces(t.step, t.chunk, e.source)
	e.noteParts(h, pieces...)
	if t.chunk == e.layout[t.step].DataChunks()-1 {
		if err := e.settle(t.step, path); err != nil {
			return err
		}
	}
	e.done += e.sourceBytes(t.step, t.chunk)
	if e.progress != nil {
		e.progress(Progress{step.Tensor, e.done, e.read})
	}
	return nil
}

func (e *execution) writeTile(t task, res *result) error {
	if err := e.writer.WriteChunk(t.step, t.chunk, res.data, res.dataSum); err != nil {
		return err
	}
	e.current.data = append(e.current.data, res.dataSum)
	if e.layout[t.step].Scales == nil {
		return nil
	}
	e.current.scales = append(e.current.scales, res.scaleSum)
	return e.writer.WriteScales(t.step, t.chunk, res.scales, res.scaleSum)
}

// settle ends a tensor: all of its tiles are written.
func (e *execution) settle(step int, path string) error {
	now := e.current
	e.current = tensorState{}
	if err := e.Steps[step].changed(path, now.tally); err != nil {
		return err
	}
	e.figures[step] = now.tally.Figures()
	if e.journal == nil {
		return nil
	}
	return e.journal.add(journalEntry{step, e.Steps[step].Tensor, e.figures[step], now.data, now.scales, now.parts})
}

// noteParts keeps the parts that were hashed for the journal.
func (e *execution) noteParts(h *weightFile, pieces ...piece) {
	if e.journal == nil || h == nil || len(h.parts) < 2 {
		return
	}
	for _, p := range pieces {
		if p.part >= 0 {
			e.current.parts = append(e.current.parts, journalPart{h.number, p.part, h.parts[p.part].Value()})
		}
	}
}

// finish says what was done, and writes everything but the tensors.
func (e *execution) finish(d *digests) (Summary, error) {
	p := Provenance{Tool: Tool, Plan: e.Plan, Verification: Verification{State: Unverified}}
	for _, f := range e.Conversion.source.files {
		p.Sources = append(p.Sources, SourceSum{f.name, f.size, e.source.sum(f), d.sums[f]})
	}
	if e.AdaTable != nil {
		p.AdaTable = &e.tableSource
	}
	for i, s := range e.Steps {
		p.Results = append(p.Results, Result{s.Tensor, e.figures[i]})
	}
	e.made = p
	return e.seal()
}

// seal writes everything but the tensors. It may be done again, with another
// provenance: the file keeps its size.
func (e *execution) seal() (Summary, error) {
	raw, err := e.made.encode(e.reserve)
	if err != nil {
		return Summary{}, err
	}
	root, size, err := e.writer.Finish(e.meta(raw))
	return Summary{
		Root: root, SourceBytes: e.SourceBytes, OutputBytes: size, Tensors: len(e.Steps), Results: e.made.Results, Resumed: e.resumed,
		Verification: e.made.Verification,
	}, err
}
