package convert

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"strings"

	"colakit/formats/cola"
	"colakit/formats/dtype"
	"colakit/formats/safetensors"
	"colakit/formats/tensor"
	"colakit/internal/blake3"
	"colakit/quantize"
)

// Inspection describes an artifact or a safetensors file.
type Inspection struct {
	File       string            `json:"file"`
	Format     string            `json:"format"` // "cola" or "safetensors"
	Version    cola.Version      `json:"version,omitempty"`
	Bytes      int64             `json:"bytes"`
	Root       *blake3.Sum       `json:"root,omitempty"`
	DiTConfig  json.RawMessage   `json:"dit_config,omitempty"`
	VAEConfig  json.RawMessage   `json:"vae_config,omitempty"`
	Generation json.RawMessage   `json:"generation,omitempty"`
	Tokenizer  int               `json:"tokenizer_bytes,omitempty"`
	Metadata   map[string]string `json:"metadata,omitempty"` // of safetensors
	Provenance *Provenance       `json:"provenance,omitempty"`
	Tensors    []TensorLine      `json:"tensors"`
}

// TensorLine describes a tensor in a listing.
type TensorLine struct {
	Name   string            `json:"name"`
	Type   string            `json:"type"`
	Shape  tensor.Shape      `json:"shape"`
	Bytes  int64             `json:"bytes"`
	BLAKE3 *blake3.Sum       `json:"blake3,omitempty"`
	Step   *Step             `json:"plan,omitempty"`
	Result *quantize.Figures `json:"figures,omitempty"`
}

// Inspect describes the file at path without reading tensors. For a damaged file
// the error wraps tensor.ErrDamaged; Dump describes what can be read of it.
func Inspect(path string) (Inspection, error) {
	if isSafetensors(path) {
		return inspectSafetensors(path)
	}
	f, err := cola.Open(path)
	if err != nil {
		return Inspection{}, err
	}
	defer f.Close()
	return inspectCola(f)
}

// isSafetensors reports whether a file is of that format, by its name; other
// files are taken for artifacts.
func isSafetensors(path string) bool { return strings.HasSuffix(path, ".safetensors") }

func inspectSafetensors(path string) (Inspection, error) {
	f, err := safetensors.Open(path)
	if err != nil {
		return Inspection{}, err
	}
	defer f.Close()
	i := Inspection{File: path, Format: "safetensors", Bytes: f.Size(), Metadata: f.Metadata()}
	for _, d := range f.Descs() {
		stored, _ := f.StoredType(d.Name)
		n, err := d.Bytes()
		if err != nil {
			n = 0 // a type the toolkit does not know
		}
		i.Tensors = append(i.Tensors, TensorLine{Name: d.Name, Type: strings.ToLower(stored), Shape: d.Shape, Bytes: n})
	}
	return i, nil
}

func inspectCola(f *cola.File) (Inspection, error) {
	meta, err := f.Meta()
	if err != nil {
		return Inspection{}, err
	}
	p, err := ParseProvenance(meta.Provenance)
	if err != nil {
		return Inspection{}, fmt.Errorf("%s: %w", f.Name(), err)
	}
	root := f.Root()
	i := Inspection{
		File: f.Name(), Format: "cola", Version: f.Version(), Bytes: f.Size(), Root: &root,
		DiTConfig: bytes.Clone(meta.DiTConfig), VAEConfig: bytes.Clone(meta.VAEConfig),
		Generation: bytes.Clone(meta.Generation), Tokenizer: len(meta.Tokenizer), Provenance: &p,
	}
	steps, results := p.byTensor()
	for _, e := range f.Entries() {
		i.Tensors = append(i.Tensors, TensorLine{
			Name: e.Name, Type: e.Type.String(), Shape: e.Shape, Bytes: e.Bytes, BLAKE3: &e.Sum,
			Step: steps[e.Name], Result: results[e.Name],
		})
	}
	return i, nil
}

// byTensor indexes the plan and its results by the tensors' names.
func (p Provenance) byTensor() (map[string]*Step, map[string]*quantize.Figures) {
	steps, results := map[string]*Step{}, map[string]*quantize.Figures{}
	for i := range p.Plan.Steps {
		steps[p.Plan.Steps[i].Tensor] = &p.Plan.Steps[i]
	}
	for i := range p.Results {
		results[p.Results[i].Tensor] = &p.Results[i].Figures
	}
	return steps, results
}

// TensorInspection describes one tensor.
type TensorInspection struct {
	File string `json:"file"`
	TensorLine
	Statistics quantize.Statistics `json:"statistics"`
	First      []Value             `json:"first"` // elements, row-major
}

// Value is an element; JSON has no number for NaN and Inf, so they are strings there.
type Value float64

// MarshalJSON writes a number, or "NaN", "+Inf", "-Inf".
func (v Value) MarshalJSON() ([]byte, error) {
	if f := float64(v); math.IsNaN(f) || math.IsInf(f, 0) {
		return json.Marshal(fmt.Sprint(f))
	}
	return json.Marshal(float64(v))
}

// firstValues is the number of elements that are shown.
const firstValues = 8

// InspectTensor reads one tensor. If its checksum is wrong it is described all the
// same, and the error says so.
func InspectTensor(path, name string) (TensorInspection, error) {
	i, err := Inspect(path)
	if err != nil {
		return TensorInspection{}, err
	}
	t := TensorInspection{File: path}
	names := make([]string, len(i.Tensors))
	for k, line := range i.Tensors {
		if names[k] = line.Name; line.Name == name {
			t.TensorLine = line
		}
	}
	if t.Name == "" {
		return t, fmt.Errorf("%s: %w: %q; the nearest name is %q", path, tensor.ErrNotFound, name, nearest(name, names))
	}
	view, closer, damage := readTensor(path, name)
	if closer == nil {
		return t, damage
	}
	defer closer()
	return t, errors.Join(t.describe(view), damage)
}

// readTensor returns a tensor's bytes and what releases them, nil if there are
// none. A damaged tensor is returned with the error.
func readTensor(path, name string) (tensor.View, func(), error) {
	if isSafetensors(path) {
		f, err := safetensors.Open(path)
		if err != nil {
			return tensor.View{}, nil, err
		}
		view, err := f.Read(name)
		return view, func() { f.Close() }, err
	}
	f, err := cola.Open(path)
	if err != nil {
		return tensor.View{}, nil, err
	}
	view, damage := f.Read(name)
	if damage != nil {
		view, err = f.Raw(name)
	}
	return view, func() { f.Close() }, errors.Join(damage, err)
}

func (t *TensorInspection) describe(v tensor.View) (err error) {
	if !v.Type.Float() {
		return nil // nothing to compute with
	}
	if t.Statistics, err = quantize.Describe(v.Data, v.Type); err != nil {
		return err
	}
	n := min(firstValues, len(v.Data)/v.Type.Size())
	first := make([]float64, n)
	if err := dtype.Float64s(first, v.Data[:n*v.Type.Size()], v.Type); err != nil {
		return err
	}
	for _, x := range first {
		t.First = append(t.First, Value(x))
	}
	return nil
}

// IsArtifact reports whether Dump can describe the file: it is there, and not of
// another format by its name.
func IsArtifact(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && !isSafetensors(path)
}
