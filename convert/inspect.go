package convert

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"

	"colakit/formats/gguf"
	"colakit/formats/tensor"
	"colakit/internal/blake3"
	"colakit/quantize"
)

// The names and versions of what --json writes. A version stays while fields are
// only added.
const (
	InspectSchema = "colakit.inspect/1"
	TensorSchema  = "colakit.tensor/1"
	ExplainSchema = "colakit.explain/1"
	DiffSchema    = "colakit.diff/1"
)

// Inspection describes a file or folder of any format that OpenAny opens.
type Inspection struct {
	Schema     string            `json:"schema"` // InspectSchema
	File       string            `json:"file"`
	Format     Format            `json:"format"`
	Version    int               `json:"version,omitempty"` // of .cola and GGUF
	Bytes      int64             `json:"bytes,omitempty"`   // of all files
	Files      []Source          `json:"files,omitempty"`   // of a folder
	Root       *blake3.Sum       `json:"root,omitempty"`
	DiTConfig  json.RawMessage   `json:"dit_config,omitempty"`
	VAEConfig  json.RawMessage   `json:"vae_config,omitempty"`
	Generation json.RawMessage   `json:"generation,omitempty"`
	Tokenizer  int               `json:"tokenizer_bytes,omitempty"`
	Metadata   map[string]string `json:"metadata,omitempty"` // of safetensors and GGUF
	Provenance *Provenance       `json:"provenance,omitempty"`
	Tensors    []TensorLine      `json:"tensors"`
	Damage     *Damage           `json:"damage,omitempty"` // then little of the above is known
}

// TensorLine describes a tensor in a listing.
type TensorLine struct {
	Holding
	Step   *Step             `json:"plan,omitempty"`
	Result *quantize.Figures `json:"figures,omitempty"`
}

// Inspect describes the file or folder at path without reading tensors. If it is
// damaged the error wraps tensor.ErrDamaged, and the Inspection says what can be
// read of it.
func Inspect(path string) (Inspection, error) {
	c, err := OpenAny(path)
	if errors.Is(err, tensor.ErrDamaged) {
		return inspectDamaged(path, err), err
	}
	if err != nil {
		return Inspection{}, err
	}
	defer c.Close()
	i, err := c.inspect()
	if errors.Is(err, tensor.ErrDamaged) {
		return inspectDamaged(path, err), err
	}
	return i, err
}

func (c *Collection) inspect() (Inspection, error) {
	i := Inspection{
		Schema: InspectSchema, File: c.Path, Format: c.Format, Bytes: c.Bytes(), Tokenizer: len(c.Meta.Tokenizer),
		DiTConfig: clone(c.Meta.DiTConfig), VAEConfig: clone(c.Meta.VAEConfig), Generation: clone(c.Meta.Generation),
	}
	if c.Format == FormatFolder || c.Format == FormatCheckpoint {
		i.Files = c.Files
	}
	switch s := c.store.(type) {
	case colaStore:
		root := s.Root()
		i.Version, i.Root = int(s.Version()), &root
	case ggufStore:
		i.Version, i.Metadata = s.Version(), formatKeys(s.Metadata())
	case *safetensorsStore:
		if c.Format == FormatSafetensors {
			i.Metadata = s.files[0].Metadata()
		}
	}
	p, err := c.provenance()
	if err != nil {
		return Inspection{}, err
	}
	i.Provenance = p
	steps, results := p.byTensor()
	i.Tensors = make([]TensorLine, len(c.holdings))
	for k, h := range c.holdings {
		i.Tensors[k] = TensorLine{h, steps[h.Name], results[h.Name]}
	}
	return i, nil
}

// clone copies JSON of a file; what is none becomes a string.
func clone(raw []byte) json.RawMessage {
	if len(raw) == 0 {
		return nil
	}
	if !json.Valid(raw) {
		quoted, _ := json.Marshal(string(raw)) // no string fails
		return quoted
	}
	return append(json.RawMessage{}, raw...)
}

// formatKeys returns a GGUF file's metadata as text: strings as they are, long
// arrays cut. The configurations have fields of their own.
func formatKeys(m gguf.Metadata) map[string]string {
	keys := make(map[string]string, len(m))
	for _, kv := range m {
		text, isText := kv.Value.(string)
		switch {
		case kv.Key == ggufDiTConfig || kv.Key == ggufVAEConfig || kv.Key == ggufDefaults:
		case isText:
			keys[kv.Key] = text
		default:
			keys[kv.Key] = gguf.FormatValue(kv.Value)
		}
	}
	return keys
}

// provenance returns that of an artifact, nil for anything else.
func (c *Collection) provenance() (*Provenance, error) {
	if c.Format != FormatCola {
		return nil, nil
	}
	p, err := ParseProvenance(c.Meta.Provenance)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.Path, err)
	}
	return &p, nil
}

// byTensor indexes the plan and its results by the tensors' names.
func (p *Provenance) byTensor() (map[string]*Step, map[string]*quantize.Figures) {
	steps, results := map[string]*Step{}, map[string]*quantize.Figures{}
	if p == nil {
		return steps, results
	}
	for i := range p.Plan.Steps {
		steps[p.Plan.Steps[i].Tensor] = &p.Plan.Steps[i]
	}
	for i := range p.Results {
		results[p.Results[i].Tensor] = &p.Results[i].Figures
	}
	return steps, results
}

// Value is a number that may be NaN or Inf, for which JSON has no number: they are
// strings there.
type Value float64

// MarshalJSON writes a number, or "NaN", "+Inf", "-Inf".
func (v Value) MarshalJSON() ([]byte, error) {
	if f := float64(v); math.IsNaN(f) || math.IsInf(f, 0) {
		return json.Marshal(fmt.Sprint(f))
	}
	return json.Marshal(float64(v))
}
