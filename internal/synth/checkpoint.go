package synth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"colakit/formats/dtype"
	"colakit/formats/hf"
	"colakit/formats/safetensors"
	"colakit/formats/tensor"
)

// Options say how a checkpoint is written.
type Options struct {
	Seed      uint64
	Type      dtype.Type // of every tensor: F32, F64, F16 or BF16
	ShardSize int64      // bytes of tensors in one file, unless a single one is larger; 0: one file
}

// chunk is how many values are made at once.
const chunk = 1 << 18

// WriteCheckpoint writes both models in the layout of the released checkpoint,
// dir/cola_dlm/cola_dit and dir/cola_dlm/cola_vae. It takes a few megabytes of
// memory whatever the sizes, and overwrites nothing.
func WriteCheckpoint(ctx context.Context, dir string, cfg hf.Config, o Options) error {
	if !o.Type.Float() {
		return fmt.Errorf("weights of type %v: want a floating-point type", o.Type)
	}
	for _, m := range []struct {
		folder, class string
		config        any
		tensors       []hf.Expected
	}{
		{"cola_dit", "ColaDiTModel", cfg.DiT, cfg.DiT.Inventory()},
		{"cola_vae", "ColaTextVAEModel", cfg.VAE, cfg.VAE.Inventory()},
	} {
		path := filepath.Join(dir, "cola_dlm", m.folder)
		if err := os.MkdirAll(path, 0o755); err != nil {
			return err
		}
		if err := writeConfig(filepath.Join(path, "config.json"), m.config, m.class, o.Type); err != nil {
			return err
		}
		w := modelWriter{dir: path, cfg: cfg, options: o}
		if err := w.write(ctx, m.tensors); err != nil {
			return err
		}
	}
	return nil
}

// torchNames are the values of a configuration's dtype.
var torchNames = map[dtype.Type]string{
	dtype.F32: "float32", dtype.F64: "float64", dtype.F16: "float16", dtype.BF16: "bfloat16",
}

// writeConfig writes a config.json as save_pretrained does: all keys and, where
// they are not given, the class and the type of the weights.
func writeConfig(path string, config any, class string, t dtype.Type) error {
	raw, err := json.Marshal(config)
	if err != nil {
		return err
	}
	var keys map[string]any
	if err := json.Unmarshal(raw, &keys); err != nil {
		return err
	}
	if keys["dtype"] == nil && keys["torch_dtype"] == nil {
		keys["dtype"] = torchNames[t]
	}
	if keys["architectures"] == nil {
		keys["architectures"] = []string{class}
	}
	return writeJSON(path, keys)
}

func writeJSON(path string, value any) error {
	raw, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return err
	}
	return create(path, func(f *os.File) error {
		_, err := f.Write(append(raw, '\n'))
		return err
	})
}

// create writes a new file and removes it again if that fails.
func create(path string, write func(*os.File) error) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	if err := errors.Join(write(f), f.Close()); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}

// modelWriter writes the weights of one model.
type modelWriter struct {
	dir     string
	cfg     hf.Config
	options Options
}

func (w modelWriter) write(ctx context.Context, tensors []hf.Expected) error {
	shards, total := w.shards(tensors)
	if len(shards) == 1 {
		return w.shard(ctx, "model.safetensors", tensors)
	}
	places := map[string]string{}
	for i, shard := range shards {
		name := fmt.Sprintf("model-%05d-of-%05d.safetensors", i+1, len(shards))
		if err := w.shard(ctx, name, shard); err != nil {
			return err
		}
		for _, e := range shard {
			places[e.Source] = name
		}
	}
	return writeJSON(filepath.Join(w.dir, "model.safetensors.index.json"), map[string]any{
		"metadata":   map[string]int64{"total_size": total},
		"weight_map": places,
	})
}

// shards cuts the tensors, in order, into files.
func (w modelWriter) shards(tensors []hf.Expected) (shards [][]hf.Expected, total int64) {
	var size int64
	for i, e := range tensors {
		n, _ := e.Shape.Elements() // within the bounds of a valid configuration
		n *= int64(w.options.Type.Size())
		total += n
		if i == 0 || w.options.ShardSize > 0 && size+n > w.options.ShardSize {
			shards = append(shards, nil)
			size = 0
		}
		size += n
		shards[len(shards)-1] = append(shards[len(shards)-1], e)
	}
	return shards, total
}

func (w modelWriter) shard(ctx context.Context, name string, tensors []hf.Expected) error {
	descs := make([]tensor.Desc, len(tensors))
	bySource := make(map[string]hf.Expected, len(tensors))
	for i, e := range tensors {
		descs[i] = tensor.Desc{Name: e.Source, Type: w.options.Type, Shape: e.Shape}
		bySource[e.Source] = e
	}
	return create(filepath.Join(w.dir, name), func(f *os.File) error {
		out, err := safetensors.NewWriter(f, map[string]string{"format": "pt"}, descs)
		if err != nil {
			return err
		}
		for _, d := range out.Descs() {
			if err := w.tensor(ctx, out, bySource[d.Name]); err != nil {
				return fmt.Errorf("%s: %w", d.Name, err)
			}
		}
		return out.Close()
	})
}

// tensor makes and writes one tensor, a chunk at a time.
func (w modelWriter) tensor(ctx context.Context, out *safetensors.Writer, e hf.Expected) error {
	n, err := e.Shape.Elements()
	if err != nil {
		return err
	}
	values := make([]float32, min(n, chunk))
	data := make([]byte, len(values)*w.options.Type.Size())
	for start := int64(0); start < n; start += chunk {
		if err := ctx.Err(); err != nil {
			return err
		}
		v := values[:min(n-start, chunk)]
		Fill(v, w.cfg, e, w.options.Seed, start)
		d := data[:len(v)*w.options.Type.Size()]
		if err := dtype.FromFloat32s(d, v, w.options.Type); err != nil {
			return err
		}
		if _, err := out.Write(d); err != nil {
			return err
		}
	}
	return nil
}
