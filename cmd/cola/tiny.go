package main

import (
	"errors"
	"fmt"
	"io/fs"
	"path"

	"colakit/formats/cola"
	"colakit/formats/hf"
	"colakit/formats/safetensors"
	"colakit/formats/tensor"
	"colakit/golden"
)

// tinyName is what stands in place of a file for the embedded model.
const tinyName = "tiny"

// embedded is the embedded checkpoint under native names.
type embedded struct {
	descs   []tensor.Desc
	origins map[string]origin
	folders []*safetensors.Folder
}

// origin is where a tensor comes from.
type origin struct {
	folder *safetensors.Folder
	name   string
}

// openTiny returns the embedded model as convert would store it in full precision.
func openTiny() (tensor.Source, cola.Meta, error) {
	var meta cola.Meta
	e := &embedded{origins: map[string]origin{}}
	for _, m := range []struct {
		model  hf.Model
		dir    string
		config *[]byte
	}{{hf.DiT, "cola_dit", &meta.DiTConfig}, {hf.VAE, "cola_vae", &meta.VAEConfig}} {
		if err := e.add(m.model, m.dir); err != nil {
			return nil, meta, err
		}
		var err error
		if *m.config, err = fs.ReadFile(golden.Tiny(), path.Join(m.dir, "config.json")); err != nil {
			return nil, meta, err
		}
	}
	var err error
	meta.Tokenizer, err = fs.ReadFile(golden.Tiny(), "tokenizer.json")
	return e, meta, err
}

func (e *embedded) add(m hf.Model, dir string) error {
	folder, err := safetensors.OpenFS(golden.Tiny(), dir)
	if err != nil {
		return err
	}
	e.folders = append(e.folders, folder)
	for _, d := range folder.Descs() {
		name := d.Name
		d.Name = m.Native(name)
		e.descs = append(e.descs, d)
		e.origins[d.Name] = origin{folder, name}
	}
	return nil
}

func (e *embedded) Descs() []tensor.Desc { return e.descs }

func (e *embedded) Read(name string) (tensor.View, error) {
	o, ok := e.origins[name]
	if !ok {
		return tensor.View{}, fmt.Errorf("the embedded model: %q: %w", name, tensor.ErrNotFound)
	}
	v, err := o.folder.Read(o.name)
	v.Name = name
	return v, err
}

func (e *embedded) Close() error {
	var errs []error
	for _, f := range e.folders {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}
