package convert

import (
	"path/filepath"

	"colakit/formats/cola"
	"colakit/formats/gguf"
	"colakit/formats/hf"
	"colakit/formats/safetensors"
	"colakit/internal/anatomy"
)

// Damage says what is wrong with a file or folder, and what can be read of it.
type Damage struct {
	Error string        `json:"error"`
	Files []DamagedFile `json:"files"`
}

// DamagedFile is a file that can't be opened, part by part.
type DamagedFile struct {
	File  string         `json:"file"`
	Parts []anatomy.Part `json:"parts,omitempty"`
	text  string
}

// inspectDamaged describes what OpenAny did not open because of the damage.
func inspectDamaged(path string, damage error) Inspection {
	i := Inspection{Schema: InspectSchema, File: path, Tensors: []TensorLine{}, Damage: &Damage{damage.Error(), []DamagedFile{}}}
	i.Format, _ = detect(path) // it was detected before
	describe := safetensors.Describe
	switch i.Format {
	case FormatCola:
		describe = cola.Describe
	case FormatGGUF:
		describe = gguf.Describe
	}
	for _, file := range i.Format.damagedFiles(path) {
		d := DamagedFile{File: file}
		if a, err := describe(file); err != nil {
			d.text = "✗ " + err.Error() + "\n"
			d.Parts = []anatomy.Part{{Of: "file", Damage: err.Error()}}
		} else {
			d.text, d.Parts = a.String(), a.Parts()
		}
		i.Damage.Files = append(i.Damage.Files, d)
	}
	return i
}

// damagedFiles lists the files at path that are to be described: of a folder
// those that do not open.
func (f Format) damagedFiles(path string) (files []string) {
	switch f {
	case FormatFolder:
		files = weightFiles(path)
	case FormatCheckpoint:
		if at, err := hf.Locate(path); err == nil {
			files = append(weightFiles(at.DiTDir), weightFiles(at.VAEDir)...)
		}
	default:
		return []string{path}
	}
	var damaged []string
	for _, file := range files {
		if filepath.Ext(file) != ".safetensors" {
			continue // an index is no more than its error says
		}
		s, err := safetensors.Open(file)
		if err != nil {
			damaged = append(damaged, file)
			continue
		}
		s.Close()
	}
	return damaged
}
