package convert

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"

	"colakit/formats/hf"
	"colakit/formats/tensor"
	"colakit/quantize"
)

// CheckAny checks a file or folder of any format. An artifact is checked as by
// Check. Other formats have no checksums: of them it checks the structure, the
// values (NaN, Inf, matrices of zeros), and the tensors that the configurations
// expect where there are any; a flipped bit may be no more than another number.
func CheckAny(ctx context.Context, path string, o CheckOptions) (CheckReport, error) {
	format, err := detect(path)
	if err != nil {
		return CheckReport{}, err
	}
	if format == FormatCola {
		return Check(ctx, path, o)
	}
	r := CheckReport{File: path, Format: format, Damage: []Finding{}, Notes: []Finding{}}
	c, err := OpenAny(path)
	if errors.Is(err, tensor.ErrDamaged) {
		r.damage("structure", "", err)
		return r, nil
	}
	if err != nil {
		return r, err
	}
	defer c.Close()
	r.Bytes, r.Tensors = c.Bytes(), len(c.holdings)
	if s, ok := c.store.(ggufStore); ok {
		if err := s.CheckPadding(); err != nil {
			r.damage("structure", "", err)
		}
	}
	if err := r.observeAll(ctx, c, o); err != nil {
		return r, err
	}
	r.checkExpected(c)
	return r, nil
}

// observeAll looks at the values of all tensors, several at once.
func (r *CheckReport) observeAll(ctx context.Context, c *Collection, o CheckOptions) error {
	jobs := o.Jobs
	if jobs <= 0 {
		jobs = runtime.GOMAXPROCS(0)
	}
	found := make([]observed, len(c.holdings))
	var next atomic.Int64
	var workers sync.WaitGroup
	var report sync.Mutex
	done, total := int64(0), int64(0)
	for _, h := range c.holdings {
		total += h.Bytes
	}
	for range min(jobs, len(found)) {
		workers.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(found) && ctx.Err() == nil; i = int(next.Add(1)) - 1 {
				found[i] = c.observeOne(i)
				report.Lock()
				if done += c.holdings[i].Bytes; o.Progress != nil {
					o.Progress(done, total)
				}
				report.Unlock()
			}
		})
	}
	workers.Wait()
	if err := ctx.Err(); err != nil {
		return err
	}
	for i, f := range found {
		r.addObserved(c, c.holdings[i], f)
	}
	return nil
}

// observed is what was seen of a tensor; stats is nil for one that can't be decoded.
type observed struct {
	stats *quantize.Statistics
	scale error // of a quantised tensor: a scale that none can have
	err   error
}

func (c *Collection) observeOne(i int) (o observed) {
	n, err := c.store.read(i)
	if err != nil || !n.known() {
		return observed{err: err}
	}
	if q := n.Quantization; q != nil {
		if at := firstBadScale(n.Scales, q.Scale); at >= 0 {
			o.scale = fmt.Errorf("scale %d is %v, want a finite one that is not negative", at, q.At(n.Scales, at))
		}
	}
	o.stats, _, o.err = c.observe(n)
	return o
}

func (r *CheckReport) addObserved(c *Collection, h Holding, o observed) {
	name := func(format string, args ...any) error {
		return fmt.Errorf("%s: tensor %q "+format, append([]any{c.Path, h.Name}, args...)...)
	}
	s := o.stats
	switch {
	case o.err != nil:
		r.damage("values", h.Name, o.err)
	case o.scale != nil:
		r.damage("values", h.Name, name("is quantised: %v", o.scale))
	case s == nil:
		r.note("values", h.Name, name("is %s, which can't be decoded here: its values were not checked", h.Type))
	case s.NaN+s.Inf > 0:
		r.damage("values", h.Name, name("holds %d NaN and %d Inf, the first at %v", s.NaN, s.Inf, coordinates(h.Shape, s.FirstBad)))
	case s.Zero == s.Elements && s.Elements > 0 && len(h.Shape) > 1:
		r.note("values", h.Name, name("%v is all zeros", h.Shape))
	}
}

func (r *CheckReport) note(stage, tensor string, err error) {
	r.Notes = append(r.Notes, Finding{stage, tensor, err.Error()})
}

// checkExpected compares the tensors with those that the configurations expect, as
// far as there are any.
func (r *CheckReport) checkExpected(c *Collection) {
	var expected []hf.Expected
	dit, vae := hf.Architecture(c.Meta.DiTConfig), hf.Architecture(c.Meta.VAEConfig)
	var err error
	switch {
	case len(dit) > 0 && len(vae) > 0:
		var config hf.Config
		config, err = hf.ParseConfig(dit, vae)
		expected = config.Inventory()
	case c.Format == FormatCheckpoint:
		err = tensor.Damagedf("config.json of a model is missing")
	case len(dit) > 0:
		var config hf.DiTConfig
		config, err = hf.ParseDiTConfig(dit)
		expected = config.Inventory()
	case len(vae) > 0:
		var config hf.VAEConfig
		config, err = hf.ParseVAEConfig(vae)
		expected = config.Inventory()
	default:
		r.note("inventory", "", fmt.Errorf("%s: no configuration lies with the tensors: which there must be was not checked", c.Path))
		return
	}
	if err != nil {
		r.damage("inventory", "", fmt.Errorf("%s: %w", c.Path, err))
		return
	}
	held := map[string]tensor.Shape{}
	for _, h := range c.holdings {
		held[h.Name] = h.Shape
	}
	r.compareInventory(c.Path, held, expected)
}
