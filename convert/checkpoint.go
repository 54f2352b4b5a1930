package convert

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"colakit/formats/cola"
	"colakit/formats/dtype"
	"colakit/formats/hf"
	"colakit/formats/safetensors"
	"colakit/formats/tensor"
	"colakit/formats/tokenizer"
)

// checkpoint is an opened source.
type checkpoint struct {
	config     hf.Config
	raw        hf.Raw
	models     map[hf.Model]*safetensors.Folder
	load       map[hf.Model]dtype.Type // what parameters are rounded to on loading
	tokenizer  []byte                  // nil: to be converted without
	generation []byte                  // nil: none found
	files      []*sourceFile           // everything that was read
	notes      []string
}

// sourceFile is a file that goes into the artifact.
type sourceFile struct {
	name string // within the checkpoint, as "cola_dit/config.json"
	path string
	size int64
	data []byte // of a small file; nil for weights, which are hashed as they are read
}

// openCheckpoint opens and checks everything but the weights' values.
func openCheckpoint(o Options) (c *checkpoint, err error) {
	place, err := hf.Locate(o.Source)
	if err != nil {
		return nil, err
	}
	c = &checkpoint{models: map[hf.Model]*safetensors.Folder{}, load: map[hf.Model]dtype.Type{}}
	opened := c // c is nil after an error
	defer func() {
		if err != nil {
			opened.Close()
		}
	}()
	if c.config, c.raw, err = place.ReadConfig(); err != nil {
		return nil, err
	}
	for _, m := range []struct {
		model hf.Model
		dir   string
		raw   []byte
	}{{hf.DiT, place.DiTDir, c.raw.DiT}, {hf.VAE, place.VAEDir, c.raw.VAE}} {
		if err := c.openModel(m.model, m.dir, m.raw); err != nil {
			return nil, err
		}
	}
	if err := c.readTokenizer(o, place); err != nil {
		return nil, err
	}
	return c, c.readGeneration(o, place)
}

func (c *checkpoint) openModel(m hf.Model, dir string, config []byte) error {
	folder, err := safetensors.OpenDir(dir)
	if err != nil {
		return err
	}
	c.models[m] = folder
	c.addFile(filepath.Join(dir, "config.json"), "cola_"+m.String()+"/config.json", config)
	for _, f := range folder.Files() {
		c.files = append(c.files, &sourceFile{
			name: "cola_" + m.String() + "/" + filepath.Base(f.Path()), path: f.Path(), size: f.Size(),
		})
	}
	return c.decideLoad(m, folder)
}

func (c *checkpoint) addFile(path, name string, data []byte) {
	c.files = append(c.files, &sourceFile{name: name, path: path, size: int64(len(data)), data: data})
}

// decideLoad finds the type to which Transformers would round the parameters: the
// configuration's, else that of the first floating-point tensor by name of the
// first file by name.
func (c *checkpoint) decideLoad(m hf.Model, folder *safetensors.Folder) error {
	load, ok := c.config.DiT.LoadType()
	if m == hf.VAE {
		load, ok = c.config.VAE.LoadType()
	}
	where := "its config.json says so"
	if !ok {
		load, where = firstType(folder), "its config.json names no type, and the first tensor has this one"
	}
	c.load[m] = load
	for _, d := range folder.Descs() {
		if rounds(d.Type, load) {
			c.notes = append(c.notes, fmt.Sprintf("cola_%v: parameters are rounded to %v, as on loading by Transformers: %s", m, load, where))
			return nil
		}
	}
	return nil
}

// firstType returns the type that decides where the configuration names none.
func firstType(folder *safetensors.Folder) dtype.Type {
	var first tensor.Desc
	for _, f := range folder.Files() {
		for _, d := range f.Descs() {
			if d.Type.Float() && (first.Name == "" || d.Name < first.Name) {
				first = d
			}
		}
		if first.Name != "" {
			break
		}
	}
	return first.Type
}

// rounds reports whether casting from one float type to another can change a value.
func rounds(from, to dtype.Type) bool {
	switch {
	case from == to || to == dtype.Invalid || !from.Float():
		return false
	case to == dtype.F32:
		return from == dtype.F64
	}
	return to != dtype.F64
}

func (c *checkpoint) readTokenizer(o Options, place hf.Checkpoint) error {
	path := o.Tokenizer
	if path == "" {
		path = place.Tokenizer
	}
	switch {
	case o.NoTokenizer && o.Tokenizer != "":
		return errors.New("--tokenizer and --no-tokenizer at once: give one of the two")
	case o.NoTokenizer:
		c.notes = append(c.notes, "no tokenizer, as asked: the artifact generates from token ids only")
		return nil
	case path == "":
		return fmt.Errorf("no tokenizer.json in %s: name one with --tokenizer FILE, or convert without: --no-tokenizer", strings.Join(place.Searched, ", "))
	}
	raw, err := readSmall(path, cola.MaxSectionBytes)
	if err != nil {
		return err
	}
	t, err := tokenizer.Parse(raw)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if have, want := t.VocabSize(), c.config.VAE.VocabSize; have > want {
		c.notes = append(c.notes, fmt.Sprintf("the tokenizer has %d tokens, the model's vocabulary %d: texts with the others fail", have, want))
	}
	c.tokenizer = raw
	c.addFile(path, filepath.Base(path), raw)
	return nil
}

// readGeneration takes the generation defaults that lie beside the models, if any.
func (c *checkpoint) readGeneration(o Options, place hf.Checkpoint) error {
	for _, dir := range []string{o.Source, filepath.Dir(place.DiTDir)} {
		for _, name := range []string{"generation.json", "generation_config.json"} {
			path := filepath.Join(dir, name)
			raw, err := readSmall(path, 1<<20)
			switch {
			case errors.Is(err, fs.ErrNotExist):
				continue
			case err != nil:
				return err
			case !json.Valid(raw):
				return tensor.Damagedf("%s: not JSON: correct it, or remove it if it is not the model's", path)
			}
			c.generation = raw
			c.addFile(path, name, raw)
			return nil
		}
	}
	return nil
}

func readSmall(path string, limit int64) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is not a regular file", path)
	case info.Size() > limit:
		return nil, fmt.Errorf("%s has %d bytes, at most %d are taken", path, info.Size(), limit)
	}
	return os.ReadFile(path)
}

// Close closes the weights.
func (c *checkpoint) Close() error {
	var errs []error
	for _, f := range c.models {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}
