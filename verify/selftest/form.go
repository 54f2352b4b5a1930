package selftest

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"

	"colakit/convert"
	"colakit/convert/export"
	"colakit/formats/dtype"
	"colakit/formats/hf"
	"colakit/formats/safetensors"
	"colakit/formats/tensor"
	"colakit/golden"
	"colakit/quantize"
)

// Form is what the candidate's weights are made of: the embedded model's own in
// memory (the zero Form), or an artifact that is written once for all its cases.
type Form struct {
	Name string // "int8"
	make func(ctx context.Context, m convert.Modulations, dir, out string) error
}

// converted is the embedded checkpoint, converted.
func converted(o convert.Options) Form {
	name := o.Type.String()
	if o.NoTokenizer {
		name += " without tokenizer"
	}
	if o.AdaTable != nil {
		name += " with AdaLN table, " + o.AdaTable.String()
	}
	return Form{Name: name, make: func(ctx context.Context, m convert.Modulations, _, out string) error {
		return conversion(ctx, golden.Tiny(), m, out, o)
	}}
}

func conversion(ctx context.Context, checkpoint fs.FS, m convert.Modulations, out string, o convert.Options) error {
	o.SHA256 = true
	if o.AdaTable != nil {
		o.Modulations = m
	}
	_, err := convert.FS(ctx, checkpoint, out, o)
	return err
}

// tabled is an artifact with the AdaLN table of a schedule.
func tabled(s quantize.Scheme, schedule hf.Schedule) Form {
	return converted(convert.Options{Type: s, AdaTable: &schedule})
}

// exported is an artifact, exported to safetensors in small shards and converted
// again.
func exported(s quantize.Scheme) Form {
	return Form{Name: s.String() + ", exported and converted again", make: func(ctx context.Context, m convert.Modulations, dir, out string) error {
		first, folder := filepath.Join(dir, "first.cola"), filepath.Join(dir, "exported")
		if err := conversion(ctx, golden.Tiny(), m, first, convert.Options{Type: s}); err != nil {
			return err
		}
		e, err := export.Prepare(first, export.Options{Format: export.SafeTensors, ShardBytes: 1 << 20})
		if err != nil {
			return err
		}
		defer e.Close()
		if _, err := e.Execute(ctx, folder, export.ExecuteOptions{}); err != nil {
			return err
		}
		return conversion(ctx, os.DirFS(folder), m, out, convert.Options{Type: s})
	}}
}

// stored is the checkpoint with its tensors in the types that in gives them, converted.
func stored(how string, in func(tensor.Desc) dtype.Type, to quantize.Scheme) Form {
	return Form{Name: to.String() + " of a checkpoint with " + how, make: func(ctx context.Context, m convert.Modulations, dir, out string) error {
		folder := filepath.Join(dir, "checkpoint")
		if err := os.CopyFS(folder, golden.Tiny()); err != nil {
			return err
		}
		for _, part := range []hf.Model{hf.DiT, hf.VAE} {
			if err := restore(filepath.Join(folder, "cola_"+part.String(), "model.safetensors"), in); err != nil {
				return err
			}
		}
		return conversion(ctx, os.DirFS(folder), m, out, convert.Options{Type: to})
	}}
}

func allIn(t dtype.Type) func(tensor.Desc) dtype.Type {
	return func(tensor.Desc) dtype.Type { return t }
}

func matricesIn(t dtype.Type) func(tensor.Desc) dtype.Type {
	return func(d tensor.Desc) dtype.Type {
		if len(d.Shape) > 1 {
			return t
		}
		return d.Type
	}
}

// restore writes a safetensors file again with its tensors cast.
func restore(path string, in func(tensor.Desc) dtype.Type) error {
	file, err := safetensors.Open(path)
	if err != nil {
		return err
	}
	w := NewWeights(file)
	var views []tensor.View
	for _, d := range file.Descs() {
		if err := w.cast(d.Name, in(d)); err != nil {
			return err
		}
		v, err := w.Read(d.Name)
		if err != nil {
			return err
		}
		views = append(views, v)
	}
	if err := file.Close(); err != nil {
		return err
	}
	if err := os.Remove(path); err != nil {
		return err
	}
	return safetensors.WriteFile(path, nil, views)
}
