package convert

import (
	"cmp"
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"colakit/internal/blake3"
	"colakit/internal/directio"
	"colakit/quantize"
)

// run performs tasks: workers take them in order, and one collector is given
// their results in the same order.
type run struct {
	conversion *Conversion
	source     *weights
	tasks      []task
	take       func(task, *result) error // called by the collector

	next    atomic.Int64
	buffers chan []byte // free ones
	results chan *result
}

type result struct {
	number            int    // of the task
	buffer            []byte // that holds data and scales
	data, scales      []byte
	dataSum, scaleSum blake3.Sum
	tally             quantize.Tally
	err               error
}

// execute performs all tasks. Its error is that of the first task in order that
// failed, or the context's.
func (r *run) execute(ctx context.Context, m Memory) error {
	ctx, cancel := context.WithCancel(ctx)
	r.buffers, r.results = make(chan []byte, m.Tiles), make(chan *result, m.Tiles)
	size := (int(m.Tile) + directio.Align - 1) &^ (directio.Align - 1)
	for buffers := directio.Buffer(m.Tiles * size); len(buffers) > 0; buffers = buffers[size:] {
		r.buffers <- buffers[:size:size]
	}
	var workers sync.WaitGroup
	for range m.Jobs {
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
	early := map[int]*result{} // that came before their turn
	for next := 0; next < len(r.tasks); {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case res := <-r.results:
			early[res.number] = res
		}
		for res, ok := early[next]; ok; res, ok = early[next] {
			delete(early, next)
			if err := r.pass(res); err != nil {
				return err
			}
			next++
		}
	}
	return ctx.Err()
}

// pass gives a result to the one who takes it, and its buffer back.
func (r *run) pass(res *result) error {
	defer func() { r.buffers <- res.buffer }()
	if res.err != nil {
		return res.err
	}
	return r.take(r.tasks[res.number], res)
}

// perform converts a tile, or hashes a part of a file.
func (r *run) perform(n int, buffer, input []byte) *result {
	t := r.tasks[n]
	res := &result{number: n, buffer: buffer}
	if t.file != nil {
		_, res.err = t.file.readPiece(input, t.file.wholePart(t.part))
		return res
	}
	res.err = r.convert(t, res, input)
	return res
}

// convert reads and converts a tile into the result's buffer.
func (r *run) convert(t task, res *result, input []byte) error {
	step, e := r.conversion.Steps[t.step], r.conversion.layout[t.step]
	first, _ := e.Elements(t.chunk)
	res.data = res.buffer[:e.ChunkBytes(t.chunk)]
	if e.Scales != nil {
		n := e.ChunkBytes(e.DataChunks() + t.chunk)
		res.scales = res.buffer[len(res.data) : int64(len(res.data))+n]
	}
	tile, err := quantize.NewTile(res.data, res.scales, step.cast(), step.Shape, first)
	if err == nil {
		err = r.fill(tile, t, input)
	}
	if err == nil {
		res.tally, err = tile.Tally()
	}
	if err != nil {
		return fmt.Errorf("%s: tensor %q: %w", r.conversion.tensors[t.step].path(), cmp.Or(step.Source, step.Tensor), err)
	}
	res.dataSum, res.scaleSum = blake3.Of(res.data), blake3.Of(res.scales)
	return nil
}

// fill gives a tile the elements that it is converted from.
func (r *run) fill(tile *quantize.Tile, t task, input []byte) error {
	step := r.conversion.Steps[t.step]
	if step.Action == Compute {
		first, n := r.conversion.layout[t.step].Elements(t.chunk)
		size := int64(step.From.Size())
		return tile.Write(r.conversion.table[step.Tensor][first*size : (first+n)*size])
	}
	file, pieces := r.conversion.tilePieces(t.step, t.chunk, r.source)
	for _, p := range pieces {
		src, err := file.readPiece(input, p)
		if err != nil {
			return err
		}
		if err := tile.Write(src); err != nil {
			return err
		}
	}
	return nil
}
