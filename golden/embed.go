package golden

import (
	"embed"
	"io/fs"
)

//go:embed tiny/cola_dit tiny/cola_vae tiny/tokenizer.json tiny/generation.json tiny/prompts.jsonl tiny/expect.jsonl
var tinyFiles embed.FS

//go:embed bundles/*/bundle.json bundles/*/*.safetensors
var bundleFiles embed.FS

// Tiny returns the embedded model, a small Cola DLM that was trained for this
// project (tiny/README.md): cola_dit/, cola_vae/, tokenizer.json,
// generation.json, prompts.jsonl, and in expect.jsonl what the public package
// answers to the prompts.
func Tiny() fs.FS { return sub(tinyFiles, "tiny") }

// An Embedded bundle is part of the program; OpenFS opens its Files.
type Embedded struct {
	Name  string
	Files fs.FS
}

// TinyBundles returns the bundles of the embedded model, both contracts at the
// levels ops (2 steps, a batch of three) and layers (16 steps, one sample).
func TinyBundles() []Embedded {
	var all []Embedded
	for _, name := range []string{"exact-ops", "exact-layers", "released-ops", "released-layers"} {
		all = append(all, Embedded{Name: name, Files: sub(bundleFiles, "bundles/"+name)})
	}
	return all
}

// sub returns the folder dir of an embedded tree.
func sub(files embed.FS, dir string) fs.FS {
	tree, err := fs.Sub(files, dir)
	if err != nil {
		return files // Sub fails for malformed paths only, and dir is a constant
	}
	return tree
}
