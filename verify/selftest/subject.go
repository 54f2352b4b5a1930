package selftest

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"

	"colakit/convert"
	"colakit/formats/cola"
	"colakit/formats/hf"
	"colakit/formats/safetensors"
	"colakit/formats/tensor"
	"colakit/formats/tokenizer"
	"colakit/golden"
	"colakit/verify"
)

// subject is an open candidate: weights and what a verifier must know of them.
type subject struct {
	tensor.Source
	cfg      hf.Config
	artifact verify.Artifact
	text     func([]int32) string // nil: no tokenizer
}

// memory is a source of tensors in memory.
type memory struct {
	descs []tensor.Desc
	views map[string]tensor.View
}

func (m *memory) Descs() []tensor.Desc { return m.descs }
func (m *memory) Close() error         { return nil }

func (m *memory) Read(name string) (tensor.View, error) {
	v, ok := m.views[name]
	if !ok {
		return v, fmt.Errorf("%q: %w", name, tensor.ErrNotFound)
	}
	return v, nil
}

// embedded opens the embedded model as an artifact of 32-bit floats would hold it.
func embedded() (*subject, error) {
	files := golden.Tiny()
	m := &memory{views: map[string]tensor.View{}}
	s := &subject{Source: m, artifact: verify.Artifact{Path: "of the embedded model", Sources: map[string]string{}}}
	var err error
	for part, config := range map[hf.Model]*[]byte{hf.DiT: (*[]byte)(&s.artifact.DiT), hf.VAE: (*[]byte)(&s.artifact.VAE)} {
		if *config, err = fs.ReadFile(files, "cola_"+part.String()+"/config.json"); err != nil {
			return nil, err
		}
	}
	if s.cfg, err = hf.ParseConfig(s.artifact.DiT, s.artifact.VAE); err != nil {
		return nil, err
	}
	for _, part := range []hf.Model{hf.DiT, hf.VAE} {
		if err := m.add(files, part, s.artifact.Sources); err != nil {
			return nil, err
		}
	}
	s.artifact.Tensors = m.descs
	raw, err := fs.ReadFile(files, "tokenizer.json")
	if err != nil {
		return nil, err
	}
	s.text, err = textOf(raw)
	return s, err
}

// add reads one model's tensors under their native names, and notes its sum.
func (m *memory) add(files fs.FS, part hf.Model, sums map[string]string) error {
	name := "cola_" + part.String() + "/model.safetensors"
	raw, err := fs.ReadFile(files, name)
	if err != nil {
		return err
	}
	digest := sha256.Sum256(raw)
	sums[name] = hex.EncodeToString(digest[:])
	file, err := safetensors.Parse(raw)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	for _, d := range file.Descs() {
		v, err := file.Read(d.Name)
		if err != nil {
			return err
		}
		v.Name = part.Native(d.Name)
		m.descs, m.views[v.Name] = append(m.descs, v.Desc), v
	}
	return nil
}

func textOf(tokenizerJSON []byte) (func([]int32) string, error) {
	t, err := tokenizer.Parse(tokenizerJSON)
	if err != nil {
		return nil, err
	}
	return func(ids []int32) string { return t.Decode(ids, false) }, nil
}

// openArtifact opens a file, as a program does that is given one.
func openArtifact(path string) (s *subject, err error) {
	file, err := cola.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, file.Close())
		}
	}()
	meta, err := file.Meta()
	if err != nil {
		return nil, err
	}
	s = &subject{Source: file, artifact: verify.Artifact{Path: path, Tensors: file.Descs(), DiT: meta.DiTConfig, VAE: meta.VAEConfig, Sources: map[string]string{}}}
	if s.cfg, err = hf.ParseConfig(meta.DiTConfig, meta.VAEConfig); err != nil {
		return nil, err
	}
	from, err := convert.ParseProvenance(meta.Provenance)
	if err != nil {
		return nil, err
	}
	for _, source := range from.Sources {
		if source.SHA256 != nil {
			s.artifact.Sources[source.File] = fmt.Sprint(*source.SHA256)
		}
	}
	if meta.Tokenizer != nil {
		s.text, err = textOf(meta.Tokenizer)
	}
	return s, err
}
