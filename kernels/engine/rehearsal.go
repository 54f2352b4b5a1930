package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"colakit/formats/hf"
	"colakit/formats/tensor"
	"colakit/kernels/cuda"
	"colakit/kernels/device"
	"colakit/reference/generate"
)

// rehearsal is a device on which nothing happens: it gives out addresses, checks every
// call, and counts. An engine that is made and run on it takes what it will take of the
// real device, and makes the same calls.
type rehearsal struct {
	info    device.Info
	kernels map[string]cuda.Kernel
	ledger  device.Ledger
	next    device.Pointer
	most    int64 // bytes that were live at a time
	loading int64 // of them while the engine was made
	rounded int64 // what is live, as the driver's allocator takes it
}

func newRehearsal(info device.Info) (*rehearsal, error) {
	all, err := cuda.Kernels()
	if err != nil {
		return nil, err
	}
	r := &rehearsal{info: info, kernels: map[string]cuda.Kernel{}, ledger: device.Ledger{Device: "rehearsal"}, next: alignment}
	for _, k := range all {
		r.kernels[k.Name] = k
	}
	return r, nil
}

// Sizes of the pages of NVIDIA's allocator: small buffers share one.
const (
	driverPage  = 2 << 20
	smallBuffer = 1 << 20
)

// onDriver returns what cuMemAlloc takes for a buffer.
func onDriver(bytes int64) int64 {
	if bytes < smallBuffer {
		return aligned(bytes)
	}
	return (bytes + driverPage - 1) / driverPage * driverPage
}

func (r *rehearsal) Info() device.Info { return r.info }

func (r *rehearsal) Alloc(bytes int64) (device.Buffer, error) {
	if err := r.ledger.Reserve(bytes); err != nil {
		return device.Buffer{}, err
	}
	b := device.Buffer{Pointer: r.next, Bytes: bytes}
	r.next += device.Pointer(aligned(bytes))
	r.ledger.Add(b)
	r.most = max(r.most, r.ledger.Used)
	r.rounded += onDriver(bytes)
	return b, nil
}

func (r *rehearsal) Free(b device.Buffer) error {
	r.rounded -= onDriver(b.Bytes)
	return r.ledger.Remove(b)
}

func (r *rehearsal) Upload(dst device.Buffer, offset int64, src []byte) error {
	return r.ledger.Check("Upload", dst, offset, int64(len(src)))
}

func (r *rehearsal) Download(dst []byte, src device.Buffer, offset int64) error {
	return r.ledger.Check("Download", src, offset, int64(len(dst)))
}

func (r *rehearsal) Copy(dst device.Buffer, dstOffset int64, src device.Buffer, srcOffset, bytes int64) error {
	if err := r.ledger.Check("Copy to", dst, dstOffset, bytes); err != nil {
		return err
	}
	return r.ledger.Check("Copy from", src, srcOffset, bytes)
}

func (r *rehearsal) Zero(b device.Buffer, offset, bytes int64) error {
	return r.ledger.Check("Zero", b, offset, bytes)
}

func (r *rehearsal) Launch(kernel string, l device.Launch, args ...any) error {
	k, ok := r.kernels[kernel]
	if !ok {
		return device.Argumentf("there is no kernel %q", kernel)
	}
	_, err := device.Pack(k, l, r.info.SharedPerBlock-staticShared, args)
	return err
}

func (r *rehearsal) Capture(record func() error) (device.Graph, error) { return still{}, record() }

func (r *rehearsal) Synchronize() error { return nil }

func (r *rehearsal) Time(f func() error) (time.Duration, error) { return 0, f() }

func (r *rehearsal) Close() error { return nil }

// still is a graph that does nothing.
type still struct{}

func (still) Launch() error { return nil }
func (still) Close() error  { return nil }

// rehearse makes the engine without its weights and goes through the largest run: the
// prompts, and the last block of every sample. What the kernels refuse is refused here,
// before anything is uploaded.
func rehearse(src tensor.Source, cfg hf.Config, info device.Info, o Options, sums int64) (*engine, *rehearsal, error) {
	d, err := newRehearsal(info)
	if err != nil {
		return nil, nil, err
	}
	e, err := build(src, cfg, d, o, sums, true)
	d.loading = d.most
	if err == nil {
		err = e.largestRun(context.Background())
	}
	if errors.Is(err, device.ErrArgument) {
		err = fmt.Errorf("%w: %w; use the reference engine", err, ErrUnsupported)
	}
	return e, d, err
}

// largestRun makes the calls of a run that take most.
func (e *engine) largestRun(ctx context.Context) error {
	m, x := e.Model(), e.options.Extent
	if err := m.CheckLogits(x.Batch); err != nil {
		return err
	}
	layout := generate.NewLayout(make([]int32, max(x.PromptTokens, 1)), 0, m)
	ids, prefix, rows := make([][]int32, x.Batch), make([][]float32, x.Batch), make([]int, x.Batch)
	for i := range x.Batch {
		ids[i], prefix[i] = layout.IDs, make([]float32, layout.Prefix*m.LatentDim)
		rows[i] = layout.Prefix + x.newRows(m) - m.BlockSize
	}
	if _, err := e.Encode(ctx, ids); err != nil {
		return err
	}
	if err := e.Prefill(ctx, prefix); err != nil {
		return err
	}
	n := x.Batch * m.BlockSize
	if err := e.largestBlocks(ctx, rows, n); err != nil {
		return err
	}
	e.loop.forget()
	e.batch = &batch{dit: rows, decoder: rows}
	pass := generate.Pass{Z: make([]float32, n*m.LatentDim), T: make([]float32, n)}
	for _, call := range []func() error{
		func() error { _, _, err := e.Velocity(ctx, pass); return err },
		func() error { _, err := e.Decode(ctx, pass); return err },
		func() error { return e.Commit(ctx, pass) },
	} {
		if err := call(); err != nil {
			return err
		}
	}
	return nil
}

// largestBlocks runs the last two blocks of samples, the second of which commits the
// first: behind so many rows, with n rows of latents.
func (e *engine) largestBlocks(ctx context.Context, before []int, n int) error {
	m, o := e.Model(), generate.Defaults()
	f := generate.Flow{Z: make([]float32, n*m.LatentDim), Guidance: make([]float32, len(before))}
	if m.Schedule != nil {
		o.T, o.Steps = float64(m.Schedule.T), m.Schedule.Steps
	}
	f.T = generate.Schedule(o.T, o.Steps)[:o.Steps]
	f.Widths = make([]float32, o.Steps)
	first := slices.Clone(before)
	if first[0] >= m.BlockSize && e.options.Extent.newRows(m) > m.BlockSize {
		for i := range first {
			first[i] -= m.BlockSize
		}
	}
	e.batch = &batch{dit: first, decoder: slices.Clone(first)}
	seen := make([][]int32, len(before))
	for {
		if err := e.Denoise(ctx, f); err != nil {
			return err
		}
		if _, _, err := e.Tokens(ctx, seen, o.Sampling); err != nil {
			return err
		}
		if e.batch.decoder[0] > before[0] {
			return nil
		}
		for i := range seen {
			seen[i] = make([]int32, m.BlockSize*m.PatchSize)
		}
	}
}
