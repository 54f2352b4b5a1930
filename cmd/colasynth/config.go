package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"

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

// parseSize reads a number of bytes that may end in K, M or G (of 1000).
func parseSize(text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	unit := map[byte]int64{'K': 1e3, 'M': 1e6, 'G': 1e9}[text[len(text)-1]]
	digits := text
	if unit == 0 {
		unit = 1
	} else {
		digits = text[:len(text)-1]
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < 1 || n > 1e18/unit {
		return 0, fmt.Errorf("size %q: want a number of bytes like 500M or 2G", text)
	}
	return n * unit, nil
}

// copyFile copies a file to a path where there is none.
func copyFile(to, from string) error {
	raw, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(raw)
	return errors.Join(err, f.Close())
}
