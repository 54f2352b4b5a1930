package hf

import (
	"fmt"
	"os"
	"path/filepath"
)

// Checkpoint says where the parts of a checkpoint lie.
type Checkpoint struct {
	DiTDir    string // folder of cola_dit: config.json and the weights
	VAEDir    string // folder of cola_vae
	Tokenizer string // path of tokenizer.json; "" where none was found
}

// Locate finds a checkpoint's parts under src.
func Locate(src string) (Checkpoint, error) {
	for _, dir := range []string{src, filepath.Join(src, "cola_dlm"), filepath.Join(src, "..")} {
		c := Checkpoint{DiTDir: filepath.Join(dir, "cola_dit"), VAEDir: filepath.Join(dir, "cola_vae")}
		if !isFile(filepath.Join(c.DiTDir, "config.json")) || !isFile(filepath.Join(c.VAEDir, "config.json")) {
			continue
		}
		for _, t := range []string{src, dir, filepath.Join(dir, "..")} {
			if path := filepath.Join(t, "tokenizer.json"); isFile(path) {
				c.Tokenizer = path
				break
			}
		}
		return c, nil
	}
	return Checkpoint{}, fmt.Errorf("%s: no cola_dit/config.json and cola_vae/config.json here, in cola_dlm or one level up", src)
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}
