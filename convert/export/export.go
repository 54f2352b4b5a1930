package export

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"colakit/formats/tensor"
	"colakit/internal/mmap"
)

// Export is a checked artifact with the plan for its export.
type Export struct {
	Plan

	model  *model
	layout *layout
}

// Prepare opens the artifact and plans its export. All that the format can't hold
// is refused here, by name. Errors that mean damage wrap tensor.ErrDamaged.
func Prepare(path string, o Options) (*Export, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	m, err := openModel(path)
	if err != nil {
		return nil, err
	}
	l, err := planners[o.Format](m, o)
	if err != nil {
		m.Close()
		return nil, err
	}
	l.finish(m, o)
	return &Export{Plan: l.Plan, model: m, layout: l}, nil
}

var planners = map[Format]func(*model, Options) (*layout, error){
	SafeTensors:       planSafeTensors,
	CompressedTensors: planCompressed,
	GGUF:              planGGUF,
}

// finish fills in what the plan says as a whole.
func (l *layout) finish(m *model, o Options) {
	l.Artifact, l.Format, l.Type = m.Root().String(), o.Format, o.Type
	for _, s := range l.steps {
		l.Items = append(l.Items, s.Item)
	}
	for _, f := range l.files {
		l.Bytes += f.size
		if f.path != "" {
			l.Files = append(l.Files, f.path)
		}
	}
	if l.Notes == nil {
		l.Notes = []string{}
	}
}

// ErrDiffers is wrapped by the error for an export that, read back, does not hold
// what the artifact does.
var ErrDiffers = errors.New("the export is not what the artifact holds")

// Close closes the artifact.
func (e *Export) Close() error { return e.model.Close() }

// ExecuteOptions say how a plan is executed.
type ExecuteOptions struct {
	Jobs     int  // workers; 0: one per processor
	Force    bool // replace an export that is there
	Progress func(Progress)
}

// Progress is a step of the work. Reports come one at a time.
type Progress struct {
	Doing string // "write NAME" or "compare NAME"
	Done  int64  // bytes of tensors of the output, each of which is written and compared
	Total int64
}

// Summary says what an export did.
type Summary struct {
	Output   string        `json:"output"`
	Bytes    int64         `json:"bytes"`
	Tensors  int           `json:"tensors"`
	Duration time.Duration `json:"duration_ns"`
}

// Execute writes the export to out, reads it back and compares it with the
// artifact. On an error, or when the context is cancelled, nothing is left behind
// and what was at out before stays as it was.
func (e *Export) Execute(ctx context.Context, out string, o ExecuteOptions) (Summary, error) {
	start := time.Now()
	folder := len(e.Files) > 0
	t, err := newTarget(out, folder, o.Force, e.model.File.Name(), e.Bytes)
	if err != nil {
		return Summary{}, err
	}
	if err := t.begin(); err != nil {
		return Summary{}, err
	}
	defer t.discard()
	r := run{Export: e, target: t, options: o}
	for _, s := range e.layout.steps {
		r.total += 2 * s.Bytes
	}
	if err := r.write(ctx); err != nil {
		return Summary{}, err
	}
	if err := r.compare(ctx); err != nil {
		return Summary{}, err
	}
	if err := t.commit(); err != nil {
		return Summary{}, err
	}
	return Summary{Output: out, Bytes: e.Bytes, Tensors: len(e.Items), Duration: time.Since(start)}, nil
}

// run is one execution.
type run struct {
	*Export
	target  *target
	options ExecuteOptions
	files   []*os.File
	read    []written

	mu          sync.Mutex
	done, total int64
}

// write writes all files and puts them on the disk.
func (r *run) write(ctx context.Context) (err error) {
	defer func() { err = errors.Join(err, r.closeFiles()) }()
	for _, f := range r.layout.files {
		if err := r.create(f); err != nil {
			return err
		}
	}
	tasks := r.tasks()
	err = forEach(ctx, r.options.Jobs, len(tasks), func(i int, b *buffers) error { return r.writeTile(tasks[i], b) })
	if err != nil {
		return err
	}
	for _, f := range r.files {
		if err := f.Sync(); err != nil {
			return fmt.Errorf("syncing the export: %w", err)
		}
	}
	return nil
}

func (r *run) create(f file) error {
	path := r.path(f)
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return err
	}
	w, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return err
	}
	r.files = append(r.files, w)
	if err := f.frame(w); err != nil {
		return fmt.Errorf("writing the export: %w", err)
	}
	if err := w.Truncate(f.size); err != nil {
		return fmt.Errorf("writing the export: %w", err)
	}
	return nil
}

