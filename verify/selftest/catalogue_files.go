package selftest

import (
	"fmt"
	"os"
	"path/filepath"

	"colakit/convert"
	"colakit/formats/cola"
	"colakit/golden"
	"colakit/quantize"
)

var f32File = converted(convert.Options{Type: quantize.F32})

// fileFaults are damage on the disk. It must be found and named before anything is
// compared.
var fileFaults = []Case{
	{
		Name: "flipped-bit-in-artifact", Imitates: "one flipped bit in a tensor of the artifact", Bundle: exactLayers,
		Form:   f32File,
		Inject: Injection{File: flippedIn(dit(2).MLPOut.Weight())},
		Want:   Want{Error: dit(2).MLPOut.Weight(), Damaged: true},
	},
	{
		Name: "flipped-bit-in-index", Imitates: "one flipped bit in the artifact's index", Bundle: exactLayers,
		Form:   f32File,
		Inject: Injection{File: func(path string) error { return flip(path, -40) }},
		Want:   Want{Error: "index", Damaged: true},
	},
	{
		Name: "flipped-bit-in-header", Imitates: "one flipped bit in the artifact's superblock", Bundle: exactLayers,
		Form:   f32File,
		Inject: Injection{File: func(path string) error { return flip(path, 33) }},
		Want:   Want{Error: "superblock", Damaged: true},
	},
	{
		Name: "truncated-artifact", Imitates: "an artifact that was not copied to its end", Bundle: exactLayers,
		Form: f32File,
		Inject: Injection{File: func(path string) error {
			info, err := os.Stat(path)
			if err != nil {
				return err
			}
			return os.Truncate(path, info.Size()-4096)
		}},
		Want: Want{Error: "model.cola", Damaged: true},
	},
	{
		Name: "flipped-bit-in-bundle", Imitates: "one flipped bit in the bundle's taps", Bundle: exactLayers,
		Inject: Injection{Bundle: func(dir string) error { return flip(filepath.Join(dir, tapsFile), -1) }},
		Want:   Want{Error: "sha256", Damaged: true},
	},
	{
		Name: "bundle-without-file", Imitates: "a bundle whose taps were not copied", Bundle: exactLayers,
		Inject: Injection{Bundle: func(dir string) error { return os.Remove(filepath.Join(dir, tapsFile)) }},
		Want:   Want{Error: tapsFile + " is missing", Damaged: true},
	},
	{
		Name: "bundle-index-cut", Imitates: "a bundle.json that ends early", Bundle: exactLayers,
		Inject: Injection{Bundle: func(dir string) error { return os.Truncate(filepath.Join(dir, golden.InfoName), 2000) }},
		Want:   Want{Error: golden.InfoName, Damaged: true},
	},
}

// flip flips the lowest bit of the byte at an offset; a negative one counts from
// the end.
func flip(path string, offset int64) error {
	raw, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if offset < 0 {
		offset += int64(len(raw))
	}
	raw[offset] ^= 1
	return os.WriteFile(path, raw, 0o666)
}

// flippedIn flips a bit in the middle of a tensor.
func flippedIn(name string) func(path string) error {
	return func(path string) error {
		file, err := cola.Open(path)
		if err != nil {
			return err
		}
		defer file.Close()
		for _, e := range file.Entries() {
			if e.Name == name {
				return flip(path, e.Offset+e.Bytes/2)
			}
		}
		return fmt.Errorf("%s holds no %s", path, name)
	}
}
