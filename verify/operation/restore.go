package operation

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"colakit/formats/hf"
	"colakit/formats/tensor"
	"colakit/reference/generate"
)

// Bounds of a run that comes from a file.
const (
	maxSamples = 1 << 12
	maxRows    = 1 << 24 // ids of a prompt, cached rows, blocks
)

// Check returns an error for a run that no bundle records.
func (r *Run) Check() error {
	switch {
	case r.Steps < 1 || r.Steps > generate.MaxSteps:
		return fmt.Errorf("%d steps; wanted 1 to %d", r.Steps, generate.MaxSteps)
	case !(r.T >= 0 && r.T <= 1<<24):
		return fmt.Errorf("a first timestep of %v", r.T)
	case math.IsNaN(r.Guidance) || math.IsInf(r.Guidance, 0):
		return fmt.Errorf("a guidance of %v", r.Guidance)
	case len(r.Samples) == 0 || len(r.Samples) > maxSamples:
		return fmt.Errorf("%d samples; wanted 1 to %d", len(r.Samples), maxSamples)
	}
	for i, s := range r.Samples {
		if s.Prefix < 0 || s.Pinned < 0 || s.Pinned > r.Config.DiT.BlockSize || len(s.IDs) > maxRows || s.Prefix+s.Pinned > len(s.IDs) {
			return fmt.Errorf("sample %d: a prefix of %d and %d pinned latents of %d tokens", i, s.Prefix, s.Pinned, len(s.IDs))
		}
	}
	return nil
}

// Restore returns a call whose operands are given, not gathered. The run has passed
// Check. An operand whose size is not the one that its place has is an error, here or
// when it is used.
func Restore(r *Run, site generate.Site, weights tensor.Source, inputs, nearby map[string]Input) (*Call, error) {
	if site.Block > maxRows || site.Step >= r.Steps {
		return nil, fmt.Errorf("%s lies beyond the run", site)
	}
	c := &Call{Run: r, Site: site, Inputs: inputs, Nearby: nearby, Weights: weights}
	if err := c.find(); err != nil {
		return nil, err
	}
	for path, in := range nearby {
		if r.Catalog().Op(path) == nil || !in.View.Type.Float() {
			return nil, fmt.Errorf("%s is no value of this model", path)
		}
	}
	rows, cols := c.size(c.op.Path)
	if rows < 0 || cols < 0 || rows > 0 && cols > maxElements/rows {
		return nil, fmt.Errorf("%s: %d rows of %d elements", site, rows, cols)
	}
	return c, nil
}

// maxElements bounds a value, 4 GiB of float64.
const maxElements = 1 << 29

// Shape returns the shape of the call's value.
func (c *Call) Shape() tensor.Shape { return c.shape(c.op.Path) }

// UseWeights puts other weights in the place of the call's.
func (c *Call) UseWeights(w tensor.Source) error {
	other := &Call{Run: c.Run, Site: c.Site, Inputs: c.Inputs, Nearby: c.Nearby, Weights: w}
	for _, d := range c.Tensors() {
		if !other.has(d.Name) {
			return fmt.Errorf("%s is not among the weights: %w", d.Name, tensor.ErrNotFound)
		}
	}
	c.Weights, c.held = w, other.shapes()
	return nil
}

// Neighbours lists tensors that alternatives read in the place of the call's own.
func (c *Call) Neighbours() []tensor.Desc {
	own := map[string]bool{}
	wanted := map[string]bool{}
	for _, d := range c.Tensors() {
		own[d.Name] = true
		if d.Name == hf.AdaModulations {
			continue
		}
		for _, name := range c.alike(d.Name, d.Shape) {
			wanted[name] = true
			wanted[strings.TrimSuffix(name, ".weight")+".bias"] = true
		}
	}
	return slices.DeleteFunc(c.Weights.Descs(), func(d tensor.Desc) bool { return own[d.Name] || !wanted[d.Name] })
}