// path returns where a file is while it is written.
func (r *run) path(f file) string {
	return filepath.Join(r.target.temp, filepath.FromSlash(f.path))
}

func (r *run) closeFiles() error {
	var errs []error
	for _, f := range r.files {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}

// task is a tile of a step.
type task struct{ step, tile int }

func (r *run) tasks() []task {
	var tasks []task
	for i, s := range r.layout.steps {
		for k := range tiles(s.Shape) {
			tasks = append(tasks, task{i, k})
		}
	}
	return tasks
}

// withTile calls work with a tile of the artifact, which is given back after it.
func (r *run) withTile(t task, doing string, work func(s step, tile tile, data, scales span) error) error {
	s := r.layout.steps[t.step]
	v, err := r.model.Read(s.Tensor)
	if err != nil {
		return err
	}
	tile := cut(v, t.tile)
	defer func() { _ = r.model.Forget(tile.view.Data) }()
	d, n := s.codec.rowBytes(tile.cols)
	first := t.tile * tileRows(tile.cols)
	data := span{s.data, s.data.offset + int64(first)*int64(d), tile.rows * d, int64(first) * int64(d)}
	scales := span{s.scales, s.scales.offset + int64(first)*int64(n), tile.rows * n, int64(first) * int64(n)}
	err = mmap.Guard(r.model.File.Name(), func() error { return work(s, tile, data, scales) })
	if errors.Is(err, mmap.ErrChanged) {
		err = tensor.Damagedf("%w", err)
	}
	if err != nil {
		return fmt.Errorf("tensor %q as %v: %w", s.Tensor, s.codec, err)
	}
	r.report(doing+" "+s.Tensor, int64(data.bytes+scales.bytes))
	return nil
}

// span is where a tile's bytes are in the output.
type span struct {
	place
	at     int64 // in the file
	bytes  int
	within int64 // the tensor
}

func (r *run) writeTile(t task, b *buffers) error {
	return r.withTile(t, "write", func(s step, tile tile, data, scales span) error {
		to, beside := room(&b.data, data.bytes), room(&b.scales, scales.bytes)
		if err := s.codec.encode(to, beside, tile, b); err != nil {
			return err
		}
		return errors.Join(data.write(r.files, to), scales.write(r.files, beside))
	})
}

func (s span) write(files []*os.File, data []byte) error {
	if s.bytes == 0 {
		return nil
	}
	_, err := io.WriterAt(files[s.file]).WriteAt(data, s.at)
	return err
}

// compare reads the written files through the readers of their formats.
func (r *run) compare(ctx context.Context) (err error) {
	defer func() {
		for _, f := range r.read {
			if f != nil {
				err = errors.Join(err, f.Close())
			}
		}
	}()
	if err := r.reopen(); err != nil {
		return fmt.Errorf("reading the export back: %w", err)
	}
	tasks := r.tasks()
	return forEach(ctx, r.options.Jobs, len(tasks), func(i int, b *buffers) error { return r.compareTile(tasks[i], b) })
}

// reopen opens the files and counts their tensors.
func (r *run) reopen() error {
	have, want := 0, 0
	for _, f := range r.layout.files {
		var w written
		if f.open != nil {
			var err error
			if w, err = f.open(r.path(f)); err != nil {
				return err
			}
			have += w.tensors()
		}
		r.read = append(r.read, w)
	}
	for _, s := range r.layout.steps {
		want++
		if s.scaleBytes() > 0 {
			want++
		}
	}
	if have != want {
		return fmt.Errorf("%s holds %d tensors, %d were written", r.target.temp, have, want)
	}
	return r.checkFolder()
}

func (r *run) compareTile(t task, b *buffers) error {
	return r.withTile(t, "compare", func(s step, tile tile, data, scales span) error {
		d, err := data.read(r.read)
		if err != nil {
			return err
		}
		c, err := scales.read(r.read)
		if err != nil {
			return err
		}
		if err := s.codec.check(d, c, tile, b); err != nil {
			return fmt.Errorf("%w: %w", ErrDiffers, err)
		}
		return nil
	})
}

func (s span) read(files []written) ([]byte, error) {
	if s.bytes == 0 {
		return nil, nil
	}
	data, err := files[s.file].data(s.name)
	if err != nil {
		return nil, err
	}
	if int64(len(data)) < s.within+int64(s.bytes) {
		return nil, fmt.Errorf("%d bytes were read back, want at least %d", len(data), s.within+int64(s.bytes))
	}
	return data[s.within : s.within+int64(s.bytes)], nil
}

func (r *run) report(doing string, bytes int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.done += bytes
	if r.options.Progress != nil {
		r.options.Progress(Progress{doing, r.done, r.total})
	}
}
