package verify_test

import (
	"context"
	"io/fs"
	"testing"

	"colakit/formats/dtype"
	"colakit/formats/hf"
	"colakit/formats/safetensors"
	"colakit/formats/tensor"
	"colakit/formats/tokenizer"
	"colakit/golden"
	"colakit/reference"
	"colakit/reference/generate"
	"colakit/verify"
)

// source is a tensor.Source in memory whose tensors a test may change.
type source struct {
	names []string
	views map[string]tensor.View
}

func (s *source) Descs() []tensor.Desc {
	descs := make([]tensor.Desc, len(s.names))
	for i, name := range s.names {
		descs[i] = s.views[name].Desc
	}
	return descs
}

func (s *source) Read(name string) (tensor.View, error) {
	v, ok := s.views[name]
	if !ok {
		return v, tensor.ErrNotFound
	}
	return v, nil
}

func (s *source) Close() error { return nil }

// model is the embedded model, as an artifact of 32-bit floats would hold it.
type model struct {
	*source
	cfg      hf.Config
	dit, vae []byte            // config.json
	sources  map[string]string // file → sha256
	text     func([]int32) string
}

func tiny(t testing.TB) *model {
	t.Helper()
	files := golden.Tiny()
	m := &model{source: &source{views: map[string]tensor.View{}}, sources: map[string]string{}}
	m.dit, m.vae = read(t, files, "cola_dit/config.json"), read(t, files, "cola_vae/config.json")
	cfg, err := hf.ParseConfig(m.dit, m.vae)
	check(t, err)
	m.cfg = cfg
	for _, part := range []hf.Model{hf.DiT, hf.VAE} {
		name := "cola_" + part.String() + "/model.safetensors"
		raw := read(t, files, name)
		m.sources[name] = sum(raw)
		file, err := safetensors.Parse(raw)
		check(t, err)
		for _, d := range file.Descs() {
			v, err := file.Read(d.Name)
			check(t, err)
			v.Name = part.Prefix() + d.Name
			v.Data = append([]byte(nil), v.Data...)
			m.names = append(m.names, v.Name)
			m.views[v.Name] = v
		}
	}
	tok, err := tokenizer.Parse(read(t, files, "tokenizer.json"))
	check(t, err)
	m.text = func(ids []int32) string { return tok.Decode(ids, false) }
	return m
}

func read(t testing.TB, files fs.FS, name string) []byte {
	t.Helper()
	raw, err := fs.ReadFile(files, name)
	check(t, err)
	return raw
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// as casts every tensor, the way a 16-bit artifact stores it.
func (m *model) as(t testing.TB, typ dtype.Type) *model {
	t.Helper()
	cast := &model{source: &source{names: m.names, views: map[string]tensor.View{}}, cfg: m.cfg, dit: m.dit, vae: m.vae, sources: m.sources, text: m.text}
	for name, v := range m.views {
		values, err := v.Float32s()
		check(t, err)
		v.Type, v.Data = typ, make([]byte, len(values)*typ.Size())
		check(t, dtype.FromFloat32s(v.Data, values, typ))
		cast.views[name] = v
	}
	return cast
}

func (m *model) artifact() verify.Artifact {
	return verify.Artifact{Path: "tiny", Tensors: m.Descs(), DiT: m.dit, VAE: m.vae, Sources: m.sources, Weights: m}
}

func bundle(t testing.TB, name string) *golden.Bundle {
	t.Helper()
	for _, e := range golden.TinyBundles() {
		if e.Name == name {
			b, err := golden.OpenFS(e.Files)
			check(t, err)
			return b
		}
	}
	t.Fatalf("no bundle %s", name)
	return nil
}

// run holds the reference with these weights against an embedded bundle.
func (m *model) run(t testing.TB, name string, wrap func(generate.Engine) generate.Engine, o reference.Options) *verify.Report {
	t.Helper()
	return m.against(t, bundle(t, name), name, wrap, o)
}

func (m *model) against(t testing.TB, b *golden.Bundle, name string, wrap func(generate.Engine) generate.Engine, o reference.Options) *verify.Report {
	t.Helper()
	contract, err := generate.ParseContract(b.Info.Contract)
	check(t, err)
	o.Contract = contract
	engine, err := reference.New(m, m.cfg, o)
	check(t, err)
	defer engine.Close()
	if wrap != nil {
		engine = wrap(engine)
	}
	r, err := verify.Run(context.Background(), engine, b, verify.Options{
		Name: name, Artifact: m.artifact(), Engine: verify.EngineID{Name: "reference", Precision: "float32"}, Text: m.text,
	})
	check(t, err)
	return r
}
