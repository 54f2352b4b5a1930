package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"colakit/formats/hf"
)

// releasedBlock is the number of latents in a block of the released models.
const releasedBlock = 16

// config returns the configuration that the flags describe, checked.
func (f flags) config() (hf.Config, error) {
	if f.released == (f.dit != "" || f.vae != "") || (f.dit == "") != (f.vae == "") {
		return hf.Config{}, errors.New("want either --released or both --dit-config and --vae-config")
	}
	dit, vae, err := f.raw()
	if err != nil {
		return hf.Config{}, err
	}
	cfg, err := hf.ParseConfig(dit, vae)
	if err != nil {
		return hf.Config{}, err
	}
	if f.layers >= 0 {
		cfg.DiT.NumLayers = f.layers
	}
	if f.blocks >= 0 {
		cfg.VAE.EncoderNumBlocks, cfg.VAE.DecoderNumBlocks = f.blocks, f.blocks
	}
	return cfg, cfg.Validate()
}

// raw returns both config.json files.
func (f flags) raw() (dit, vae []byte, err error) {
	if f.released {
		blocks := fmt.Appendf(nil, `{"block_size": %d}`, releasedBlock)
		return blocks, blocks, nil
	}
	if dit, err = os.ReadFile(f.dit); err != nil {
		return nil, nil, err
	}
	vae, err = os.ReadFile(f.vae)
	return dit, vae, err
}

// copyTokenizer copies the file of --tokenizer, if one is named.
func (f flags) copyTokenizer(dir string) error {
	if f.tokenizer == "" {
		return nil
	}
	raw, err := os.ReadFile(f.tokenizer)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "tokenizer.json"), raw, 0o644)
}
