package selftest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"colakit/convert"
	"colakit/golden"
)

// Options say what a self-test runs on.
type Options struct {
	Engine      string // its name, for the report
	Build       Builder
	Modulations convert.Modulations // computes AdaLN tables
	Reference   Builder             // makes engines whose values are taken for right
	Model       *Model              // nil: the embedded one
	Jobs        int                 // cases that run at the same time; 0: one per processor
	Done        func(Result)        // is told of every case, in the order of the catalogue
}

// Run runs cases. An error means that they could not be run; what they showed
// stands in the report.
func Run(ctx context.Context, cases []Case, o Options) (*Report, error) {
	start := time.Now()
	r, err := newRunner(ctx, o)
	if err != nil {
		return nil, err
	}
	defer r.close()
	results, err := r.all(ctx, cases)
	if err != nil {
		return nil, err
	}
	return newReport(o.Engine, results, time.Since(start)), nil
}

// runner holds what cases share.
type runner struct {
	Options
	dir     string // temporary
	bundles map[string]*golden.Bundle
	model   *subject // without faults

	mu    sync.Mutex
	forms map[string]*written
}

// written is an artifact that is made once.
type written struct {
	once sync.Once
	path string
	err  error
}

func (r *runner) close() {
	for _, b := range r.bundles {
		b.Close()
	}
	os.RemoveAll(r.dir)
}

// all runs the cases, several at a time, and reports them in their order.
func (r *runner) all(ctx context.Context, cases []Case) ([]Result, error) {
	jobs := r.Jobs
	if jobs == 0 {
		jobs = runtime.GOMAXPROCS(0)
	}
	results := make([]Result, len(cases))
	finished := make([]chan struct{}, len(cases))
	next := make(chan int, len(cases))
	for i := range cases {
		finished[i] = make(chan struct{})
		next <- i
	}
	close(next)
	var workers sync.WaitGroup
	defer workers.Wait()
	for range jobs {
		workers.Go(func() {
			for i := range next {
				if ctx.Err() == nil {
					results[i] = r.run(ctx, cases[i])
				}
				close(finished[i])
			}
		})
	}
	for i := range cases {
		<-finished[i]
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if r.Done != nil {
			r.Done(results[i])
		}
	}
	return results, nil
}

// artifact returns the file of a form.
func (r *runner) artifact(ctx context.Context, f Form) (string, error) {
	r.mu.Lock()
	w := r.forms[f.Name]
	if w == nil {
		w = &written{}
		r.forms[f.Name] = w
	}
	r.mu.Unlock()
	w.once.Do(func() {
		var dir string
		if dir, w.err = os.MkdirTemp(r.dir, "form-"); w.err != nil {
			return
		}
		w.path = filepath.Join(dir, "model.cola")
		w.err = f.make(ctx, r.Modulations, dir, w.path)
	})
	return w.path, w.err
}

// errInjection is wrapped by errors of what the catalogue does, which are none that
// a case may want.
var errInjection = errors.New("the injection failed")

func injection(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", errInjection, err)
}
