package convert

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"

	"colakit/formats/tensor"
	"colakit/internal/blake3"
	"colakit/internal/version"
	"colakit/quantize"
)

// Tool names the program and its version in the artifacts it writes.
const Tool = version.String

// Provenance says where an artifact comes from: the section of that name.
type Provenance struct {
	Tool         string       `json:"tool"`
	Sources      []SourceSum  `json:"sources"`
	Plan         Plan         `json:"plan"`
	Results      []Result     `json:"results"`             // in the order of the plan
	AdaTable     *TableSource `json:"ada_table,omitempty"` // what the AdaLN table was computed from
	Verification Verification `json:"verification"`
}

// SourceSum identifies a file that the artifact was made of.
type SourceSum struct {
	File   string     `json:"file"` // within the checkpoint
	Bytes  int64      `json:"bytes"`
	BLAKE3 blake3.Sum `json:"blake3"`           // of the whole file, as b3sum prints it
	SHA256 *SHA256    `json:"sha256,omitempty"` // of the whole file, where it was asked for
}

// Result is what converting one tensor cost.
type Result struct {
	Tensor string `json:"tensor"`
	quantize.Figures
}

// ParseProvenance reads the section of that name.
func ParseProvenance(raw []byte) (Provenance, error) {
	var p Provenance
	if err := json.Unmarshal(raw, &p); err != nil {
		return p, tensor.Damagedf("provenance: %w", err)
	}
	return p, nil
}

// encode returns the JSON of p, filled with spaces to the given size, so that the
// size of the artifact is known before the figures are.
func (p Provenance) encode(size int) ([]byte, error) {
	raw, err := json.Marshal(p)
	if err != nil {
		return nil, err
	}
	raw = append(raw, '\n')
	if len(raw) > size {
		return nil, fmt.Errorf("the provenance has %d bytes, planned were %d", len(raw), size)
	}
	return append(raw, bytes.Repeat([]byte{' '}, size-len(raw))...), nil
}

// largestProvenance returns the size that the provenance of a plan can't exceed;
// bundles is the number of golden bundles whose verdicts it has room for.
func largestProvenance(p Plan, bundles int) (int, error) {
	full := Provenance{Tool: Tool, Plan: p, Verification: largestVerification(bundles)}
	full.Plan.OutputBytes = math.MaxInt64
	for _, s := range p.Sources {
		sum := SourceSum{File: s.File, Bytes: s.Bytes}
		if p.SHA256 {
			sum.SHA256 = new(SHA256)
		}
		full.Sources = append(full.Sources, sum)
	}
	if p.AdaTable != nil {
		full.AdaTable = &TableSource{Tensors: len(p.Dropped)}
	}
	for _, s := range p.Steps {
		n, err := s.Shape.Elements()
		if err != nil {
			return 0, err
		}
		full.Results = append(full.Results, Result{s.Tensor, s.To.WidestFigures(n)})
	}
	raw, err := json.Marshal(full)
	return len(raw) + 1, err
}
