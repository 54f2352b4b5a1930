package cola

import (
	"cmp"
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"colakit/formats/tensor"
	"colakit/internal/blake3"
)

// Damage is one part of a file that is not what its checksum says.
type Damage struct {
	Tensor string // "" for sections and padding
	Chunk  int    // of the tensor; −1 where that can't be said
	Offset int64  // of the bytes that were checked
	Bytes  int64
	Err    error // one line; wraps tensor.ErrDamaged
}

// CheckOptions say how a file is checked. The zero value is one worker per
// processor and no reports.
type CheckOptions struct {
	Jobs int // workers; 0: one per processor

	// Progress, if set, is told the bytes that were checked, out of total. It
	// is called by one worker at a time.
	Progress func(done, total int64)

	// Values, if set, is given every chunk of every tensor, those of scales too,
	// cut into pieces of whole elements, by several workers at once, while they are
	// in the processor's caches. Entry.ChunkType says what they hold.
	Values func(tensor, chunk int, data []byte)
}

// Check reads the whole file and returns its damage, by offset: checksums of
// chunks, tensors and sections, and the padding. What Open checks is known to be
// right. The error is that of the context.
func (f *File) Check(ctx context.Context, o CheckOptions) ([]Damage, error) {
	c := checker{file: f, options: o}
	for i, e := range f.index.tensors {
		c.total += e.TotalBytes()
		c.addTasks(i, e)
	}
	c.checkSections()
	c.checkAllPadding()
	c.run(ctx)
	slices.SortFunc(c.damage, func(a, b Damage) int { return cmp.Compare(a.Offset, b.Offset) })
	return c.damage, ctx.Err()
}

// task is a chunk of a tensor to check, or all of one (chunk whole) whose chunks'
// sums are damaged themselves: its data may be sound.
type task struct{ tensor, chunk int }

const whole = -1

func (c *checker) addTasks(i int, e Entry) {
	if err := c.file.guard(func() error { return c.file.verifyChunkSums(i) }); err != nil {
		c.tasks = append(c.tasks, task{i, whole})
		return
	}
	for k := range e.Chunks() {
		c.tasks = append(c.tasks, task{i, k})
	}
}

type checker struct {
	file    *File
	options CheckOptions
	tasks   []task
	next    atomic.Int64
	total   int64

	mu     sync.Mutex // guards what follows
	done   int64
	damage []Damage
}

func (c *checker) run(ctx context.Context) {
	jobs := c.options.Jobs
	if jobs <= 0 {
		jobs = runtime.GOMAXPROCS(0)
	}
	var workers sync.WaitGroup
	for range min(jobs, len(c.tasks)) {
		workers.Go(func() {
			for ctx.Err() == nil {
				n := int(c.next.Add(1)) - 1
				if n >= len(c.tasks) {
					return
				}
				c.perform(c.tasks[n])
			}
		})
	}
	workers.Wait()
}

func (c *checker) perform(t task) {
	f := c.file
	e := f.index.tensors[t.tensor]
	offset, bytes := e.Offset, e.TotalBytes()
	verify := func() error { return c.verifyWhole(t.tensor) }
	if t.chunk != whole {
		offset, bytes = e.span(t.chunk)
		verify = func() error { return c.verifyChunk(t) }
	}
	err := f.guard(verify)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		c.damage = append(c.damage, Damage{Tensor: e.Name, Chunk: t.chunk, Offset: offset, Bytes: bytes, Err: err})
	}
	c.done += bytes
	if c.options.Progress != nil && bytes > 0 {
		c.options.Progress(c.done, c.total)
	}
}

func (c *checker) verifyChunk(t task) error {
	defer c.file.forget(c.file.chunk(t.tensor, t.chunk))
	return c.file.compareSum(t.tensor, t.chunk, c.sum(t))
}

// sum returns the sum of a chunk, whose values are looked at on the way.
func (c *checker) sum(t task) blake3.Sum {
	return blake3.InParts(c.file.chunk(t.tensor, t.chunk), func(part []byte) {
		if c.options.Values != nil {
			c.options.Values(t.tensor, t.chunk, part)
		}
	})
}

// verifyWhole checks a tensor's data against its own sum alone.
func (c *checker) verifyWhole(i int) error {
	f := c.file
	var computed []byte
	for k := range f.index.tensors[i].Chunks() {
		sum := c.sum(task{i, k})
		computed = append(computed, sum[:]...)
	}
	if tensorSum(computed) != f.index.tensors[i].Sum {
		return fmt.Errorf("%s: tensor %q: %w, and neither do those of its chunks", f.name, f.index.tensors[i].Name, ErrSum)
	}
	return nil
}

func (c *checker) checkSections() {
	for _, s := range c.file.index.sections {
		if err := c.file.verifySection(s); err != nil {
			c.damage = append(c.damage, Damage{Chunk: whole, Offset: s.Offset, Bytes: s.Bytes, Err: err})
		}
	}
}

func (c *checker) checkAllPadding() {
	x, end := c.file.index, int64(superblockBytes)
	for _, e := range x.tensors {
		for _, r := range e.regions() {
			c.checkPadding(end, r.offset)
			end = r.offset + r.bytes
		}
	}
	for _, s := range x.sections {
		c.checkPadding(end, s.Offset)
		end = s.Offset + s.Bytes
	}
	c.checkPadding(end, c.file.super.indexOffset)
}

func (c *checker) checkPadding(from, to int64) {
	f := c.file
	err := f.guard(func() error {
		for i, b := range f.bytes(from, to-from) {
			if b != 0 {
				return fmt.Errorf("%s: %w: byte %d of the file is %#02x", f.name, ErrPadding, from+int64(i), b)
			}
		}
		return nil
	})
	if err != nil {
		c.damage = append(c.damage, Damage{Chunk: whole, Offset: from, Bytes: to - from, Err: err})
	}
}

// FirstDamage returns nil for no damage, and else one error for all of it.
func FirstDamage(damage []Damage) error {
	switch len(damage) {
	case 0:
		return nil
	case 1:
		return damage[0].Err
	}
	return tensor.Damagedf("%w (and %d more)", damage[0].Err, len(damage)-1)
}
