package operation

import (
	"fmt"
	"slices"
	"sync"

	"colakit/formats/dtype"
	"colakit/formats/hf"
	"colakit/formats/tensor"
	"colakit/golden"
	"colakit/reference/generate"
	"colakit/verify/catalog"
)

// Run is what the operations of a run have in common, beside tensors.
type Run struct {
	Config      hf.Config
	Contract    generate.Contract
	Activations generate.Activations
	T           float64 // first timestep
	Steps       int
	Guidance    float64
	Samples     []Sample
	// Tabled is true where the weights hold an AdaLN table in place of the timestep
	// embedding and the AdaLNs.
	Tabled bool

	catalog *catalog.Catalog
}

// Sample is one sample's part of a run.
type Sample struct {
	IDs    []int32 `json:"ids"`    // of the padded prompt
	Prefix int     `json:"prefix"` // latents in the caches before the first block
	Pinned int     `json:"pinned"` // latents of the prompt at the start of the first block
}

// NewRun returns the run that a bundle records.
func NewRun(info *golden.Info) (*Run, error) {
	cfg, err := hf.ParseConfig(info.Model.DiT, info.Model.VAE)
	if err != nil {
		return nil, err
	}
	contract, err := generate.ParseContract(info.Contract)
	if err != nil {
		return nil, err
	}
	r := &Run{Config: cfg, Contract: contract, T: info.Run.T, Steps: info.Run.Steps, Guidance: info.Run.Guidance}
	for _, s := range info.Samples {
		r.Samples = append(r.Samples, Sample{s.TokenIDs, s.PrefixLatents, s.PinnedRows})
	}
	return r, nil
}

// Catalog lists the run's operations.
func (r *Run) Catalog() *catalog.Catalog {
	if r.catalog == nil {
		r.catalog = catalog.New(r.Config, r.Guidance)
	}
	return r.catalog
}

// schedule returns the timesteps from T to 0.
func (r *Run) schedule() []float32 { return generate.Schedule(r.T, r.Steps) }

// Input is a value that an operation is computed from.
type Input struct {
	View tensor.View
	Run  dtype.Type // the type in which the run held it: F32 or BF16
}

// Values looks up recorded values by the name of their site; ok is false for one
// that is not known.
type Values func(name string) (in Input, ok bool, err error)

// BundleValues are the values that a bundle holds.
func BundleValues(b *golden.Bundle) Values {
	return func(name string) (Input, bool, error) {
		tap, ok := b.Lookup(name)
		if !ok {
			return Input{}, false, nil
		}
		v, err := b.Read(name)
		if err != nil {
			return Input{}, false, err
		}
		run, err := dtype.Parse(tap.RunType)
		if err != nil {
			run = tap.Type
		}
		return Input{v, run}, true, nil
	}
}

// Call is one value of a run, to be computed from Inputs. It may be used by several
// goroutines as long as nobody changes it.
type Call struct {
	Run  *Run
	Site generate.Site
	// Inputs are the recorded values nearest before it, by path, and what comes from
	// outside of the pass under names in brackets; see gather.go.
	Inputs map[string]Input
	// Nearby are other values of the same pass and layer, by path: what an engine may
	// have taken in place of an input.
	Nearby map[string]Input
	// Weights hold the model's tensors under their native names. Of a call from a
	// replay file these are the ones it uses and some of its neighbours.
	Weights tensor.Source

	op   *catalog.Op
	once sync.Once
	held map[string]tensor.Shape // of Weights
}

// Op is the operation in the catalogue.
func (c *Call) Op() *catalog.Op { return c.op }

// Parts lists the operations that lie between the inputs and the value, the value's
// own last.
func (c *Call) Parts() []string { return c.unit().Parts }

// Modules lists the modules and tensors that the parts use.
func (c *Call) Modules() []string { return c.unit().Tensors }

// Tensors lists the tensors of those modules, and an AdaLN table where one stands in
// their place.
func (c *Call) Tensors() []tensor.Desc {
	names := []string{}
	for _, m := range c.Modules() {
		names = append(names, m, m+".weight", m+".bias")
	}
	if c.Run.Tabled {
		names = append(names, hf.AdaModulations)
	}
	return slices.DeleteFunc(c.Weights.Descs(), func(d tensor.Desc) bool { return !slices.Contains(names, d.Name) })
}

func (c *Call) unit() catalog.Unit {
	return c.Run.Catalog().Unit(c.op, func(path string) bool {
		_, ok := c.Inputs[path]
		return ok
	})
}

// find looks up the operation of the call's site.
func (c *Call) find() error {
	op, ok := c.Run.Catalog().Lookup(c.Site)
	if !ok {
		return fmt.Errorf("%s is no value of this model", c.Site)
	}
	c.op = op
	return nil
}
