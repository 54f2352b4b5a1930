// Package model opens the model that a command line names, for every program
// that computes one: an artifact, or the one that is built in.
package model

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"colakit/convert"
	"colakit/formats/cola"
	"colakit/formats/hf"
	"colakit/golden"
	"colakit/quantize"
)

// Tiny is what stands in place of a file for the embedded model.
const Tiny = "tiny"

// Model is an open artifact.
type Model struct {
	Name   string // what errors and reports call it: the file, or Tiny
	File   *cola.File
	Meta   cola.Meta
	Config hf.Config

	folder string // temporary; "" for none
}

// Open opens an artifact, or converts the embedded model to a temporary one. Its
// errors name the file.
func Open(ctx context.Context, name string) (*Model, error) {
	m, path := &Model{Name: name}, name
	var err error
	if name == Tiny {
		path, err = m.convertTiny(ctx)
	} else {
		err = checkFile(name)
	}
	if err == nil {
		err = m.load(path)
	}
	if err != nil {
		return nil, errors.Join(err, m.Close())
	}
	return m, nil
}

// checkFile tells a folder from an artifact.
func checkFile(path string) error {
	switch info, err := os.Stat(path); {
	case path == "":
		return errors.New("the name of the model is empty")
	case err == nil && info.IsDir():
		return fmt.Errorf("%s is a folder, not a .cola file; convert it first: colaconv convert %s -o MODEL.cola", path, path)
	}
	return nil
}

func (m *Model) convertTiny(ctx context.Context) (path string, err error) {
	if m.folder, err = os.MkdirTemp("", "cola-model-"); err != nil {
		return "", err
	}
	path = filepath.Join(m.folder, "tiny.cola")
	_, err = convert.FS(ctx, golden.Tiny(), path, convert.Options{Type: quantize.F32, SHA256: true})
	return path, err
}

// load opens the artifact and reads its configuration.
func (m *Model) load(path string) (err error) {
	if m.File, err = cola.Open(path); err != nil {
		return err
	}
	if m.Meta, err = m.File.Meta(); err != nil {
		return err
	}
	if m.Config, err = hf.ParseConfig(m.Meta.DiTConfig, m.Meta.VAEConfig); err != nil {
		return fmt.Errorf("%s: %w", m.Name, err)
	}
	return nil
}

// Close releases what was opened.
func (m *Model) Close() error {
	var errs []error
	if m.File != nil {
		errs = append(errs, m.File.Close())
	}
	if m.folder != "" {
		errs = append(errs, os.RemoveAll(m.folder))
	}
	return errors.Join(errs...)
}
