package selftest

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"colakit/golden"
	"colakit/reference/generate"
	"colakit/verify"
	"colakit/verify/operation"
)

// trial is one case while it runs.
type trial struct {
	*runner
	Case
	dir     string                 // temporary, its own
	spoilt  atomic.Int64           // values
	chosen  atomic.Pointer[string] // the operation that is spoilt, if the case leaves that open
	closers []io.Closer
	partial bool // the engine does not show every value
}

// run runs one case and judges what was said of it.
func (r *runner) run(ctx context.Context, c Case) Result {
	start := time.Now()
	t := &trial{runner: r, Case: c}
	report, err := t.verify(ctx)
	for i := len(t.closers) - 1; i >= 0; i-- {
		err = errors.Join(err, t.closers[i].Close())
	}
	if t.dir != "" {
		err = errors.Join(err, injection(os.RemoveAll(t.dir)))
	}
	if path := t.chosen.Load(); path != nil {
		t.Want.Op = *path
	}
	result := t.judge(report, err)
	result.Seconds = time.Since(start).Seconds()
	return result
}

// verify sets the comparison up, with what is injected, and makes it.
func (t *trial) verify(ctx context.Context) (*verify.Report, error) {
	s, err := t.subject(ctx)
	if err != nil {
		return nil, err
	}
	weights := NewWeights(s)
	if t.Inject.Weights != nil {
		if err := injection(t.Inject.Weights(weights)); err != nil {
			return nil, err
		}
	}
	s.artifact.Tensors, s.artifact.Weights = weights.Descs(), weights
	b, err := t.golden()
	if err != nil {
		return nil, err
	}
	engine, err := t.engine(weights, s, b)
	if err != nil {
		return nil, err
	}
	o, err := t.options(s, b, weights)
	if err != nil {
		return nil, err
	}
	return verify.Run(ctx, engine, b, o)
}

// subject opens the candidate, or a copy of it that is damaged.
func (t *trial) subject(ctx context.Context) (*subject, error) {
	if t.Form.Name == "" {
		s := *t.model
		return &s, nil
	}
	path, err := t.artifact(ctx, t.Form)
	if err != nil {
		return nil, injection(err)
	}
	if t.Inject.File != nil {
		if path, err = t.spoilFile(path); err != nil {
			return nil, injection(err)
		}
	}
	s, err := openArtifact(path)
	if err == nil {
		t.closers = append(t.closers, s)
	}
	return s, err
}

func (t *trial) spoilFile(path string) (string, error) {
	dir, err := t.folder()
	if err != nil {
		return "", err
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	path = filepath.Join(dir, "model.cola")
	if err := os.WriteFile(path, raw, 0o666); err != nil {
		return "", err
	}
	return path, t.Inject.File(path)
}

// folder is a temporary one for this case alone.
func (t *trial) folder() (dir string, err error) {
	if t.dir == "" {
		t.dir, err = os.MkdirTemp(t.runner.dir, "case-")
	}
	return t.dir, err
}

// golden opens the bundle, or one that is derived from it.
func (t *trial) golden() (*golden.Bundle, error) {
	b := t.bundles[t.Bundle]
	if t.Inject.Golden == nil && t.Inject.Bundle == nil {
		return b, nil
	}
	dir, err := t.folder()
	if err != nil {
		return nil, injection(err)
	}
	if err := t.derive(b, dir); err != nil {
		return nil, injection(err)
	}
	derived, err := golden.Open(dir)
	if err == nil {
		t.closers = append(t.closers, derived)
	}
	return derived, err
}

func (t *trial) derive(b *golden.Bundle, dir string) error {
	r, err := copyOf(b)
	if err != nil {
		return err
	}
	if t.Inject.Golden != nil {
		if err := t.Inject.Golden(r); err != nil {
			return err
		}
	}
	if err := r.Write(dir); err != nil || t.Inject.Bundle == nil {
		return err
	}
	return t.Inject.Bundle(dir)
}

// engine builds the engine under the bundle's contract.
func (t *trial) engine(weights *Weights, s *subject, b *golden.Bundle) (generate.Engine, error) {
	setting, cfg := t.Setting, s.cfg
	var err error
	if setting.Contract, err = generate.ParseContract(b.Info.Contract); err != nil {
		return nil, err
	}
	if setting.Workers == 0 {
		setting.Workers = 1
	}
	if t.Inject.Config != nil {
		t.Inject.Config(&cfg)
	}
	engine, err := t.Build(weights, cfg, setting)
	if err != nil {
		return nil, err
	}
	t.closers = append(t.closers, engine)
	_, t.partial = engine.(generate.Partial)
	if t.Inject.Engine != nil {
		engine = t.Inject.Engine(engine)
	}
	return engine, nil
}

func (t *trial) options(s *subject, b *golden.Bundle, w *Weights) (verify.Options, error) {
	o := verify.Options{Name: t.Bundle, Artifact: s.artifact, Text: s.text, Engine: verify.EngineID{Name: t.Engine, Precision: "float32"}}
	if t.Setting.Float64 {
		o.Engine.Precision = "float64"
	}
	if len(t.Inject.Values) > 0 {
		run, err := operation.NewRun(&b.Info)
		if err != nil {
			return o, injection(err)
		}
		run.Activations = t.Setting.Activations
		o.Intercept = interceptor(Pass{Config: s.cfg, Bundle: b, Info: &b.Info, Run: run, Weights: w, spoilt: &t.spoilt, chosen: &t.chosen}, t.Inject.Values)
	}
	if t.Case.Exact {
		exact, err := t.Reference(t.model, t.model.cfg, Setting{Float64: true, Workers: 1})
		if err != nil {
			return o, err
		}
		t.closers = append(t.closers, exact)
		o.Exact = exact
	}
	if t.Inject.Options != nil {
		t.Inject.Options(&o)
	}
	return o, nil
}
