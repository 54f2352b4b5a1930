package convert

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"colakit/formats/cola"
	"colakit/internal/blake3"
	"colakit/quantize"
)

// maxTiles bounds the tiles in work, and so the memory: 80 MiB, and 1 MiB for
// every worker.
const maxTiles = 20

// run is the execution of a plan: workers take tasks in order, and one collector
// takes their results in the same order.
type run struct {
	conversion *Conversion
	writer     *cola.Writer
	source     *weights
	progress   func(Progress)
	tasks      []task
	tallies    []quantize.Tally // by step
	done       int64            // bytes of tensors

	next    atomic.Int64
	buffers chan []byte // free ones
	results chan result
}

type result struct {
	number int // of the task
	data   []byte
	sum    blake3.Sum
	tally  quantize.Tally
	err    error
}

func newRun(c *Conversion, w *cola.Writer, src *weights, o ExecuteOptions) *run {
	return &run{
		conversion: c, writer: w, source: src, progress: o.Progress,
		tasks: schedule(c, w, src), tallies: make([]quantize.Tally, len(c.Steps)),
	}
}

// execute performs all tasks. Its error is that of the first task in order that
// failed, or the context's.
func (r *run) execute(ctx context.Context, jobs int) error {
	ctx, cancel := context.WithCancel(ctx)
	buffers := min(jobs+4, maxTiles)
	r.buffers, r.results = make(chan []byte, buffers), make(chan result, buffers)
	for range buffers {
		r.buffers <- nil
	}
	var workers sync.WaitGroup
	for range min(jobs, buffers) {
		workers.Go(func() { r.work(ctx) })
	}
	err := r.collect(ctx)
	cancel()
	workers.Wait()
	return err
}

// work performs tasks until none is left. A task is taken only with a buffer in
// hand, so that the first one without a result is always being worked on.
func (r *run) work(ctx context.Context) {
	input := make([]byte, blake3.PartSize)
	for {
		var buffer []byte
		select {
		case <-ctx.Done():
			return
		case buffer = <-r.buffers:
		}
		n := int(r.next.Add(1)) - 1
		if n >= len(r.tasks) {
			r.buffers <- buffer
			return
		}
		r.results <- r.perform(n, buffer, input)
	}
}

// collect takes the results in order.
func (r *run) collect(ctx context.Context) error {
	early := map[int]result{} // that came before their turn
	for next := 0; next < len(r.tasks); {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case res := <-r.results:
			early[res.number] = res
		}
		for res, ok := early[next]; ok; res, ok = early[next] {
			delete(early, next)
			if err := r.take(res); err != nil {
				return err
			}
			next++
		}
	}
	return ctx.Err()
}

// perform converts a tile, or hashes a part of a file.
func (r *run) perform(n int, buffer, input []byte) result {
	t := r.tasks[n]
	res := result{number: n, data: buffer}
	if t.file != nil {
		_, res.err = t.file.readPiece(input, t.file.wholePart(t.part))
		return res
	}
	if buffer == nil {
		res.data = make([]byte, cola.ChunkBytes)
	}
	res.err = r.convert(t, &res, input)
	return res
}

// convert reads and converts a tile into the result's buffer.
func (r *run) convert(t task, res *result, input []byte) error {
	step := r.conversion.Steps[t.step]
	first, n := tileElements(step, t.chunk)
	file, pieces := r.conversion.tilePieces(t.step, t.chunk, r.source)
	to, from := int64(step.To.Type.Size()), int64(step.From.Size())
	res.data = res.data[:n*to]
	at := int64(0) // elements of the tile
	for _, p := range pieces {
		src, err := file.readPiece(input, p)
		if err != nil {
			return err
		}
		k := int64(len(src)) / from
		if err := quantize.Convert(res.data[at*to:(at+k)*to], src, step.cast(), first+at, &res.tally); err != nil {
			return fmt.Errorf("%s: tensor %q: %w", file.path, step.Source, err)
		}
		at += k
	}
	res.sum = blake3.Of(res.data)
	return nil
}

// take writes a tile whose turn it is and reports the progress.
func (r *run) take(res result) error {
	defer func() { r.buffers <- res.data[:0] }()
	t := r.tasks[res.number]
	if res.err != nil || t.file != nil {
		return res.err
	}
	step, f := r.conversion.Steps[t.step], r.conversion.tensors[t.step]
	if err := unstorable(step, f.file.Path(), res.tally); err != nil {
		return err
	}
	if err := r.writer.WriteChunk(t.step, t.chunk, res.data, res.sum); err != nil {
		return err
	}
	r.tallies[t.step].Add(res.tally)
	_, n := tileElements(step, t.chunk)
	r.done += n * int64(step.From.Size())
	if r.progress != nil {
		r.progress(Progress{step.Tensor, r.done, r.conversion.read})
	}
	return nil
}

func (r *run) figures() []quantize.Figures {
	figures := make([]quantize.Figures, len(r.tallies))
	for i, t := range r.tallies {
		figures[i] = t.Figures()
	}
	return figures
}
