package hf

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"colakit/formats/tensor"
)

// The names of a checkpoint's parts on disk.
const (
	ditDir        = "cola_dit"
	vaeDir        = "cola_vae"
	checkpointDir = "cola_dlm"
	configFile    = "config.json"
	tokenizerFile = "tokenizer.json"
)

// Checkpoint says where the parts of a checkpoint lie.
type Checkpoint struct {
	DiTDir    string   // folder of cola_dit: config.json and the weights
	VAEDir    string   // folder of cola_vae
	Tokenizer string   // path of tokenizer.json; "" where none was found
	Searched  []string // folders that were searched for tokenizer.json, in order
}

// Locate finds the parts of a checkpoint. The folders cola_dit and cola_vae lie
// together in src, in src/cola_dlm or one level above src, so that one of the
// two may also be given; tokenizer.json lies in src, beside them or one level
// above them.
func Locate(src string) (Checkpoint, error) {
	info, err := os.Stat(src)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("checkpoint: %w", err)
	}
	if !info.IsDir() {
		return Checkpoint{}, fmt.Errorf("%s is a file, want the folder that holds %s and %s", src, ditDir, vaeDir)
	}
	home, err := modelsHome(src)
	if err != nil {
		return Checkpoint{}, err
	}
	c := Checkpoint{DiTDir: filepath.Join(home, ditDir), VAEDir: filepath.Join(home, vaeDir)}
	for _, dir := range []string{filepath.Clean(src), home, above(home)} {
		if slices.Contains(c.Searched, dir) {
			continue
		}
		c.Searched = append(c.Searched, dir)
		if path := filepath.Join(dir, tokenizerFile); c.Tokenizer == "" && isFile(path) {
			c.Tokenizer = path
		}
	}
	return c, nil
}

// modelsHome returns the folder that holds both model folders.
func modelsHome(src string) (string, error) {
	homes := []string{filepath.Clean(src), filepath.Join(src, checkpointDir), above(src)}
	var half string
	for _, home := range homes {
		d, v := isDir(filepath.Join(home, ditDir)), isDir(filepath.Join(home, vaeDir))
		switch {
		case d && v:
			return home, nil
		case d && half == "":
			half = fmt.Sprintf("; %s has %s alone", home, ditDir)
		case v && half == "":
			half = fmt.Sprintf("; %s has %s alone", home, vaeDir)
		}
	}
	return "", fmt.Errorf("%s: no folder holds both %s and %s; looked in %s%s",
		src, ditDir, vaeDir, strings.Join(homes, ", "), half)
}

// above returns the parent folder, also of "." and of "..".
func above(dir string) string { return filepath.Join(dir, "..") }

// Raw holds the config.json files of a checkpoint as they were read.
type Raw struct{ DiT, VAE []byte }

// ReadConfig reads and checks both configurations. Errors name the file.
func (c Checkpoint) ReadConfig() (cfg Config, raw Raw, err error) {
	if cfg.DiT, raw.DiT, err = readConfig(c.DiTDir, ParseDiTConfig); err != nil {
		return Config{}, Raw{}, err
	}
	if cfg.VAE, raw.VAE, err = readConfig(c.VAEDir, ParseVAEConfig); err != nil {
		return Config{}, Raw{}, err
	}
	if err := cfg.validatePair(); err != nil {
		return Config{}, Raw{}, fmt.Errorf("%s and %s: %w", c.DiTDir, c.VAEDir, err)
	}
	return cfg, raw, nil
}

func readConfig[C any](dir string, parse func([]byte) (C, error)) (c C, raw []byte, err error) {
	path := filepath.Join(dir, configFile)
	if raw, err = readCapped(path, maxConfigBytes); err != nil {
		return c, nil, err
	}
	if c, err = parse(raw); err != nil {
		return c, nil, fmt.Errorf("%s: %w", path, err)
	}
	return c, raw, nil
}

// readCapped reads a file of at most limit bytes.
func readCapped(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, tensor.Damagedf("%s: no such file: every model folder has a %s", path, filepath.Base(path))
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(raw)) > limit {
		return nil, tensor.Damagedf("%s: more than %d bytes", path, limit)
	}
	return raw, nil
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}
