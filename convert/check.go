package convert

import (
	"context"
	"errors"
	"fmt"

	"colakit/formats/cola"
	"colakit/formats/hf"
	"colakit/formats/tensor"
	"colakit/internal/blake3"
)

// CheckReport is what a check found. Version, root and chunks are an artifact's.
type CheckReport struct {
	File    string       `json:"file"`
	Format  Format       `json:"format"`
	Bytes   int64        `json:"bytes"`
	Version cola.Version `json:"version,omitzero"`
	Root    blake3.Sum   `json:"root,omitzero"`
	Tensors int          `json:"tensors"`
	Chunks  int          `json:"chunks,omitzero"`
	Damage  []Finding    `json:"damage"` // what must not be
	Notes   []Finding    `json:"notes"`  // what is unusual
}

// Finding is one thing that a check found.
type Finding struct {
	Stage  string `json:"stage"` // "structure", "checksums", "values", "inventory" or "provenance"
	Tensor string `json:"tensor,omitempty"`
	Text   string `json:"text"`
}

// Err returns nil for a sound artifact, else one line that wraps tensor.ErrDamaged.
func (r CheckReport) Err() error {
	switch n := len(r.Damage); n {
	case 0:
		return nil
	case 1:
		return tensor.Damagedf("%s", r.Damage[0].Text)
	default:
		return tensor.Damagedf("%s (and %d more findings)", r.Damage[0].Text, n-1)
	}
}

// CheckOptions say how an artifact is checked.
type CheckOptions struct {
	Jobs     int // workers; 0: one per processor
	Progress func(done, total int64)
}

// Check reads the whole artifact: structure, checksums, values (NaN, Inf, codes
// and scales that no conversion writes, matrices of zeros), the tensors that its
// configurations expect, the tokenizer, and that the plan it was made by is the
// one of these tensors. Damage is in the report; the error is that of opening the
// file, or the context's.
func Check(ctx context.Context, path string, o CheckOptions) (CheckReport, error) {
	r := CheckReport{File: path, Format: FormatCola, Damage: []Finding{}, Notes: []Finding{}}
	f, err := cola.Open(path)
	if errors.Is(err, tensor.ErrDamaged) {
		r.damage("structure", "", err)
		return r, nil
	}
	if err != nil {
		return r, err
	}
	defer f.Close()
	r.Bytes, r.Version, r.Root, r.Tensors = f.Size(), f.Version(), f.Root(), len(f.Entries())
	if err := r.checkData(ctx, f, o); err != nil {
		return r, err
	}
	meta, err := f.Meta()
	if err != nil {
		return r, nil // is among the checksums
	}
	r.checkInventory(f, meta)
	r.checkProvenance(f, meta)
	return r, nil
}

func (r *CheckReport) damage(stage, tensor string, err error) {
	r.Damage = append(r.Damage, Finding{stage, tensor, err.Error()})
}

// checkData checks checksums and values in one pass.
func (r *CheckReport) checkData(ctx context.Context, f *cola.File, o CheckOptions) error {
	v := newValues(f)
	for _, e := range f.Entries() {
		r.Chunks += e.Chunks()
	}
	found, err := f.Check(ctx, cola.CheckOptions{Jobs: o.Jobs, Progress: o.Progress, Values: v.see})
	if err != nil {
		return err
	}
	broken := map[string]bool{}
	for _, d := range found {
		r.damage("checksums", d.Tensor, d.Err)
		broken[d.Tensor] = true
	}
	for i, e := range f.Entries() {
		if !broken[e.Name] { // of damaged bytes the values mean nothing
			v.report(i, r)
		}
	}
	return nil
}

// checkInventory compares the tensors with those that the configurations expect.
func (r *CheckReport) checkInventory(f *cola.File, meta cola.Meta) {
	config, err := hf.ParseConfig(meta.DiTConfig, meta.VAEConfig)
	if err != nil {
		r.damage("inventory", "", fmt.Errorf("%s: %w", f.Name(), err))
		return
	}
	held := map[string]tensor.Shape{}
	for _, e := range f.Entries() {
		held[e.Name] = e.Shape
	}
	r.compareInventory(f.Name(), held, config.Inventory())
}

// compareInventory compares the shapes of the tensors that a file holds with those
// that are expected, in both directions.
func (r *CheckReport) compareInventory(file string, held map[string]tensor.Shape, expected []hf.Expected) {
	var names []string
	for _, want := range expected {
		names = append(names, want.Name)
		switch shape, ok := held[want.Name]; {
		case !ok && !want.Optional:
			r.damage("inventory", want.Name, fmt.Errorf("%s: tensor %q %v is missing", file, want.Name, want.Shape))
		case ok && !shape.Equal(want.Shape):
			r.damage("inventory", want.Name, fmt.Errorf("%s: tensor %q has shape %v, want %v by its configuration", file, want.Name, shape, want.Shape))
		}
		delete(held, want.Name)
	}
	for _, name := range sortedKeys(held) {
		r.damage("inventory", name, fmt.Errorf("%s: tensor %q is not expected; the nearest expected name is %q", file, name, nearest(name, names)))
	}
}
